//! Deletes the declared keys of a cache at the side that has become the one that is written.
//!
//! The keyspace is walked while it is used, so what is written meanwhile may stay: nobody is sent there before
//! this is over. A key is deleted by itself, as keys that are spread over slots must be.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::cache::FlushCache,
    application::{
        Component,
        flush::{Flush, pattern},
        sql::Address,
    },
    request::Mode,
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, aio::MultiplexedConnection,
};
use serde_json::json;

use super::{
    aws::error,
    real::{Real, Verbs, on, verbs},
    sql::login,
};
use crate::clock::Clock;

const SERVICE: &str = "redis";

/// A plan holds no such step for a cache that declares nothing.
const UNDECLARED: &str = "the cache declares no keys to flush";

/// So many keys are looked at by one command; a server does nothing else meanwhile.
const KEYS_AT_ONCE: u32 = 1_000;

/// How long a server is waited for.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long the walk over all keys may last, by the machine's time: users wait for it.
const WALK_MAX: SignedDuration = SignedDuration::from_secs(25);

/// Deletes the declared keys of a cache.
pub(super) fn flush<'a>(real: &'a Real, call: &'a Call, action: &'a FlushCache) -> Verbs<'a> {
    verbs(call, observe(real, call, action), begin(real, call, action))
}

/// Whether the side is written now. Keys that are gone leave nothing that could be looked at.
async fn observe(real: &Real, call: &Call, action: &FlushCache) -> Result<Progress, CallError> {
    let Some(flush) = declared(call) else {
        return Ok(Progress::Refused { reason: UNDECLARED.to_owned() });
    };
    let mut first = open(real, call, action, flush).await?;
    if !flush.cluster {
        let role: redis::Value = ask(call, "ROLE", &redis::cmd("ROLE"), &mut first).await?;
        let is_primary = matches!(&role, redis::Value::Array(said)
            if matches!(said.first(), Some(redis::Value::BulkString(role)) if role == b"master"));
        if !is_primary {
            return Ok(Progress::in_progress("the cache there still follows the other side"));
        }
    }
    Ok(Progress::NotStarted { before: json!(null), targets: flush.prefixes.clone() })
}

/// Walks every primary, and deletes what was declared.
async fn begin(real: &Real, call: &Call, action: &FlushCache) -> Result<Answer, CallError> {
    if call.mode != Mode::Live {
        return Err(error::unfit(call, "keys are deleted in live runs only"));
    }
    let Some(flush) = declared(call) else { return Err(error::unfit(call, UNDECLARED)) };
    let until = Clock::Real.now() + WALK_MAX;
    let mut first = open(real, call, action, flush).await?;
    let mut deleted = 0_u64;
    if !flush.cluster {
        match walk(call, &mut first, flush, until).await? {
            Ok(count) => deleted += count,
            Err(reason) => return Ok(Answer::Failed { reason }),
        }
    } else {
        for address in primaries(call, &mut first).await? {
            let mut primary = connect(real, call, action, flush, &address).await?;
            match walk(call, &mut primary, flush, until).await? {
                Ok(count) => deleted += count,
                Err(reason) => return Ok(Answer::Failed { reason }),
            }
        }
    }
    Ok(Answer::Done(Done::with([("deleted", json!(deleted))])))
}

fn declared(call: &Call) -> Option<&Flush> {
    call.component.as_deref().and_then(Component::cache)?.flush.as_ref()
}

