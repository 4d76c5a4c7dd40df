//! Asking the application's hooks, one after the other, each within its own limit.
//!
//! A hook is asked whenever the engine says so, at least once for every attempt, under the attempt's
//! outside name. One that cannot be reached has failed like one that says no: what matters is whether
//! the application stands still, and nobody said that it does.

mod post;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use jiff::SignedDuration;
use muster_runbooks::{
    action::hook::RunHooks,
    application::{
        Database,
        hook::{ExecHook, Hook, HookKind, HookTime, OnError},
    },
    request::Mode,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress, in_one_line};
use serde_json::json;

use super::http::said::in_short;
use super::{
    aws::{database, error},
    real::{Real, on},
    sql,
};

/// What a server gets on top of a statement's limit to say that it was over.
const SQL_GRACE: SignedDuration = SignedDuration::from_secs(2);

/// A hook leaves nothing that could be looked at; it is asked until it has answered.
pub async fn observe() -> Result<Progress, CallError> {
    Ok(Progress::not_started())
}

/// Asks the hooks of a database.
///
/// # Errors
///
/// When there is nobody to ask: outside a live run, or without a database.
pub async fn begin(real: &Real, call: &Call, action: &RunHooks) -> Result<Answer, CallError> {
    if call.mode != Mode::Live {
        return Err(error::unfit(call, "hooks are asked in live runs only"));
    }
    let database = database(call)?;
    let mut tally = Tally::new(action.when);
    for hook in database.hooks_at(action.when) {
        let said = if real.clock.now() > call.not_after {
            Err("the time of its step was over before it could be asked".to_owned())
        } else {
            ask(real, call, action, database, hook).await
        };
        if tally.note(hook, said).is_break() {
            break;
        }
    }
    Ok(tally.answer())
}

/// Asks one hook, for as long as it may take. The machine's time counts, as for every socket.
async fn ask(
    real: &Real,
    call: &Call,
    action: &RunHooks,
    database: &Database,
    hook: &Hook,
) -> Result<(), String> {
    let limit = hook.limit.duration();
    let (limit, done) = match &hook.kind {
        HookKind::Http(with) => {
            (limit, sql::within(limit, post::ask(real, call, hook, with)).await)
        }
        HookKind::Sql(with) => {
            let limit = limit + SQL_GRACE;
            let asked = sql::hook::ask(real, call, action, database, (hook, with));
            (limit, sql::within(limit, asked).await)
        }
        HookKind::Exec(with) => (limit, sql::within(limit, exec(real, call, action, with)).await),
    };
    done.unwrap_or_else(|| Err(format!("no answer within {limit:#}")))
}

async fn exec(real: &Real, call: &Call, action: &RunHooks, with: &ExecHook) -> Result<(), String> {
    let said = |why: CallError| in_one_line(&why);
    let on = on(call).map_err(said)?;
    let workload = on.application.workloads.iter().find(|one| one.name == with.workload);
    let workload = workload.ok_or_else(|| format!("no workload is called `{}`", with.workload))?;
    let region = on.region(action.at);
    let cluster = real.kube.cluster(workload, region).await.map_err(said)?;
    let ended = cluster.exec(&real.kube, with, call.token.as_str()).await.map_err(said)?;
    ended.map_err(|ended| in_short(&ended))
}

/// What the hooks of one time came to.
pub(super) struct Tally {
    when: HookTime,
    ran: u32,
    failed: Vec<String>,
    fatal: Vec<String>,
}

impl Tally {
    pub(super) fn new(when: HookTime) -> Tally {
        Tally { when, ran: 0, failed: Vec::new(), fatal: Vec::new() }
    }

    /// Takes in what a hook said, and says whether the next one is asked. After a snapshot all are:
    /// none may stay as the snapshot needed it because another one failed.
    pub(super) fn note(&mut self, hook: &Hook, said: Result<(), String>) -> ControlFlow<()> {
        let Err(said) = said else {
            self.ran += 1;
            return ControlFlow::Continue(());
        };
        let line = format!("hook `{}`: {said}", hook.name);
        match (hook.on_error, self.when) {
            (OnError::Continue, _) => self.failed.push(line),
            (OnError::Fail, HookTime::AfterSnapshot) => self.fatal.push(line),
            (OnError::Fail, HookTime::BeforeSnapshot) => {
                self.fatal.push(line);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    pub(super) fn answer(self) -> Answer {
        if !self.fatal.is_empty() {
            let all: Vec<String> = self.fatal.into_iter().chain(self.failed).collect();
            return Answer::Failed { reason: all.join("; ") };
        }
        let went_on = |line: &String| format!("{line}; the run goes on");
        Answer::Done(Done {
            notes: self.failed.iter().map(went_on).collect(),
            ..Done::with([("ran", json!(self.ran)), ("failed", json!(self.failed))])
        })
    }
}
