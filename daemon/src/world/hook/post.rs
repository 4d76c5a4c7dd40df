//! The hook by HTTP: a POST that bears the outside name.

use muster_runbooks::application::hook::{Hook, HttpHook};
use muster_state::call::{Call, in_one_line};
use serde_json::json;

use crate::world::http::{allowed, said::first_words};
use crate::world::real::Real;

/// Posts to the URL of a hook. Only an answer between 200 and 299 is a yes.
///
/// # Errors
///
/// When it did not do what it was asked, in words for a person, without the token.
pub(super) async fn ask(
    real: &Real,
    call: &Call,
    hook: &Hook,
    with: &HttpHook,
) -> Result<(), String> {
    let token = match &with.token_env {
        None => None,
        Some(variable) => match std::env::var(variable) {
            Ok(token) if !token.is_empty() => Some(token),
            Ok(_) | Err(_) => return Err(format!("the environment has no `{variable}`")),
        },
    };
    let body = json!({
        "hook": hook.name,
        "when": hook.when,
        "application": call.application(),
        "database": call.component.as_ref().map(|component| component.name()),
        "run": call.run,
        "step": call.step,
        "attempt": call.attempt,
    });
    let mut request = real
        .sends
        .post(allowed(&with.url)?)
        .header("Idempotency-Key", call.token.as_str())
        .timeout(hook.limit.duration().unsigned_abs())
        .json(&body);
    if let Some(token) = &token {
        request = request.bearer_auth(token);
    }
    let late = || format!("no answer within {:#}", hook.limit.duration());
    let mut answer = request.send().await.map_err(|why| {
        if why.is_timeout() && !why.is_connect() { late() } else { in_one_line(&why.without_url()) }
    })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        return Err(format!("it answered {status}, and redirects are not followed"));
    }
    match first_words(&mut answer, token.as_deref()).await {
        said if said.is_empty() => Err(format!("it answered {status}")),
        said => Err(format!("it answered {status}: {said}")),
    }
}
