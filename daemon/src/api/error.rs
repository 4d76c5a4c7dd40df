//! Domain errors become problem documents (RFC 9457) here and nowhere else.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use muster_runbooks::{action::control::PersonRole, name::BadName};
use muster_state::{
    command::Refusal,
    journal::{AppendError, ReadError},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::intake::Rejected;

/// A problem document (RFC 9457).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct ProblemView {
    /// Names the sort of problem: `urn:muster:problem:` and a word. Programs decide by this.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sort of problem, in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The run that stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Everything that is wrong, when it is more than one thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// A problem on its way out.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    view: Box<ProblemView>,
    audited: bool,
    challenge: Option<&'static str>,
}

/// Marks a response that the audit trail must know of.
#[derive(Clone, Debug)]
pub(super) struct Audited(pub(super) String);

impl Problem {
    /// A problem of a sort.
    pub fn new(status: StatusCode, word: &str, title: &str, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            view: Box::new(ProblemView {
                kind: format!("urn:muster:problem:{word}"),
                title: title.to_owned(),
                status: status.as_u16(),
                detail: detail.into(),
                hint: None,
                run: None,
                problems: Vec::new(),
            }),
            audited: false,
            challenge: None,
        }
    }

    /// With what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.view.hint = Some(hint.into());
        self
    }

    /// A refusal that the audit trail must know of.
    pub fn audited(mut self) -> Problem {
        self.audited = true;
        self
    }

    /// The document that is sent.
    pub fn view(&self) -> &ProblemView {
        &self.view
    }

    fn run(mut self, run: impl ToString) -> Problem {
        self.view.run = Some(run.to_string());
        self
    }

    /// Nobody is known to ask this.
    pub fn unauthorized(detail: &str, challenge: &'static str) -> Problem {
        let mut problem = Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "A token is needed",
            detail,
        )
        .hint("send `Authorization: Bearer …`, or set MUSTER_TOKEN; `muster token` makes a token")
        .audited();
        problem.challenge = Some(challenge);
        problem
    }

    /// The role is too low.
    pub fn forbidden(who: &str, needs: PersonRole, has: PersonRole) -> Problem {
        Refusal::Role { who: who.to_owned(), needs, has }.into()
    }

    /// There is nothing of this name.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    /// The request itself is not right.
    pub fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "The request is not right",
            detail,
        )
    }

    /// Nothing can be taken now.
    pub fn unavailable(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Muster cannot take this now",
            detail,
        )
        .hint("try again with the same `Idempotency-Key`; `muster status` shows what was done")
    }

    /// The body is larger than is read.
    pub fn too_large(bytes_max: usize) -> Problem {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The body is too large",
            format!("{bytes_max} bytes at most"),
        )
        .audited()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let because = self.view.detail.clone();
        let mut response = (self.status, Json(*self.view)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.audited {
            response.extensions_mut().insert(Audited(because));
        }
        response
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Problem {
        let detail = rejected.to_string();
        match rejected {
            Rejected::Refused(refusal) => refusal.into(),
            Rejected::Journal(error) => error.into(),
            Rejected::UnknownRunbook { .. } => {
                Problem::not_found(detail).hint("GET /v1/runbooks lists them")
            }
            Rejected::UnknownApplication { .. } => {
                Problem::not_found(detail).hint("GET /v1/applications lists them")
            }
            Rejected::Invalid { problems } => {
                let mut problem =
                    Problem::invalid(detail).hint("GET /v1/runbooks shows what each one takes");
                problem.view.problems = problems;
                problem
            }
            Rejected::Unavailable => Problem::unavailable(detail),
        }
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Problem {
        let detail = error.to_string();
        match error {
            AppendError::Conflict { .. } => {
                Problem::new(StatusCode::CONFLICT, "conflict", "Somebody else was faster", detail)
                    .hint("look at it again, then decide")
            }
            AppendError::Full => Problem::unavailable(detail),
            AppendError::Broken { .. } => {
                Problem::unavailable(detail).hint("the disk needs a person; reads still work")
            }
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "unreadable", "The journal cannot be read", error.to_string())
            .hint("`muster state verify` says what is damaged")
    }
}

impl From<BadName> for Problem {
    fn from(bad: BadName) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad-name", "This is not a name", bad.to_string())
            .audited()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        const CONFLICT: StatusCode = StatusCode::CONFLICT;
        const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
        let detail = refusal.to_string();
        let conflict = |word, title| Problem::new(CONFLICT, word, title, detail.clone());
        let forbidden =
            |word, title| Problem::new(FORBIDDEN, word, title, detail.clone()).audited();
        match refusal {
            Refusal::UnknownRun { .. } => {
                Problem::not_found(detail).hint("`muster status` lists the open runs").audited()
            }
            Refusal::UnknownStep { run, .. } => Problem::not_found(detail)
                .hint(format!("`muster status {run}` lists its steps"))
                .audited(),
            Refusal::UnknownProposal { .. } => Problem::not_found(detail)
                .hint("`muster status` lists what can be started")
                .audited(),
            Refusal::Role { needs, .. } => forbidden("role", "Your role is too low")
                .hint(format!("ask somebody with the role {needs}")),
            Refusal::OwnRequest { .. } => forbidden("own-request", "You asked for this run")
                .hint("somebody else must approve it"),
            Refusal::OwnGlass { .. } => {
                forbidden("own-glass", "You broke this glass").hint("another approver reviews it")
            }
            Refusal::FewSeals { .. } => forbidden("few-seals", "That takes more seals")
                .hint("bring seals of people who neither asked for the run nor open them"),
            Refusal::SealOpened { run, .. } => {
                forbidden("seal-opened", "A seal is opened once").run(run)
            }
            Refusal::UnknownFinding { .. } => {
                Problem::not_found(detail).hint("`muster findings` lists what stands").audited()
            }
            Refusal::Unfit { .. } => Problem::invalid(detail),
            Refusal::Twice { .. } => conflict("approved-twice", "You have approved this").audited(),
            Refusal::OtherPlan => conflict("other-plan", "That is another plan")
                .hint("read the run again: its `plan_hash` is what you approve")
                .audited(),
            Refusal::RiskNotAccepted { risks, .. } => {
                let flags: Vec<String> =
                    risks.iter().map(|risk| format!("--accept {risk}")).collect();
                conflict("risk-not-accepted", "A risk must be accepted by name")
                    .hint(format!("if you do accept it, say {}", flags.join(" ")))
            }
            Refusal::RiskNotOffered { .. } => {
                conflict("risk-not-offered", "That risk is not offered here").audited()
            }
            Refusal::NotNow { .. } => conflict("not-now", "Not in this state")
                .hint("`muster status RUN` shows where it stands"),
            Refusal::Guard { .. } => conflict("guard", "A guard cannot be passed this way")
                .hint("it is passed by `muster approve`, with the risk accepted by name")
                .audited(),
            Refusal::Locked { by, .. } => conflict("locked", "Another run has the lock")
                .hint(format!("`muster status {by}` shows what it does"))
                .run(by),
            Refusal::Frozen { application, .. } => conflict("frozen", "Nothing may change it now")
                .hint(format!("wait, or see `muster freeze check {application}`")),
            Refusal::KeyReused { by } => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "The key stands for another request",
                detail,
            )
            .hint("a new request needs a new `Idempotency-Key`; the same one needs the same body")
            .run(by),
            Refusal::TooLate { .. } => conflict("too-late", "It is too late for this request"),
            Refusal::OccurrenceTaken { .. } => conflict("taken", "This occurrence was taken"),
            Refusal::UnknownPoint { .. } | Refusal::UnknownHold { .. } => {
                Problem::not_found(detail)
                    .hint("`muster backups APPLICATION` lists them with their holds")
                    .audited()
            }
            Refusal::BadDowntime { .. } => Problem::invalid(detail)
                .hint("choose an `until` within 30 days; it can be declared again"),
            Refusal::NoHoldName => Problem::invalid(detail).hint("add `name`"),
            Refusal::NoReason => {
                Problem::invalid(detail).hint("add `reason`: it stands in the audit trail")
            }
            Refusal::TooManyRuns { .. } => Problem::unavailable(detail),
            Refusal::SwitchedOff => conflict("switched-off", "Muster is switched off")
                .hint("an admin turns it on again with `muster on --reason TEXT`"),
            Refusal::NotTheActor { .. } => conflict("not-the-actor", "This Muster does not act")
                .hint("ask the one that holds the lease; `muster status` says which that is"),
            Refusal::BadPlan { .. } => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "bad-plan",
                "The plan cannot be used",
                detail,
            ),
        }
    }
}
