//! Roles in other accounts: assumed at STS of the vault's own region, and never at a global endpoint
//! (facts §5.5).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::{
    self, ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use muster_runbooks::application::Vault;
use muster_state::call::CallError;

use super::{Aws, LOOK, Side, error};

/// The most sessions that are remembered. One that was forgotten is asked for again.
const SESSIONS_MAX: usize = 16;

/// The clients of each role and session. Their credentials are kept and renewed by the SDK.
pub(super) type Sessions = Mutex<BTreeMap<(String, String), Arc<Side>>>;

/// STS does not give the role to whoever asks, for a reason that stands until a person mends it.
#[derive(Debug, thiserror::Error)]
#[error("the role `{role}` cannot be assumed ({code}): {message}")]
pub(super) struct NoRole {
    /// What is to be done.
    pub(super) class: error::Class,
    /// The role's ARN.
    pub(super) role: String,
    /// The code of STS.
    pub(super) code: String,
    /// The words of STS, and what to do.
    pub(super) message: String,
}

impl Aws {
    /// The clients of a vault's region with the credentials of one of its roles. `session` is what the
    /// vault's own log of calls shows; the run, where there is one.
    ///
    /// # Errors
    ///
    /// A refusal, when the external id that was declared is not in the environment.
    pub async fn assumed(
        &self,
        vault: &Vault,
        role: &str,
        session: &str,
    ) -> Result<Arc<Side>, CallError> {
        let key = (role.to_owned(), session.to_owned());
        if let Some(side) = self.sessions().get(&key) {
            return Ok(Arc::clone(side));
        }
        let region = aws_config::Region::new(vault.region.as_str().to_owned());
        let asks = self
            .shared
            .to_builder()
            .retry_config(LOOK.retries())
            .timeout_config(LOOK.limits())
            .build();
        let mut builder = AssumeRoleProvider::builder(role)
            .configure(&asks)
            .region(region)
            .session_name(format!("muster-{session}"));
        if let Some(id) = external_id(vault)? {
            builder = builder.external_id(id);
        }
        let role = Role { arn: role.to_owned(), inner: builder.build().await };
        let provider = SharedCredentialsProvider::new(role);
        let shared = self.shared.to_builder().credentials_provider(provider).build();
        let side = Arc::new(self.made(&shared, &vault.region, Some(&vault.account)));
        let mut sessions = self.sessions();
        if sessions.len() >= SESSIONS_MAX {
            sessions.clear();
        }
        Ok(Arc::clone(sessions.entry(key).or_insert(side)))
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Arc<Side>>> {
        self.assumed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The external id that keeps others from making Muster use its role for them. It stands in the
/// environment and nowhere else.
fn external_id(vault: &Vault) -> Result<Option<String>, CallError> {
    let Some(name) = &vault.external_id_env else { return Ok(None) };
    match std::env::var(name) {
        Ok(id) if !id.is_empty() => Ok(Some(id)),
        Ok(_) | Err(_) => Err(CallError::Refused {
            service: format!("sts {}", vault.region),
            operation: "AssumeRole",
            code: "NoExternalId".to_owned(),
            message: format!(
                "the environment variable `{name}` holds no external id; set it where Muster runs"
            ),
        }),
    }
}

/// A role that is assumed whenever its credentials run out.
#[derive(Debug)]
struct Role {
    arn: String,
    inner: AssumeRoleProvider,
}

impl Role {
    /// What STS refuses for good is told apart from what it did not answer.
    fn refused(&self, why: &CredentialsError) -> Option<NoRole> {
        let why = std::error::Error::source(why)?;
        let why = why.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>()?;
        let SdkError::ServiceError(answer) = why else { return None };
        let code = answer.err().code().unwrap_or_default().to_owned();
        let class = error::class(answer.raw().status().as_u16(), &code);
        if !matches!(class, error::Class::Refused | error::Class::Credentials) {
            return None;
        }
        let said = answer.err().message().unwrap_or("it gives no reason");
        let message = format!(
            "{said}; hint: its trust policy must name Muster's own role and the external id, and Muster's \
             own role needs sts:AssumeRole on it"
        );
        Some(NoRole { class, role: self.arn.clone(), code, message })
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let credentials = async {
            let asked: provider::Result = self.inner.provide_credentials().await;
            asked.map_err(|why| match self.refused(&why) {
                Some(refused) => CredentialsError::provider_error(refused),
                None => why,
            })
        };
        future::ProvideCredentials::new(credentials)
    }
}

#[cfg(test)]
mod tests;
