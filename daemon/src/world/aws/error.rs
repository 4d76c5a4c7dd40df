//! What an error of AWS means: one table, read by every call.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use muster_state::call::{Answer, BoxError, Call, CallError, in_one_line};

use super::{assumed::NoRole, paced::NoTurn};

/// What is to be done about an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// Throttled, timed out, unreachable, or not understood. It may have taken effect.
    NoAnswer,
    /// It will not change by asking again.
    Refused,
    /// A person must mend our credentials.
    Credentials,
    /// The object is in another state. It was not done; look again later.
    Busy,
    /// An object of this name exists. Whose it is, the next look tells.
    Exists,
    /// There is no such object.
    Missing,
}

/// An error, classed.
#[derive(Debug)]
pub struct Trouble {
    /// What it means.
    pub class: Class,
    /// The service's code; empty without an answer.
    pub code: String,
    /// The service's words.
    pub message: String,
    source: BoxError,
}

/// Codes with a meaning of their own (facts §8). What is not here is judged by its shape, see
/// [`class`].
const CODES: &[(&str, Class)] = &[
    ("Throttling", Class::NoAnswer),
    ("ThrottlingException", Class::NoAnswer),
    ("ThrottledException", Class::NoAnswer),
    ("RequestThrottled", Class::NoAnswer),
    ("RequestThrottledException", Class::NoAnswer),
    ("TooManyRequestsException", Class::NoAnswer),
    ("ProvisionedThroughputExceededException", Class::NoAnswer),
    ("TransactionInProgressException", Class::NoAnswer),
    ("RequestLimitExceeded", Class::NoAnswer),
    ("BandwidthLimitExceeded", Class::NoAnswer),
    ("LimitExceededException", Class::NoAnswer),
    ("SlowDown", Class::NoAnswer),
    ("EC2ThrottledException", Class::NoAnswer),
    ("RequestTimeout", Class::NoAnswer),
    ("RequestTimeoutException", Class::NoAnswer),
    ("InternalFailure", Class::NoAnswer),
    ("InternalError", Class::NoAnswer),
    ("ServiceUnavailable", Class::NoAnswer),
    // The SDK counts it as a throttle. It says that nothing was done, which is more.
    ("PriorRequestNotComplete", Class::Busy),
    ("OperationAborted", Class::Busy),
    ("ConditionalRequestConflict", Class::Busy),
    // CodeBuild runs as many builds already as a project or the account may: it was not started.
    ("AccountLimitExceededException", Class::Busy),
    ("ExpiredToken", Class::Credentials),
    ("ExpiredTokenException", Class::Credentials),
    ("RequestExpired", Class::Credentials),
    ("RequestTimeTooSkewed", Class::Credentials),
    ("InvalidToken", Class::Credentials),
    ("InvalidClientTokenId", Class::Credentials),
    ("InvalidAccessKeyId", Class::Credentials),
    ("InvalidSignatureException", Class::Credentials),
    ("SignatureDoesNotMatch", Class::Credentials),
    ("UnrecognizedClient", Class::Credentials),
    ("UnrecognizedClientException", Class::Credentials),
    ("AuthFailure", Class::Credentials),
    ("MissingAuthenticationToken", Class::Credentials),
    ("NoSuchKey", Class::Missing),
    // `TestFailover` beyond 15 shards a day, or while AWS blocks it: nothing was done, and soon nothing will
    // be (facts §3).
    ("APICallRateForCustomerExceeded", Class::Refused),
    ("TestFailoverNotAvailableFault", Class::Refused),
    ("KMSKeyNotAccessibleFault", Class::Refused),
    ("UnauthorizedOperation", Class::Refused),
    ("NotAuthorized", Class::Refused),
    ("PermanentRedirect", Class::Refused),
    ("PreconditionFailed", Class::Refused),
];

/// What a status and a code mean.
///
/// A code that fits nothing here is `NoAnswer`, never `Refused`: a refusal ends the step, and only a
/// definite one may (style R10). The price is that a permanent error nobody foresaw is asked again,
/// after a look each time, until the attempt's deadline, with its words in the notes.
pub fn class(status: u16, code: &str) -> Class {
    if status >= 500 || status == 429 {
        return Class::NoAnswer;
    }
    if let Some((_, class)) = CODES.iter().find(|(known, _)| *known == code) {
        return *class;
    }
    let name = code.trim_end_matches("Fault").trim_end_matches("Exception");
    if name.starts_with("AccessDenied") || name.ends_with("QuotaExceeded") {
        Class::Refused
    } else if name.ends_with("AlreadyExists") {
        Class::Exists
    } else if name.ends_with("NotFound") {
        Class::Missing
    } else if name.starts_with("Invalid") && name.ends_with("State") {
        // `InvalidDBClusterStateFault` and its kin: somebody else's operation, ours, or a backup
        // window (facts §2, §8).
        Class::Busy
    } else if ["Invalid", "Validation", "Malformed", "Missing", "NoSuch", "Unsupported"]
        .iter()
        .any(|start| name.starts_with(start))
    {
        Class::Refused
    } else if code.is_empty() && status == 403 {
        // The answer to HEAD has no body and so no code.
        Class::Refused
    } else if code.is_empty() && status == 404 {
        Class::Missing
    } else {
        Class::NoAnswer
    }
}

/// Classes an error of the SDK.
pub fn trouble<E>(error: SdkError<E, HttpResponse>) -> Trouble
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let (class, code, message) = match &error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or_default().to_owned();
            let message = answer.err().message().unwrap_or_default().to_owned();
            (class(answer.raw().status().as_u16(), &code), code, message)
        }
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) => {
            match unsent(&error) {
                Some(unsent) => unsent,
                None if matches!(error, SdkError::ConstructionFailure(_)) => {
                    // The request could not even be written: nothing about it changes by itself.
                    (Class::Refused, "NotSent".to_owned(), in_one_line(&error))
                }
                None => (Class::NoAnswer, String::new(), in_one_line(&error)),
            }
        }
        // And whatever the SDK adds later.
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) | _ => {
            (Class::NoAnswer, String::new(), in_one_line(&error))
        }
    };
    Trouble { class, code, message, source: Box::new(error) }
}

