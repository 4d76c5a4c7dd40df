//! Tells people, through a service of PagerDuty (Events API v2) that Muster itself does not use.

use std::{fmt, time::Duration};

use futures::future::join_all;
use jiff::{Timestamp, tz::TimeZone};
use reqwest::{Client, StatusCode, redirect};
use serde_json::{Value, json};

use super::judge::{Alarm, Judgement, Severity, State};

/// What is well is said in every such minute. It closes an incident, or does nothing.
const RESOLVES_EVERY_MINS: i8 = 5;

/// How long one event may take, and how often it is tried. A repeat is the same incident.
const CONNECT: Duration = Duration::from_secs(2);
const ATTEMPT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;

/// The longest summary that PagerDuty takes, in characters.
const SUMMARY_MAX: usize = 1_024;

/// The most of an answer that is shown, in characters.
const SAID_MAX: usize = 200;

/// One thing that is said.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The incident.
    pub key: String,
    /// Its text, without the routing key.
    pub body: Value,
}

/// An event that nobody took.
#[derive(Debug, thiserror::Error)]
#[error("`{key}` was not taken: {because}")]
pub struct NotTaken {
    /// The incident.
    pub key: String,
    /// Why, without the routing key.
    pub because: String,
    /// Whether the key was refused: it may have been changed.
    pub is_refused: bool,
}

/// Why nobody could be told.
#[derive(Debug, thiserror::Error)]
#[error("{} of {said} events were not taken; the first: {}", .failed.len(), .failed.first().map_or("", |one| one.because.as_str()))]
pub struct Untold {
    /// How many were said.
    pub said: usize,
    /// Those that were not taken.
    pub failed: Vec<NotTaken>,
}

/// PagerDuty, with what is secret about it.
pub struct Pager {
    client: Client,
    url: String,
    key: String,
}

impl fmt::Debug for Pager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pager").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What is to be said about everything that was judged. An alarm is said each minute, until it is over:
/// the incident stays one, and no state is needed to know whether it was said. Nothing is said about
/// what is unknown.
pub fn events(now: Timestamp, judged: &[Judgement], watched: &str) -> Vec<Event> {
    let minute = civil_minute(now);
    let event = |one: &Judgement| {
        let key = one.cause.key(watched);
        match &one.state {
            State::Alarm(alarm) => {
                let body = trigger(now, &key, one, alarm, watched);
                Some(Event { key, body })
            }
            State::Well if minute % RESOLVES_EVERY_MINS == 0 => {
                let body = json!({ "event_action": "resolve", "dedup_key": key });
                Some(Event { key, body })
            }
            State::Well | State::Unknown { .. } => None,
        }
    };
    judged.iter().filter_map(event).collect()
}

fn civil_minute(at: Timestamp) -> i8 {
    at.to_zoned(TimeZone::UTC).minute()
}

fn trigger(now: Timestamp, key: &str, one: &Judgement, alarm: &Alarm, watched: &str) -> Value {
    let cause = one.cause.to_string();
    let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    json!({
        "event_action": "trigger",
        "dedup_key": key,
        "client": "Muster's watchdog",
        "payload": {
            "summary": alarm.summary.chars().take(SUMMARY_MAX).collect::<String>(),
            "severity": match alarm.severity {
                Severity::Critical => "critical",
                Severity::Error => "error",
            },
            "source": format!("muster-watchdog/{watched}"),
            "component": watched,
            "class": cause.split('/').next(),
            "timestamp": now.to_string(),
            "custom_details": { "cause": cause, "next": alarm.hint },
        },
    })
}

