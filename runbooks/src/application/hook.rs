//! Hooks of the application before and after a snapshot: what it is asked to do so that its data is
//! quiet for as long as the snapshot takes.
//!
//! A hook is asked at least once: after a crash it may be asked again, under the same outside name. So
//! it must bear being repeated, and one that freezes must let go by itself after a while: the machine
//! that would ask for the other half may be gone.

use serde::{Deserialize, Serialize};

use super::{Database, sql::Login};
use crate::{
    name::ComponentName,
    value::{Span, words},
};

/// The longest that one hook may take.
pub const HOOK_LIMIT_MAX: Span = Span::from_mins(10);

/// The longest that the hooks of one time may take together: for so long an application may stand
/// still, and nobody takes a snapshot.
pub const HOOKS_TOGETHER_MAX: Span = Span::from_mins(30);

/// The most hooks of a database.
pub const HOOKS_MAX: usize = 16;

/// What stands for the outside name in the arguments of a command.
pub const TOKEN: &str = "{token}";

words! {
    /// When a hook is asked.
    HookTime {
        /// Before the snapshot is asked for.
        BeforeSnapshot = "before-snapshot",
        /// As soon as the snapshot has ended, however it ended.
        AfterSnapshot = "after-snapshot",
    }
}

words! {
    /// What follows from a hook that failed.
    OnError {
        /// The step fails; before a snapshot there is none.
        Fail = "fail",
        /// It is shown, and the run goes on.
        Continue = "continue",
    }
}

/// Something that the application is asked to do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Hook {
    /// What it is called, unique in its database.
    pub name: ComponentName,
    /// When it is asked.
    pub when: HookTime,
    /// How long it may take, enforced. Without an answer by then it has failed.
    pub limit: Span,
    /// What follows from its failure.
    pub on_error: OnError,
    /// How it is asked.
    #[serde(flatten)]
    pub kind: HookKind,
}

/// How a hook is asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HookKind {
    /// By a POST.
    Http(HttpHook),
    /// By a statement, where the database is written.
    Sql(SqlHook),
    /// By a command in a container.
    Exec(ExecHook),
}

/// A POST. Success is an answer between 200 and 299; redirects are not followed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HttpHook {
    /// Where it goes: https, or http to loopback.
    pub url: String,
    /// The environment variable that holds the bearer token; none is sent without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
}

/// A statement, on a connection whose `application_name` is the outside name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SqlHook {
    /// One statement. It stands alone and in no transaction of Muster's: some must not be in one.
    pub statement: String,
    /// As whom; as the checks when nothing is said.
    #[serde(default, skip_serializing_if = "Login::is_empty")]
    pub login: Login,
}

/// A command in a container of the oldest pod that is ready. Success is the exit code 0.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ExecHook {
    /// The workload in whose namespace and cluster the pod is.
    pub workload: ComponentName,
    /// The label selector of the pods.
    pub selector: String,
    /// The container; may be left out where a pod has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The command and its arguments, without a shell. `{token}` in an argument stands for the outside
    /// name.
    pub command: Vec<String>,
}

impl HookKind {
    /// The key that stands for it in a file.
    pub fn word(&self) -> &'static str {
        match self {
            HookKind::Http(_) => "http",
            HookKind::Sql(_) => "sql",
            HookKind::Exec(_) => "exec",
        }
    }
}

impl ExecHook {
    /// The command with the outside name filled in.
    pub fn command_for(&self, token: &str) -> Vec<String> {
        self.command.iter().map(|argument| argument.replace(TOKEN, token)).collect()
    }
}

impl Database {
    /// The hooks of one time, in the order of the file.
    pub fn hooks_at(&self, when: HookTime) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(move |hook| hook.when == when)
    }

    /// How long the hooks of one time may take together.
    pub fn hooks_limit(&self, when: HookTime) -> Span {
        let secs: u64 = self.hooks_at(when).map(|hook| hook.limit.secs()).sum();
        Span::from_secs(u32::try_from(secs).unwrap_or(u32::MAX))
    }
}
