//! `call-http`: a call that bears the outside name as its idempotency key, and the question whether it is
//! done.
//!
//! Whoever answers must honour the key: without an answer the same call is sent again. What it answers
//! definitely is never asked a second time by itself, for another attempt would bear another key.

use std::time::Duration;

use muster_runbooks::action::{
    On,
    custom::{self, CallHttp},
};
use muster_state::call::{Answer, Call, CallError, Done, Progress, in_one_line};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::for_real;
use crate::world::http::said::{first_bytes, first_words, masked};
use crate::world::http::{Status, allowed};
use crate::world::real::{Real, on};

/// For so long an answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The most of an answer that fields are picked from, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The longest value that is picked, in bytes.
const PICKED_BYTES_MAX: usize = 1_024;

const SERVICE: &str = "http";

/// Asks whether the call is done, where there is somebody to ask.
pub(super) async fn observe(
    real: &Real,
    call: &Call,
    action: &CallHttp,
) -> Result<Progress, CallError> {
    const OPERATION: &str = "GET";
    for_real(call)?;
    let Some(check) = &action.check_url else { return Ok(Progress::not_started()) };
    let asked = Asked::new(real, call, action)?;
    let mut answer = asked.send(Method::GET, check, None, OPERATION).await?;
    let status = answer.status();
    match status.as_u16() {
        200 => asked.done(&mut answer, OPERATION).await.map(Progress::Done),
        202 => Ok(Progress::in_progress("it says that it is not done yet")),
        404 => Ok(Progress::not_started()),
        _ => Err(asked.trouble(&mut answer, OPERATION).await),
    }
}

/// Makes the call.
pub(super) async fn begin(
    real: &Real,
    call: &Call,
    action: &CallHttp,
) -> Result<Answer, CallError> {
    for_real(call)?;
    let asked = Asked::new(real, call, action)?;
    let (method, operation) = match action.method {
        custom::Method::Post => (Method::POST, "POST"),
        custom::Method::Put => (Method::PUT, "PUT"),
        custom::Method::Patch => (Method::PATCH, "PATCH"),
        custom::Method::Delete => (Method::DELETE, "DELETE"),
    };
    let body = action.body_for(&asked.on);
    let mut answer = asked.send(method, &action.url, body.as_ref(), operation).await?;
    let status = answer.status();
    let is_yes = match action.expect_status {
        Some(wanted) => u32::from(status.as_u16()) == wanted,
        None => status.is_success(),
    };
    if is_yes && action.check_url.is_some() {
        return Ok(Answer::Accepted);
    }
    if is_yes {
        return asked.done(&mut answer, operation).await.map(Answer::Done);
    }
    if status == Status::CONFLICT {
        // Another try with this key is still being answered.
        let said = first_words(&mut answer, asked.token.as_deref()).await;
        return Ok(Answer::Busy { reason: format!("it answered {status}: {said}") });
    }
    Err(asked.trouble(&mut answer, operation).await)
}

/// What both questions need.
struct Asked<'a> {
    real: &'a Real,
    call: &'a Call,
    action: &'a CallHttp,
    on: On<'a>,
    token: Option<String>,
}

impl<'a> Asked<'a> {
    /// Judges the parameters once more: an input may have brought one that no check has seen.
    fn new(real: &'a Real, call: &'a Call, action: &'a CallHttp) -> Result<Asked<'a>, CallError> {
        let given = serde_json::to_value(action).unwrap_or_default();
        let given = given.as_object().into_iter().flatten();
        for (name, value) in given.filter(|(_, value)| !value.is_null()) {
            if let Some(why) = CallHttp::problem(name, value) {
                return Err(refused("check", "BadCall", format!("`{name}`: {why}")));
            }
        }
        let token = match &action.token_env {
            None => None,
            Some(variable) => match std::env::var(variable) {
                Ok(token) if !token.is_empty() => Some(token),
                Ok(_) | Err(_) => {
                    let why = format!("the environment has no `{variable}`");
                    return Err(refused("check", "NoToken", why));
                }
            },
        };
        Ok(Asked { real, call, action, on: on(call)?, token })
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
        operation: &'static str,
    ) -> Result<Response, CallError> {
        let url = allowed(&CallHttp::filled(url, &self.on))
            .map_err(|why| refused(operation, "ForbiddenUrl", why))?;
        let mut request: RequestBuilder = self
            .real
            .sends
            .request(method, url)
            .header("Idempotency-Key", self.call.token.as_str())
            .timeout(ANSWER_WITHIN);
        for (name, value) in self.action.headers_for(&self.on) {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request
            .send()
            .await
            .map_err(|why| self.no_answer(operation, &in_one_line(&why.without_url())))
    }

    /// What a yes gives.
    async fn done(
        &self,
        answer: &mut Response,
        operation: &'static str,
    ) -> Result<Done, CallError> {
        let mut done = Done::with([("status", json!(answer.status().as_u16()))]);
        let Some(wanted) = self.action.pick.as_ref().filter(|wanted| !wanted.is_empty()) else {
            return Ok(done);
        };
        let bytes = first_bytes(answer, ANSWER_BYTES_MAX).await;
        let said: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        for name in wanted {
            let text = match said.get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
                Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => {
                    let why = format!(
                        "it is done, but its answer has no text, number or truth called `{name}`"
                    );
                    return Err(refused(operation, "NotPicked", why));
                }
            };
            if text.len() > PICKED_BYTES_MAX {
                let why =
                    format!("it is done, but `{name}` is longer than {PICKED_BYTES_MAX} bytes");
                return Err(refused(operation, "NotPicked", why));
            }
            done.outputs.insert(name.clone(), json!(masked(&text, self.token.as_deref())));
        }
        Ok(done)
    }

    /// What an answer means that is no yes.
    async fn trouble(&self, answer: &mut Response, operation: &'static str) -> CallError {
        let status = answer.status();
        let said = first_words(answer, self.token.as_deref()).await;
        let said = if said.is_empty() { said } else { format!(": {said}") };
        let said = format!("it answered {status}{said}");
        match status.as_u16() {
            401 => CallError::Credentials {
                service: SERVICE.to_owned(),
                operation,
                code: status.to_string(),
            },
            // It may have taken effect, or it may yet.
            408 | 425 | 429 | 500.. => self.no_answer(operation, &said),
            300..=399 => {
                let said = format!("{said}, and redirects are not followed");
                refused(operation, status.as_str(), said)
            }
            _ => refused(operation, status.as_str(), said),
        }
    }

    fn no_answer(&self, operation: &'static str, why: &str) -> CallError {
        let why = masked(why, self.token.as_deref());
        CallError::NoAnswer { service: SERVICE.to_owned(), operation, source: why.into() }
    }
}

fn refused(operation: &'static str, code: &str, message: String) -> CallError {
    CallError::Refused { service: SERVICE.to_owned(), operation, code: code.to_owned(), message }
}