/// Deletes what begins with one of the prefixes on one primary. `Err` says why it was not finished.
async fn walk(
    call: &Call,
    server: &mut MultiplexedConnection,
    flush: &Flush,
    until: Timestamp,
) -> Result<Result<u64, String>, CallError> {
    let mut deleted = 0;
    for prefix in &flush.prefixes {
        let (mut cursor, pattern) = (0_u64, pattern(prefix));
        loop {
            if Clock::Real.now() >= until {
                let secs = WALK_MAX.as_secs();
                return Ok(Err(format!(
                    "{deleted} keys were deleted, and {secs} s were not enough to see all of them"
                )));
            }
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(KEYS_AT_ONCE);
            let (next, keys): (u64, Vec<Vec<u8>>) = ask(call, "SCAN", &scan, server).await?;
            if !keys.is_empty() {
                let mut unlink = redis::pipe();
                for key in &keys {
                    unlink.cmd("UNLINK").arg(key);
                }
                let gone: Vec<u64> =
                    unlink.query_async(server).await.map_err(|why| trouble(call, "UNLINK", why))?;
                deleted += gone.iter().sum::<u64>();
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    Ok(Ok(deleted))
}

/// The primaries over which the keys are spread, as one of the nodes knows them.
async fn primaries(
    call: &Call,
    server: &mut MultiplexedConnection,
) -> Result<Vec<Address>, CallError> {
    let mut slots = redis::cmd("CLUSTER");
    slots.arg("SLOTS");
    let said: Vec<Vec<redis::Value>> = ask(call, "CLUSTER SLOTS", &slots, server).await?;
    let mut found = Vec::<Address>::new();
    for range in said {
        // Its first and its last slot, the primary, and those that follow it.
        let Some(address) = range.into_iter().nth(2).and_then(node) else {
            let message = "no node for a range of slots";
            return Err(refused(call, "CLUSTER SLOTS", "NotUnderstood", message));
        };
        if !found.contains(&address) {
            found.push(address);
        }
    }
    if found.is_empty() {
        return Err(refused(call, "CLUSTER SLOTS", "NotUnderstood", "no node has any slot"));
    }
    Ok(found)
}

/// Where a node listens: its address and its port stand first.
fn node(said: redis::Value) -> Option<Address> {
    let redis::Value::Array(said) = said else { return None };
    let mut said = said.into_iter();
    let host = redis::from_redis_value(said.next()?).ok()?;
    let port = redis::from_redis_value(said.next()?).ok()?;
    Some(Address { host, port })
}

async fn open(
    real: &Real,
    call: &Call,
    action: &FlushCache,
    flush: &Flush,
) -> Result<MultiplexedConnection, CallError> {
    let region = on(call)?.region(action.at);
    let address = flush
        .address(region)
        .ok_or_else(|| error::unfit(call, &format!("`flush` says no endpoint in {region}")))?;
    connect(real, call, action, flush, &address).await
}

async fn connect(
    real: &Real,
    call: &Call,
    action: &FlushCache,
    flush: &Flush,
    address: &Address,
) -> Result<MultiplexedConnection, CallError> {
    let (host, port) = (address.host.clone(), address.port);
    let at = if address.is_loopback() {
        ConnectionAddr::Tcp(host, port)
    } else {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    };
    let mut settings = RedisConnectionInfo::default();
    if !flush.login.is_empty() {
        let region = on(call)?.region(action.at);
        let account = login::account(&real.aws, region, SERVICE, &flush.login).await?;
        settings = settings.set_username(account.user()).set_password(account.password());
    }
    let info = at.into_connection_info().map(|info| info.set_redis_settings(settings));
    let client = info.and_then(Client::open).map_err(|why| trouble(call, "connect", why))?;
    let limits = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(SILENCE_MAX))
        .set_response_timeout(Some(SILENCE_MAX));
    client
        .get_multiplexed_async_connection_with_config(&limits)
        .await
        .map_err(|why| trouble(call, "connect", why))
}

async fn ask<T: redis::FromRedisValue>(
    call: &Call,
    operation: &'static str,
    command: &redis::Cmd,
    server: &mut MultiplexedConnection,
) -> Result<T, CallError> {
    command.query_async(server).await.map_err(|why| trouble(call, operation, why))
}

/// What a server says no to is a refusal, and its words may be shown; whatever else happened is no answer.
fn trouble(call: &Call, operation: &'static str, why: RedisError) -> CallError {
    let service = place(call);
    if matches!(why.kind(), ErrorKind::AuthenticationFailed) {
        let code = "AuthenticationFailed".to_owned();
        return CallError::Credentials { service, operation, code };
    }
    // It starts, it is being promoted, or it moves: all of that passes.
    let passes = ["LOADING", "MASTERDOWN", "READONLY", "TRYAGAIN", "CLUSTERDOWN", "BUSY"];
    match why.code().map(str::to_owned) {
        Some(code) if code == "NOAUTH" || code == "WRONGPASS" => {
            CallError::Credentials { service, operation, code }
        }
        Some(code) if !passes.contains(&code.as_str()) => {
            let message = why.detail().unwrap_or_default().to_owned();
            CallError::Refused { service, operation, code, message }
        }
        Some(_) | None => CallError::NoAnswer { service, operation, source: Box::new(why) },
    }
}

fn refused(call: &Call, operation: &'static str, code: &str, message: &str) -> CallError {
    let (code, message) = (code.to_owned(), message.to_owned());
    CallError::Refused { service: place(call), operation, code, message }
}

fn place(call: &Call) -> String {
    let cache = call.component.as_deref().map_or("", |component| component.name().as_str());
    format!("{SERVICE} {cache}")
}
