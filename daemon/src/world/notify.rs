//! Telling people: a POST to every configured receiver, delivered at least once.

mod pagerduty;
pub mod reception;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use muster_runbooks::action::control::Notify;
use muster_state::call::{Answer, Call, CallError, Done, Progress, in_one_line};
use reqwest::Client;
use serde_json::json;

use super::http::allowed;
use super::real::Real;
use crate::config::{self, ReceiverKind};

/// Messages whose partial delivery is remembered.
const TOKENS_MAX: usize = 256;

/// A receiver with what is secret about it: whoever knows it can page people.
#[derive(Clone)]
pub struct Receiver {
    name: String,
    way: Way,
}

/// How a receiver is reached.
#[derive(Clone)]
enum Way {
    /// A POST to this URL.
    Webhook(String),
    /// An event for a service of PagerDuty.
    PagerDuty(pagerduty::Service),
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A receiver whose URL or key is not there.
#[derive(Debug, thiserror::Error)]
#[error("receiver `{name}`: the environment has no {what} in `{variable}`")]
pub struct Unreachable {
    /// The receiver.
    pub name: String,
    /// What is missing.
    pub what: &'static str,
    /// The environment variable; empty where the file names none.
    pub variable: String,
}

impl Receiver {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A webhook at a URL.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Receiver {
        Receiver { name: name.into(), way: Way::Webhook(url.into()) }
    }

    /// A service of PagerDuty by its routing key. `url` is where events go instead of PagerDuty's own
    /// address, and `page` where people reach our page.
    pub fn pagerduty(
        name: impl Into<String>,
        key: impl Into<String>,
        url: Option<String>,
        page: Option<&str>,
    ) -> Receiver {
        let service = pagerduty::Service::new(key.into(), url, page);
        Receiver { name: name.into(), way: Way::PagerDuty(service) }
    }

    /// Takes what is secret about configured receivers from the environment. `page` is where people
    /// reach our page.
    ///
    /// # Errors
    ///
    /// When the environment lacks it.
    pub fn load(
        configured: &[config::Receiver],
        page: Option<&str>,
    ) -> Result<Vec<Receiver>, Unreachable> {
        let load = |receiver: &config::Receiver| {
            let name = &receiver.name;
            let find = |what, variable: Option<&String>| {
                let variable = variable.cloned().unwrap_or_default();
                match std::env::var(&variable) {
                    Ok(value) if !value.trim().is_empty() => Ok(value.trim().to_owned()),
                    Ok(_) | Err(_) => Err(Unreachable { name: name.clone(), what, variable }),
                }
            };
            let url = || find("URL", receiver.url_from.as_ref());
            match receiver.kind {
                ReceiverKind::Webhook => Ok(Receiver::new(name, url()?)),
                ReceiverKind::PagerDuty => {
                    let key = find("routing key", receiver.key_from.as_ref())?;
                    let url = receiver.url_from.as_ref().map(|_| url()).transpose()?;
                    Ok(Receiver::pagerduty(name, key, url, page))
                }
            }
        };
        configured.iter().map(load).collect()
    }
}

/// Why a receiver has not taken a message.
#[derive(Clone, Debug)]
enum NotTaken {
    /// It may take it when it is told again.
    Yet(String),
    /// It will not, however often.
    Ever(String),
}

impl NotTaken {
    fn why(&self) -> &str {
        match self {
            NotTaken::Yet(why) | NotTaken::Ever(why) => why,
        }
    }
}

/// What receivers have said to which message, so that one dead receiver does not let all others be told
/// again and again. Lost in a crash; receivers drop repeats by the key.
#[derive(Debug, Default)]
pub struct Delivered(Mutex<BTreeMap<String, Answers>>);

/// What each receiver said to one message.
type Answers = BTreeMap<String, Result<(), String>>;

impl Delivered {
    fn said(&self, token: &str, receiver: &str) -> Option<Result<(), String>> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.get(token)?.get(receiver).cloned()
    }

    fn note(&self, token: &str, receiver: &str, answer: Result<(), String>) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= TOKENS_MAX && !said.contains_key(token) {
            said.pop_first();
        }
        said.entry(token.to_owned()).or_default().insert(receiver.to_owned(), answer);
    }
}

/// A message leaves nothing that could be looked at; it is told until everybody has taken it.
pub async fn observe() -> Result<Progress, CallError> {
    Ok(Progress::not_started())
}

/// Tells all receivers at once. One that does not take it yet lets the message be told again; one that
/// never will ends it, once all others have been told.
pub async fn begin(real: &Real, call: &Call, action: &Notify) -> Result<Answer, CallError> {
    let sent = real.receivers.iter().map(|receiver| tell(real, call, action, receiver));
    let (mut waits, mut failed) = (false, Vec::new());
    for not_taken in futures::future::join_all(sent).await.into_iter().filter_map(Result::err) {
        failed.push(match not_taken {
            NotTaken::Yet(why) => {
                waits = true;
                why
            }
            NotTaken::Ever(why) => why,
        });
    }
    if waits {
        return Err(CallError::NoAnswer {
            service: "notify".to_owned(),
            operation: "POST",
            source: failed.join("; ").into(),
        });
    }
    if !failed.is_empty() {
        return Ok(Answer::Failed { reason: failed.join("; ") });
    }
    let mut done = Done::with([("sent_at", json!(real.clock.now()))]);
    if real.receivers.is_empty() {
        done.notes.push("nobody was told: no receiver is configured".to_owned());
    }
    Ok(Answer::Done(done))
}

async fn tell(
    real: &Real,
    call: &Call,
    action: &Notify,
    receiver: &Receiver,
) -> Result<(), NotTaken> {
    let token = call.token.as_str();
    let name = &receiver.name;
    if let Some(said) = real.delivered.said(token, name) {
        return said.map_err(NotTaken::Ever);
    }
    let text = action.message.as_deref().unwrap_or(&call.summary);
    let asked_at = real.clock.now();
    let told = match &receiver.way {
        Way::Webhook(url) => {
            let body = json!({
                "severity": action.severity,
                "text": text,
                "run": call.run,
                "step": call.step,
                "application": call.application(),
                "mode": call.mode,
            });
            post(&real.http, url, token, &body).await.map_err(NotTaken::Yet)
        }
        Way::PagerDuty(service) => service.trigger(&real.sends, call, action.severity, text).await,
    };
    real.reception.note(name, asked_at, told.as_ref().map(drop).map_err(NotTaken::why));
    let told = told.map_err(|why| match why {
        NotTaken::Yet(why) => NotTaken::Yet(format!("`{name}` did not take it: {why}")),
        NotTaken::Ever(why) => NotTaken::Ever(format!("`{name}` refused it: {why}")),
    });
    match &told {
        Ok(()) => real.delivered.note(token, name, Ok(())),
        Err(NotTaken::Ever(why)) => real.delivered.note(token, name, Err(why.clone())),
        Err(NotTaken::Yet(_)) => {}
    }
    told
}

async fn post(
    client: &Client,
    url: &str,
    token: &str,
    body: &serde_json::Value,
) -> Result<(), String> {
    let url = allowed(url)?;
    let sent = client.post(url).header("Idempotency-Key", token).json(body).send().await;
    let answer = sent.map_err(|why| in_one_line(&why.without_url()))?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(format!("it answered {status}")) }
}
