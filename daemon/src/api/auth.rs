//! Who asks: bearer tokens, compared by hash and in constant time.
//!
//! Reads without a token are answered to loopback only. A change always needs a bearer token, which
//! no browser sends by itself, so that no page of somebody else can make one.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, Uri, header, request::Parts},
    middleware::Next,
    response::Response,
};
use muster_runbooks::action::control::PersonRole;
use muster_state::command::Person;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Api, error::Problem};
use crate::{config::Token, signing::unhex};

const BEARER: &str = "Bearer realm=\"muster\"";
/// Lets a browser ask for the token, which the status page beyond loopback needs.
const EITHER: &str = "Basic realm=\"muster: your name and your token\", charset=\"UTF-8\"";

/// The tokens that are known, by their hashes only.
#[derive(Debug)]
pub struct Access {
    tokens: Vec<(Vec<u8>, Person)>,
}

/// Two names with one token would let one person approve twice.
#[derive(Debug, thiserror::Error)]
#[error("tokens `{one}` and `{other}` are the same token: one person must have one name")]
pub struct SharedToken {
    one: String,
    other: String,
}

impl Access {
    /// The access that the configuration gives.
    ///
    /// # Errors
    ///
    /// When two names share a token.
    pub fn new(tokens: &[Token]) -> Result<Access, SharedToken> {
        let mut known: Vec<(Vec<u8>, Person)> = Vec::new();
        for token in tokens {
            // The configuration has refused what is no hash; an empty one is nobody's.
            let hash = unhex(&token.sha256).unwrap_or_default();
            if let Some((_, other)) = known.iter().find(|(known, _)| *known == hash) {
                let (one, other) = (other.name.clone(), token.name.clone());
                return Err(SharedToken { one, other });
            }
            known.push((hash, Person { name: token.name.clone(), role: token.role }));
        }
        Ok(Access { tokens: known })
    }

    /// The person whose token this is. Every known hash is compared, whichever one fits.
    pub fn person(&self, token: &str) -> Option<&Person> {
        let presented = Sha256::digest(token.as_bytes());
        let mut found = None;
        for (hash, person) in &self.tokens {
            let fits: Choice = presented.as_slice().ct_eq(hash);
            if bool::from(fits) {
                found = Some(person);
            }
        }
        found
    }
}

/// What is known about whoever sent a request.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What came in the `Authorization` header.
    credential: Credential,
    /// Whether it came over loopback, from a program that asked for loopback.
    local: bool,
    peer: Option<IpAddr>,
}

#[derive(Clone, Debug)]
enum Credential {
    /// Nothing.
    None,
    /// Something that nobody here gave out.
    Unknown,
    /// A bearer token: a program, or a person with the command line.
    Bearer(Person),
    /// A browser's answer to our challenge. Browsers send it by themselves, so it only reads.
    Basic(Person),
}

impl Identity {
    fn of(access: &Access, headers: &HeaderMap, uri: &Uri, peer: Option<IpAddr>) -> Identity {
        let credential = match headers.get(header::AUTHORIZATION) {
            None => Credential::None,
            Some(value) => credential(access, value.to_str().unwrap_or_default()),
        };
        Identity { credential, local: is_local(headers, uri, peer), peer }
    }

    /// The name for the audit trail.
    pub fn who(&self) -> String {
        match &self.credential {
            Credential::Bearer(person) | Credential::Basic(person) => person.name.clone(),
            Credential::None | Credential::Unknown => match self.peer {
                Some(peer) => format!("somebody unknown at {peer}"),
                None => "somebody unknown".to_owned(),
            },
        }
    }

    /// Whether a token was shown that is not known here.
    pub fn is_impostor(&self) -> bool {
        matches!(self.credential, Credential::Unknown)
    }

    /// Whether a person is known.
    pub fn is_known(&self) -> bool {
        matches!(self.credential, Credential::Bearer(_) | Credential::Basic(_))
    }

    fn may_read(&self) -> Result<(), Problem> {
        match &self.credential {
            Credential::Bearer(_) | Credential::Basic(_) => Ok(()),
            Credential::None if self.local => Ok(()),
            Credential::None => Err(Problem::unauthorized(
                "without a token only programs on this machine may read",
                EITHER,
            )),
            Credential::Unknown => Err(unknown()),
        }
    }

