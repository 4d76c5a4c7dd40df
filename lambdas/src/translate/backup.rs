//! A job of AWS Backup changed its state: a backup, a copy or a restore.

use muster_runbooks::message::{Kind, Message, Source};
use serde_json::Value;

use super::{AGE_OF_WORDS, Event, NotOurs, at, cut, expiry, is_graphic, text};
use crate::settings::Rules;

/// A kind of job: how it is called, where its id stands, and the states that it can have (facts §2).
struct Job {
    name: &'static str,
    id: &'static str,
    states: &'static [&'static str],
}

const BACKUP: Job = Job {
    name: "backup job",
    id: "backupJobId",
    states: &[
        "CREATED",
        "PENDING",
        "RUNNING",
        "ABORTING",
        "ABORTED",
        "COMPLETED",
        "FAILED",
        "EXPIRED",
        "PARTIAL",
    ],
};
const COPY: Job = Job {
    name: "copy job",
    id: "copyJobId",
    states: &["CREATED", "RUNNING", "COMPLETED", "FAILED", "PARTIAL"],
};
const RESTORE: Job = Job {
    name: "restore job",
    id: "restoreJobId",
    states: &["PENDING", "RUNNING", "COMPLETED", "ABORTED", "FAILED"],
};

/// `Backup Job State Change`.
pub(super) fn backup(event: &Event, source: Source, _rules: &Rules) -> Result<Message, NotOurs> {
    BACKUP.message(event, source)
}

/// `Copy Job State Change`.
pub(super) fn copy(event: &Event, source: Source, _rules: &Rules) -> Result<Message, NotOurs> {
    COPY.message(event, source)
}

/// `Restore Job State Change`.
pub(super) fn restore(event: &Event, source: Source, _rules: &Rules) -> Result<Message, NotOurs> {
    RESTORE.message(event, source)
}

impl Job {
    fn message(&self, event: &Event, source: Source) -> Result<Message, NotOurs> {
        let detail = &event.detail;
        let id = text(detail[self.id].as_str(), "the job's id")?;
        if id.len() > 100 || !is_graphic(id) {
            return Err(NotOurs::Field { field: "the job's id" });
        }
        // Some of them say `state`, others `status` (facts §2).
        let state = detail["state"].as_str().or(detail["status"].as_str());
        let state = text(state, "detail.state")?;
        if state.len() > 40 || !is_graphic(state) {
            return Err(NotOurs::Field { field: "detail.state" });
        }
        let about = self.about(detail, &source)?.unwrap_or_else(|| id.to_owned());
        let at = at(event)?;
        let key = format!("backup|{}|{id}|{state}", self.id);
        let heed =
            !self.is_fine(state) || !detail["statusMessage"].as_str().is_none_or(str::is_empty);
        let kind = Kind::Nudge { about, says: Some(self.says(id, state, detail)), heed };
        Ok(Message::new(kind, key, source, at, expiry(at, AGE_OF_WORDS, "time")?))
    }

    /// Whether a state is a step on the way, or its good end.
    fn is_fine(&self, state: &str) -> bool {
        let is_fine = matches!(state, "CREATED" | "PENDING" | "RUNNING" | "COMPLETED");
        is_fine && self.states.contains(&state)
    }

    /// What the job works on. An ARN of S3 names no account; any other must name the event's own.
    fn about(&self, detail: &Value, source: &Source) -> Result<Option<String>, NotOurs> {
        let Some(arn) = detail["resourceArn"].as_str().filter(|arn| !arn.is_empty()) else {
            return Ok(None);
        };
        let mut parts = arn.splitn(6, ':');
        let (head, account) = (parts.next(), parts.nth(3));
        if head != Some("arn") || arn.len() > 400 || !is_graphic(arn) || parts.next().is_none() {
            return Err(NotOurs::Field { field: "detail.resourceArn" });
        }
        match account {
            Some(account) if account.is_empty() || account == source.account => {
                Ok(Some(arn.to_owned()))
            }
            Some(_) | None => Err(NotOurs::Foreign { arn: cut(arn) }),
        }
    }

    fn says(&self, id: &str, state: &str, detail: &Value) -> String {
        let message = detail["statusMessage"].as_str().map(cut).unwrap_or_default();
        let is = match state {
            // AWS calls it completed (facts §2).
            "COMPLETED" if !message.is_empty() => "COMPLETED with issues".to_owned(),
            _ if self.states.contains(&state) => state.to_owned(),
            _ => format!("in the unknown state {state}"),
        };
        let because = if message.is_empty() { String::new() } else { format!(": {message}") };
        format!("AWS Backup, {} {id} is {is}{because}", self.name)
    }
}
