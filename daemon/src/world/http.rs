//! Questions over HTTP: which may be asked, and whether a side serves.

pub(in crate::world) mod said;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use muster_runbooks::action::check::Probe;
use muster_state::call::{BoxError, Call, CallError, Done, Progress};
use reqwest::{Client, Url, redirect};
use serde_json::json;

use super::real::{Real, on};

/// The status of an answer.
pub type Status = reqwest::StatusCode;

/// A probe that takes longer is no answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// The most redirects that are followed, on the same host only.
const REDIRECTS_MAX: usize = 3;

/// The client of all questions. No proxy of the environment: a probe must take the users' way, and a
/// test must not leave the machine. Bodies are never read, so they need no bound.
pub fn client() -> Result<Client, reqwest::Error> {
    let same_host = redirect::Policy::custom(|attempt| {
        let first = attempt.previous().first();
        let is_same = first.is_some_and(|first| first.origin() == attempt.url().origin());
        let may_follow = is_same && attempt.previous().len() <= REDIRECTS_MAX;
        if may_follow { attempt.follow() } else { attempt.stop() }
    });
    client_with(same_host)
}

/// The client of what is sent. Whoever redirects it has not done it, and would have it sent elsewhere.
pub fn client_without_redirects() -> Result<Client, reqwest::Error> {
    client_with(redirect::Policy::none())
}

fn client_with(redirects: redirect::Policy) -> Result<Client, reqwest::Error> {
    Client::builder()
        .no_proxy()
        .user_agent("muster")
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .redirect(redirects)
        .dns_resolver(Arc::new(Resolver))
        .pool_max_idle_per_host(0)
        .build()
}

/// Asks a URL and tells the status. Addresses that hand out credentials are never asked, however they
/// are written.
pub async fn probe(client: &Client, url: &str) -> Result<Status, CallError> {
    let parsed = allowed(url).map_err(|why| CallError::Refused {
        service: "http".to_owned(),
        operation: "GET",
        code: "ForbiddenUrl".to_owned(),
        message: why,
    })?;
    let answer = client.get(parsed).send().await.map_err(|why| CallError::NoAnswer {
        service: "http".to_owned(),
        operation: "GET",
        // A URL may carry a secret.
        source: Box::new(why.without_url()),
    })?;
    Ok(answer.status())
}

/// Waits until a side serves.
pub async fn observe_probe(
    real: &Real,
    call: &Call,
    action: &Probe,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    let region = on.region(action.at);
    let Some(url) = on.application.probes.get(region.as_str()) else {
        return Ok(Progress::Refused { reason: format!("no probe is declared for {region}") });
    };
    let status = probe(&real.http, url).await?;
    if status.is_success() {
        return Ok(Progress::Done(Done::with([("status", json!(status.as_u16()))])));
    }
    Ok(Progress::in_progress(format!("{region} answers {status}")))
}

/// Parses a URL that may be asked. The parser writes `http://2852039166/` and its like out as the
/// addresses that they are.
pub(crate) fn allowed(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|why| why.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}:` is not asked", url.scheme()));
    }
    let host = url.host_str().unwrap_or_default();
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) if is_forbidden(address) => Err(format!("{address} is not asked")),
        Ok(_) | Err(_) => Ok(url),
    }
}

/// Addresses that answer with credentials or reach nobody in particular.
fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            four.is_link_local()
                || four.is_multicast()
                || four.is_broadcast()
                || four.octets()[0] == 0
                // Another cloud's metadata.
                || four == Ipv4Addr::new(100, 100, 100, 200)
        }
        IpAddr::V6(six) => {
            six.is_unicast_link_local()
                || six.is_multicast()
                || six.is_unspecified()
                // The metadata service and the container agent of EC2 and EKS.
                || six == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
                || six == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)
                || embedded(six).is_some_and(|four| is_forbidden(IpAddr::V4(four)))
        }
    }
}

/// The address inside an IPv4-mapped, IPv4-compatible, NAT64 or 6to4 one.
fn embedded(six: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = six.segments();
    let four = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(four(high, low))
        }
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(four(high, low)),
        [0x2002, high, low, ..] => Some(four(high, low)),
        _ => None,
    }
}

/// Resolves names and drops the forbidden addresses: the check of the URL would not notice a name that
/// leads there, nor one that does so only the second time.
struct Resolver;

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found.filter(|at| !is_forbidden(at.ip())).collect();
            if kept.is_empty() {
                return Err(BoxError::from("the name leads to no address that may be asked"));
            }
            Ok(Box::new(kept.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