    fn may_change(&self) -> Result<&Person, Problem> {
        match &self.credential {
            Credential::Bearer(person) => Ok(person),
            Credential::Basic(_) => {
                Err(Problem::unauthorized("a change needs a bearer token", BEARER))
            }
            Credential::None => Err(Problem::unauthorized("a change needs a token", BEARER)),
            Credential::Unknown => Err(unknown()),
        }
    }
}

fn unknown() -> Problem {
    Problem::unauthorized("this token is not known here", BEARER)
}

fn credential(access: &Access, value: &str) -> Credential {
    let Some((scheme, rest)) = value.split_once(' ') else { return Credential::Unknown };
    let known = |token: &str| access.person(token).cloned();
    let person = if scheme.eq_ignore_ascii_case("bearer") {
        known(rest.trim()).map(Credential::Bearer)
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = unbase64(rest.trim()).and_then(|bytes| String::from_utf8(bytes).ok());
        pair.and_then(|pair| known(pair.split_once(':')?.1)).map(Credential::Basic)
    } else {
        None
    };
    person.unwrap_or(Credential::Unknown)
}

/// Loopback, and not through a proxy that speaks for somebody else, and not from a web page whose
/// name was made to point here.
fn is_local(headers: &HeaderMap, uri: &Uri, peer: Option<IpAddr>) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let named_local = host.is_some_and(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|digit| digit.is_ascii_digit()) { name } else { host }
        });
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost"
            || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    });
    peer.is_some_and(|peer| peer.to_canonical().is_loopback())
        && named_local
        && !forwarded.iter().any(|name| headers.contains_key(*name))
}

/// Standard base64, which only the `Basic` scheme needs here.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// Finds out who asks, before anything else looks at the request.
pub(super) async fn identify(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let identity = Identity::of(&api.access, request.headers(), request.uri(), peer);
    request.extensions_mut().insert(identity);
    next.run(request).await
}

fn identity(parts: &Parts) -> Result<&Identity, Problem> {
    let nobody = || Problem::unauthorized("nobody is known to ask this", BEARER);
    parts.extensions.get::<Identity>().ok_or_else(nobody)
}

/// Somebody who may read.
pub struct Reader;

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Reader, Problem> {
        identity(parts)?.may_read().map(|()| Reader)
    }
}

/// A person who wants to change something.
pub struct Caller(pub Person);

impl Caller {
    /// Refuses a person whose role is too low.
    pub fn with(self, needs: PersonRole) -> Result<Person, Problem> {
        if self.0.role >= needs {
            return Ok(self.0);
        }
        Err(Problem::forbidden(&self.0.name, needs, self.0.role))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        identity(parts)?.may_change().map(|person| Caller(person.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: nobody beyond this machine reads without a token, whatever their request claims.
    /// Method: a table of peers, hosts and forwarding headers.
    #[test]
    fn only_loopback_is_local() {
        let local = |peer: &str, host: &str, via: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(via) = via {
                headers.insert("x-forwarded-for", via.parse().unwrap());
            }
            is_local(&headers, &Uri::from_static("/"), peer.parse().ok())
        };
        assert!(local("127.0.0.1", "127.0.0.1:8000", None));
        assert!(local("::1", "[::1]:8000", None));
        assert!(local("::ffff:127.0.0.1", "localhost", None));
        assert!(!local("10.0.0.7", "localhost", None), "a peer from elsewhere");
        assert!(!local("127.0.0.1", "evil.example:8000", None), "a rebound name");
        assert!(!local("127.0.0.1", "localhost", Some("10.0.0.7")), "a proxy");
        assert!(!local("127.0.0.1", "localhost.evil.example", None), "a longer name");
    }

    #[test]
    fn base64_reads_what_browsers_send() {
        assert_eq!(unbase64("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap(), b"Aladdin:open sesame");
        assert!(unbase64("a*b").is_none());
    }

    #[test]
    fn one_token_under_two_names_is_refused() {
        let token = |name: &str| Token {
            name: name.to_owned(),
            role: PersonRole::Approver,
            sha256: "ab".repeat(32),
        };
        assert!(Access::new(&[token("ana"), token("ben")]).is_err());
    }
}
