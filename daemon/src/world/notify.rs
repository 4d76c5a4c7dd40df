//! Telling people: a POST to every configured receiver, delivered at least once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, PoisonError},
};

use muster_runbooks::action::control::Notify;
use muster_state::call::{Answer, Call, CallError, Done, Progress, in_one_line};
use reqwest::Client;
use serde_json::json;

use super::http::allowed;
use super::real::Real;
use crate::config;

/// Messages whose partial delivery is remembered.
const TOKENS_MAX: usize = 256;

/// A receiver with its URL, which is a secret: whoever knows it can page people.
#[derive(Clone)]
pub struct Receiver {
    name: String,
    url: String,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A receiver whose URL is not there.
#[derive(Debug, thiserror::Error)]
#[error("receiver `{name}`: the environment has no URL in `{variable}`")]
pub struct NoUrl {
    /// The receiver.
    pub name: String,
    /// The environment variable.
    pub variable: String,
}

impl Receiver {
    /// A receiver at a URL.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Receiver {
        Receiver { name: name.into(), url: url.into() }
    }

    /// Takes the URLs of configured receivers from the environment.
    pub fn load(configured: &[config::Receiver]) -> Result<Vec<Receiver>, NoUrl> {
        let load = |receiver: &config::Receiver| match std::env::var(&receiver.url_from) {
            Ok(url) if !url.trim().is_empty() => Ok(Receiver::new(&receiver.name, url.trim())),
            Ok(_) | Err(_) => {
                Err(NoUrl { name: receiver.name.clone(), variable: receiver.url_from.clone() })
            }
        };
        configured.iter().map(load).collect()
    }
}

/// Who has taken which message, so that one dead receiver does not let all others be told again and
/// again. Lost in a crash; receivers drop repeats by the key.
#[derive(Debug, Default)]
pub struct Delivered(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Delivered {
    fn has(&self, token: &str, receiver: &str) -> bool {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.get(token).is_some_and(|names| names.contains(receiver))
    }

    fn note(&self, token: &str, receiver: &str) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= TOKENS_MAX && !taken.contains_key(token) {
            taken.pop_first();
        }
        taken.entry(token.to_owned()).or_default().insert(receiver.to_owned());
    }
}

/// A message leaves nothing that could be looked at; it is told until everybody has taken it.
pub async fn observe() -> Result<Progress, CallError> {
    Ok(Progress::not_started())
}

/// Tells all receivers at once. One that does not take it lets the message be told again.
pub async fn begin(real: &Real, call: &Call, action: &Notify) -> Result<Answer, CallError> {
    let sent = real.receivers.iter().map(|receiver| tell(real, call, action, receiver));
    let failed: Vec<String> =
        futures::future::join_all(sent).await.into_iter().filter_map(Result::err).collect();
    if !failed.is_empty() {
        return Err(CallError::NoAnswer {
            service: "notify".to_owned(),
            operation: "POST",
            source: failed.join("; ").into(),
        });
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
) -> Result<(), String> {
    let token = call.token.as_str();
    if real.delivered.has(token, &receiver.name) {
        return Ok(());
    }
    let body = json!({
        "severity": action.severity,
        "text": action.message.as_deref().unwrap_or(&call.summary),
        "run": call.run,
        "step": call.step,
        "application": call.application(),
        "mode": call.mode,
    });
    post(&real.http, &receiver.url, token, &body)
        .await
        .map_err(|why| format!("`{}` did not take it: {why}", receiver.name))?;
    real.delivered.note(token, &receiver.name);
    Ok(())
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