impl Pager {
    /// PagerDuty at an address, by a routing key.
    ///
    /// # Errors
    ///
    /// When this machine has no TLS to speak.
    pub fn new(url: &str, key: String) -> Result<Pager, reqwest::Error> {
        let client = Client::builder()
            .no_proxy()
            .user_agent("muster-watchdog")
            .connect_timeout(CONNECT)
            .timeout(ATTEMPT)
            // Whoever redirects it has not taken it.
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Pager { client, url: url.to_owned(), key })
    }

    /// Says everything at once.
    ///
    /// # Errors
    ///
    /// When anything of it was not taken. The rest was.
    pub async fn say(&self, events: &[Event]) -> Result<(), Untold> {
        let ends = join_all(events.iter().map(|event| self.send(event))).await;
        let failed: Vec<NotTaken> = ends.into_iter().filter_map(Result::err).collect();
        if failed.is_empty() { Ok(()) } else { Err(Untold { said: events.len(), failed }) }
    }

    async fn send(&self, event: &Event) -> Result<(), NotTaken> {
        let mut body = event.body.clone();
        body["routing_key"] = json!(self.key);
        let mut last =
            NotTaken { key: event.key.clone(), because: String::new(), is_refused: false };
        for _ in 0..ATTEMPTS {
            match self.client.post(&self.url).json(&body).send().await {
                Ok(answer) if answer.status() == StatusCode::ACCEPTED => return Ok(()),
                Ok(answer) => {
                    let status = answer.status();
                    last.is_refused = status == StatusCode::BAD_REQUEST;
                    let said = answer.text().await.unwrap_or_default();
                    last.because = self.masked(&format!("it answered {status}: {said}"));
                    if last.is_refused {
                        break;
                    }
                }
                Err(why) => {
                    last.because = self.masked(&crate::function::chain(&why.without_url()));
                }
            }
        }
        Err(last)
    }

    /// One short line without the routing key.
    fn masked(&self, text: &str) -> String {
        let text = text.replace(&self.key, "…");
        text.chars().filter(|c| !c.is_control()).take(SAID_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::judge::{
            Beat, Seen,
            fixture::{at, settings, well},
            judge,
        },
        *,
    };

    fn said(at: Timestamp, seen: &Seen) -> Vec<String> {
        let events = events(at, &judge(at, seen, &settings()), "covetpy");
        let word = |event: Event| {
            assert_eq!(event.body["dedup_key"], event.key);
            let action = event.body["event_action"].as_str().unwrap();
            format!("{action} {}", event.key.trim_start_matches("muster-watchdog/covetpy/"))
        };
        events.into_iter().map(word).collect()
    }

    /// Goal: an alarm is said each minute under one name, its end within five minutes, and nothing that
    /// is unknown at all; no state is kept for it.
    #[test]
    fn alarms_each_minute_and_ends_each_five() {
        for (text, is_due) in [
            ("2026-03-01T12:00:40Z", true),
            ("2026-03-01T12:01:40Z", false),
            ("2026-03-01T12:04:59Z", false),
            ("2026-03-01T12:05:00Z", true),
        ] {
            let now = at(text);
            assert_eq!(said(now, &well(now)).len(), if is_due { 7 } else { 0 }, "{text}");
            let gone = Seen { heartbeat: Beat::Missing, ..well(now) };
            let found = said(now, &gone);
            assert_eq!(found[0], "trigger heartbeat", "{text}");
            // Notices and proofs are unknown now.
            assert_eq!(found.len(), if is_due { 5 } else { 1 }, "{text}: {found:?}");
            assert!(found[1..].iter().all(|one| one.starts_with("resolve ")), "{found:?}");
        }
    }

    /// Goal: a page says what is wrong and what to do, in the words of PagerDuty, and bears no secret.
    #[test]
    fn a_page_says_what_to_do() {
        let now = at("2026-03-01T12:01:00.123456Z");
        let gone = Seen { heartbeat: Beat::Missing, ..well(now) };
        let events = events(now, &judge(now, &gone, &settings()), "covetpy");
        let body = &events[0].body;
        assert_eq!(body["payload"]["severity"], "critical");
        assert_eq!(body["payload"]["class"], "heartbeat");
        assert_eq!(body["payload"]["timestamp"], "2026-03-01T12:01:00.123Z");
        assert!(
            body["payload"]["custom_details"]["next"].as_str().unwrap().contains("muster status")
        );
        assert_eq!(body["routing_key"], Value::Null);
        let pager = Pager::new("http://127.0.0.1:9/", "k3y".to_owned()).unwrap();
        assert!(!format!("{pager:?}").contains("k3y"));
        assert_eq!(pager.masked("no k3y\nfits"), "no …fits");
    }
}
