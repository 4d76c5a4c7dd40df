//! Whether notices arrive, by what the daemon says about its receivers.

use jiff::Timestamp;
use muster_runbooks::heartbeat::{Heartbeat, Receiver};

use super::{Severity, State};
use crate::watchdog::settings::Notices;

const HINT: &str = "what Muster finds out reaches nobody on this way: look at the receiver, at its URL or \
                    key in the daemon's environment, and at `muster status`";

/// The most receivers that one line names.
const NAMED_MAX: usize = 3;

pub(super) fn judge(now: Timestamp, heartbeat: Option<&Heartbeat>, limits: &Notices) -> State {
    let Some(heartbeat) = heartbeat else {
        return State::Unknown { because: "the heartbeat says nothing".to_owned() };
    };
    let alarm = |summary| State::alarm(Severity::Error, summary, HINT);
    let Some(notices) = &heartbeat.notices else {
        let version = cut(&heartbeat.version);
        return alarm(format!("Muster {version} does not say whether notices arrive: upgrade it"));
    };
    if notices.receivers.is_empty() {
        return alarm("Muster has no receivers: it tells nobody".to_owned());
    }
    let is_failing = |one: &&Receiver| {
        let since = one.failing_since;
        since.is_some_and(|since| now.duration_since(since) >= limits.failing_after.duration())
    };
    let failing = notices.receivers.iter().filter(is_failing).map(|one| {
        let since = one.failing_since.unwrap_or(now);
        let because = one.because.as_deref().unwrap_or("nobody knows why");
        format!("`{}` takes no notices since {since:.0}: {}", cut(&one.name), cut(because))
    });
    if let Some(summary) = joined(failing.collect()) {
        return alarm(summary);
    }
    let is_silent = |one: &&Receiver| {
        let heard_at = one.taken_at.unwrap_or(notices.since);
        let limit = limits.silent_after;
        limit.is_some_and(|limit| now.duration_since(heard_at) > limit.duration())
    };
    let silent = notices.receivers.iter().filter(is_silent).map(|one| match one.taken_at {
        Some(at) => format!("`{}` has taken no notice since {at:.0}", cut(&one.name)),
        None => format!("`{}` has taken no notice since Muster started", cut(&one.name)),
    });
    if let Some(summary) = joined(silent.collect()) {
        return alarm(summary);
    }
    let untried = notices.receivers.iter().find(|one| one.taken_at.is_none());
    let troubled = notices.receivers.iter().find(|one| one.failing_since.is_some());
    match (troubled, untried) {
        (None, None) => State::Well,
        (Some(one), _) => {
            State::Unknown { because: format!("`{}` takes no notices for now", cut(&one.name)) }
        }
        (None, Some(one)) => {
            State::Unknown { because: format!("`{}` was not told anything yet", cut(&one.name)) }
        }
    }
}

fn joined(mut lines: Vec<String>) -> Option<String> {
    let more = lines.len().saturating_sub(NAMED_MAX);
    lines.truncate(NAMED_MAX);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// The object may be anybody's.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
