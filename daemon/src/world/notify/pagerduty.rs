//! PagerDuty's Events API v2: a notice becomes an alert of a service, one for each outside name.

use std::fmt;

use jiff::Timestamp;
use muster_runbooks::{action::control::Severity, request::Mode};
use muster_state::call::{Call, in_one_line};
use reqwest::Client;
use serde_json::{Value, json};

use super::NotTaken;
use crate::world::http::{
    allowed,
    said::{first_words, masked},
};

/// Where events go unless the configuration says otherwise.
const ENQUEUE: &str = "https://events.pagerduty.com/v2/enqueue";

/// The longest summary that is taken, in characters.
const SUMMARY_MAX: usize = 1_024;

/// The answers that decide. Everything else is trouble on the way, and is tried again.
const TAKEN: u16 = 202;
const INVALID: u16 = 400;

/// A service of PagerDuty.
#[derive(Clone)]
pub(super) struct Service {
    key: String,
    url: String,
    /// Where people reach our page, without a slash at its end.
    page: Option<String>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    /// A service by its routing key.
    pub(super) fn new(key: String, url: Option<String>, page: Option<&str>) -> Service {
        let page = page.map(|page| page.trim_end_matches('/').to_owned());
        Service { key, url: url.unwrap_or_else(|| ENQUEUE.to_owned()), page }
    }

    /// Opens an alert. One that is open under the same name stays the one.
    pub(super) async fn trigger(
        &self,
        client: &Client,
        call: &Call,
        severity: Severity,
        text: &str,
    ) -> Result<(), NotTaken> {
        let url = allowed(&self.url).map_err(NotTaken::Yet)?;
        let event = self.event(call, severity, text);
        let mut answer = client.post(url).json(&event).send().await.map_err(|why| {
            NotTaken::Yet(masked(&in_one_line(&why.without_url()), Some(&self.key)))
        })?;
        let status = answer.status();
        if status.as_u16() == TAKEN {
            return Ok(());
        }
        let said = first_words(&mut answer, Some(&self.key)).await;
        let said = if said.is_empty() { said } else { format!(": {said}") };
        let why = format!("it answered {status}{said}");
        Err(if status.as_u16() == INVALID { NotTaken::Ever(why) } else { NotTaken::Yet(why) })
    }

    fn event(&self, call: &Call, severity: Severity, text: &str) -> Value {
        let application = call.application().map(ToString::to_string);
        let mut event = json!({
            "routing_key": self.key,
            "event_action": "trigger",
            "dedup_key": call.token.as_str(),
            "client": "Muster",
            "payload": {
                "summary": summary(call, text),
                "severity": level(severity),
                "source": "muster",
                "component": application.as_deref().unwrap_or("muster"),
                "timestamp": in_millis(call.started_at),
                "custom_details": {
                    "text": text,
                    "run": call.run,
                    "step": call.step,
                    "attempt": call.attempt,
                    "mode": call.mode,
                    "manner": call.manner,
                    "application": application,
                    "next": format!("muster status {}", call.run),
                },
            },
        });
        if let Some(page) = &self.page {
            let href = format!("{page}/runs/{}", call.run);
            event["client_url"] = json!(href);
            event["links"] = json!([{ "href": href, "text": format!("Run {}", call.run) }]);
        }
        event
    }
}

/// The words of PagerDuty, whose `error` we have no use for.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

/// What the on-call person reads first. It begins with `DRILL`, if it is one, and is never empty.
fn summary(call: &Call, text: &str) -> String {
    let mark = match call.mode {
        Mode::Drill if !text.starts_with("DRILL") => "DRILL: ",
        Mode::Preview => "PREVIEW: ",
        Mode::Drill | Mode::Live => "",
    };
    let text = match text.trim() {
        "" => format!("run {} has something to say", call.run),
        text => text.to_owned(),
    };
    let whole = format!("{mark}{text}");
    match whole.char_indices().nth(SUMMARY_MAX) {
        None => whole,
        Some(_) => whole.chars().take(SUMMARY_MAX - 1).chain(std::iter::once('…')).collect(),
    }
}

/// Nobody there reads more than milliseconds.
fn in_millis(at: Timestamp) -> String {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at).to_string()
}