/// Says whether nothing was sent: no turn came in time, or the SDK had no credentials to sign with, be it
/// none at all or not those of a role in another account. A provider that did not answer in time is no
/// answer, and not this.
fn unsent(error: &(dyn Error + 'static)) -> Option<(Class, String, String)> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(refused) = cause.downcast_ref::<NoRole>() {
            return Some((refused.class, refused.code.clone(), refused.to_string()));
        }
        if cause.is::<NoTurn>() {
            return Some((Class::Busy, "NoTurn".to_owned(), cause.to_string()));
        }
        if let Some(
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_),
        ) = cause.downcast_ref::<CredentialsError>()
        {
            let code = "CredentialsNotLoaded".to_owned();
            return Some((Class::Credentials, code, in_one_line(cause)));
        }
        next = cause.source();
    }
    None
}

impl Trouble {
    /// As the engine hears it. What only one operation can judge counts as refused here.
    pub fn at(self, service: String, operation: &'static str) -> CallError {
        let Trouble { class, code, message, source } = self;
        match class {
            Class::NoAnswer if code.is_empty() => {
                CallError::NoAnswer { service, operation, source }
            }
            Class::NoAnswer | Class::Busy => CallError::NoAnswer {
                service,
                operation,
                source: format!("{code}: {message}").into(),
            },
            Class::Credentials => CallError::Credentials { service, operation, code },
            Class::Refused | Class::Exists | Class::Missing => {
                CallError::Refused { service, operation, code, message }
            }
        }
    }

    /// As an answer to a begin: a busy object is no failure.
    pub fn begun(self, service: String, operation: &'static str) -> Result<Answer, CallError> {
        match self.class {
            Class::Busy => Ok(Answer::Busy { reason: format!("{}: {}", self.code, self.message) }),
            Class::NoAnswer
            | Class::Refused
            | Class::Credentials
            | Class::Exists
            | Class::Missing => Err(self.at(service, operation)),
        }
    }

    /// The same for a call that gives its object our own name: that it exists is no failure either.
    /// Whether it is really ours, the next look reads from its tags.
    pub fn begun_named(
        self,
        service: String,
        operation: &'static str,
    ) -> Result<Answer, CallError> {
        match self.class {
            Class::Exists => Ok(Answer::Accepted),
            Class::NoAnswer
            | Class::Refused
            | Class::Credentials
            | Class::Busy
            | Class::Missing => self.begun(service, operation),
        }
    }
}

/// A call that does not fit its application: a runbook that was checked against another one, or a
/// component that was taken out. It is refused before anything is sent.
pub fn unfit(call: &Call, message: &str) -> CallError {
    CallError::Refused {
        service: "muster".to_owned(),
        operation: call.action.spec().name,
        code: "NotConfigured".to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: nobody changes what an error means without seeing this table change.
    /// Method: the errors that facts §2, §3, §4, §5 and §8 name, with the status that AWS gives them.
    #[test]
    fn what_errors_mean() {
        let table = [
            (400, "Throttling", Class::NoAnswer),
            (503, "SlowDown", Class::NoAnswer),
            (400, "RequestLimitExceeded", Class::NoAnswer),
            (500, "SnapshotQuotaExceeded", Class::NoAnswer),
            (429, "", Class::NoAnswer),
            (400, "PriorRequestNotComplete", Class::Busy),
            (400, "InvalidDBClusterStateFault", Class::Busy),
            (400, "InvalidGlobalClusterStateFault", Class::Busy),
            (400, "InvalidDBInstanceState", Class::Busy),
            (400, "InvalidDBClusterSnapshotStateFault", Class::Busy),
            (409, "ConditionalRequestConflict", Class::Busy),
            (400, "AccountLimitExceededException", Class::Busy),
            (400, "DBClusterSnapshotAlreadyExistsFault", Class::Exists),
            (404, "DBClusterSnapshotNotFoundFault", Class::Missing),
            (404, "GlobalClusterNotFoundFault", Class::Missing),
            (404, "NoSuchKey", Class::Missing),
            (404, "", Class::Missing),
            (404, "NoSuchBucket", Class::Refused),
            (404, "NoSuchHostedZone", Class::Refused),
            (400, "SnapshotQuotaExceeded", Class::Refused),
            (403, "DBClusterQuotaExceededFault", Class::Refused),
            (400, "APICallRateForCustomerExceeded", Class::Refused),
            (400, "TestFailoverNotAvailableFault", Class::Refused),
            (400, "InvalidReplicationGroupState", Class::Busy),
            (400, "KMSKeyNotAccessibleFault", Class::Refused),
            (403, "AccessDenied", Class::Refused),
            (403, "", Class::Refused),
            (400, "AccessDeniedException", Class::Refused),
            (400, "InvalidParameterCombination", Class::Refused),
            (400, "InvalidRestoreFault", Class::Refused),
            (400, "ValidationError", Class::Refused),
            (403, "ExpiredToken", Class::Credentials),
            (403, "InvalidClientTokenId", Class::Credentials),
            (403, "UnrecognizedClientException", Class::Credentials),
            (403, "InsufficientDBClusterCapacityFault", Class::NoAnswer),
            (400, "SomethingNewFault", Class::NoAnswer),
        ];
        for (status, code, meant) in table {
            assert_eq!(class(status, code), meant, "{status} {code}");
        }
    }
}
