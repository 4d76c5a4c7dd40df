//! Names that AWS and the network understand: ARNs, bucket names, URLs.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::Sides;
use crate::{
    application::sql::Address,
    check::{Findings, text},
    name::Region,
    tree::{Entry, Node},
};

/// Per region an ARN of that region.
pub(super) fn arns(
    entries: &[Entry],
    service: &str,
    sides: &Sides,
    out: &mut Findings,
) -> BTreeMap<String, String> {
    let mut arns = BTreeMap::new();
    for (region, node) in sides.map(entries, out) {
        let Some(arn) = text(node, out) else { continue };
        match arn_problem(arn, service, &region) {
            Some((rule, message)) => {
                out.error(node.place, rule, message);
            }
            None => {
                arns.insert(region.to_string(), arn.to_owned());
            }
        }
    }
    arns
}

fn arn_problem(arn: &str, service: &str, region: &Region) -> Option<(&'static str, String)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let resource = match service {
        "rds" => "cluster:",
        "secretsmanager" => "secret:",
        "codebuild" => "project/",
        _ => "",
    };
    let sound = match parts.as_slice() {
        ["arn", partition, of, _, account, name] => {
            partition.starts_with("aws")
                && *of == service
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && name.strip_prefix(resource).is_some_and(|name| !name.is_empty())
        }
        _ => false,
    };
    if !sound {
        let wanted = format!("arn:aws:{service}:{region}:ACCOUNT:{resource}NAME");
        return Some(("bad-arn", format!("`{arn}` is not an ARN like `{wanted}`")));
    }
    let of = parts.get(3).copied().unwrap_or_default();
    (of != region.as_str())
        .then(|| ("arn-region", format!("an ARN of `{of}` stands under `{region}`")))
}

/// A bucket name as S3 accepts it.
pub(super) fn bucket_name(node: &Node, out: &mut Findings) -> Option<String> {
    let name = text(node, out)?;
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    if (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with(['-', '.'])
        && !name.ends_with(['-', '.'])
    {
        return Some(name.to_owned());
    }
    out.error(node.place, "wrong-value", format!("`{name}` is not a bucket name"));
    None
}

/// Per region a bucket name.
pub(super) fn buckets(
    entries: &[Entry],
    sides: &Sides,
    out: &mut Findings,
) -> BTreeMap<String, String> {
    let mut buckets = BTreeMap::new();
    for (region, node) in sides.map(entries, out) {
        if let Some(bucket) = bucket_name(node, out) {
            buckets.insert(region.to_string(), bucket);
        }
    }
    buckets
}

/// Per region a URL.
pub(super) fn urls(
    entries: &[Entry],
    sides: &Sides,
    out: &mut Findings,
) -> BTreeMap<String, String> {
    let mut urls = BTreeMap::new();
    for (region, node) in sides.map(entries, out) {
        if let Some(url) = url(node, out) {
            urls.insert(region.to_string(), url);
        }
    }
    urls
}

/// A URL that Muster may ask. Whoever writes an application file must not be able to make Muster
/// read the credentials of its own machine.
pub(super) fn url(node: &Node, out: &mut Findings) -> Option<String> {
    let url = text(node, out)?;
    match url_problem(url) {
        Some(why) => {
            out.error(node.place, "bad-url", format!("`{url}`: {why}"));
            None
        }
        None => Some(url.to_owned()),
    }
}

/// A URL that Muster may send something to: not in the clear beyond loopback, for whoever reads along
/// would learn the token. A URL that carries a password is not repeated.
pub(super) fn secure_url(node: &Node, out: &mut Findings) -> Option<String> {
    let url = text(node, out)?;
    if let Some(why) = sending_problem(url) {
        let rule = if url_problem(url).is_some() { "bad-url" } else { "insecure" };
        let finding = out.error(node.place, rule, why);
        if rule == "insecure" {
            finding.hint("write `https://`");
        }
        return None;
    }
    Some(url.to_owned())
}

/// Why nothing is sent to a URL, if so.
pub(crate) fn sending_problem(url: &str) -> Option<String> {
    if let Some(why) = url_problem(url) {
        let shown = if url.contains('@') { String::new() } else { format!("`{url}`: ") };
        return Some(format!("{shown}{why}"));
    }
    let lower = url.to_ascii_lowercase();
    let rest = lower.strip_prefix("http://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_near = authority.parse::<Address>().is_ok_and(|address| address.is_loopback());
    (!is_near).then(|| format!("`{url}`: only loopback is asked in the clear"))
}

fn url_problem(url: &str) -> Option<&'static str> {
    if url.len() > 2_048 || url.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Some("a URL has no blanks and at most 2,048 characters");
    }
    let lower = url.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"))
    else {
        return Some("only http and https are asked");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("a URL must not carry a name or a password");
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host_problem(host.trim_end_matches('.'))
}

/// Where something that is no URL listens, such as `db.example:5432`.
pub(super) fn endpoint(node: &Node, needs_port: bool, out: &mut Findings) -> Option<String> {
    let given = text(node, out)?;
    let why = match given.parse::<Address>() {
        Ok(_) if needs_port && !given.contains(':') => {
            "it needs a port, such as `:6379`".to_owned()
        }
        Ok(address) => match host_problem(&address.host) {
            None => return Some(given.to_owned()),
            Some(why) => why.to_owned(),
        },
        Err(why) => why,
    };
    out.error(node.place, "bad-endpoint", format!("`{given}`: {why}"));
    None
}

pub(super) fn host_problem(host: &str) -> Option<&'static str> {
    const METADATA: &[&str] =
        &["metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"];
    let forbidden = "link-local and metadata addresses are not asked";
    if host.is_empty() {
        return Some("a URL needs a host");
    }
    if METADATA.contains(&host) {
        return Some(forbidden);
    }
    let address = match host.parse::<IpAddr>() {
        Ok(address) => address,
        // `2852039166` and `0xa9fea9fe` are 169.254.169.254 to many resolvers.
        Err(_) if host.rsplit('.').next().is_some_and(looks_like_number) => {
            return Some("an address is written as four numbers");
        }
        Err(_) => return None,
    };
    let off_limits = match address {
        IpAddr::V4(address) => off_limits(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(inner) => off_limits(inner),
            None => off_limits_v6(address),
        },
    };
    off_limits.then_some(forbidden)
}

fn looks_like_number(label: &str) -> bool {
    label.starts_with(|first: char| first.is_ascii_digit())
        && label.trim_start_matches("0x").bytes().all(|b| b.is_ascii_hexdigit())
        && (label.starts_with("0x") || label.bytes().all(|b| b.is_ascii_digit()))
}

fn off_limits(address: Ipv4Addr) -> bool {
    address.is_link_local() || address.is_unspecified() || address.is_broadcast()
}

/// `fe80::/10`, nothing at all, and the metadata service of Nitro instances.
fn off_limits_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    address.is_unspecified()
        || (first & 0xffc0) == 0xfe80
        || address == Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)
}

#[cfg(test)]
mod tests {
    use super::url_problem;

    /// Goal: a probe never reads the metadata service, however its address is written.
    /// Method: spellings that clients and resolvers understand.
    #[test]
    fn no_spelling_reaches_the_metadata_service() {
        for url in [
            "http://169.254.169.254/latest",
            "http://169.254.169.254./latest",
            "HTTP://169.254.169.254:80/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fd00:ec2::254]/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://169.254.43518/",
            "http://metadata.google.internal/",
            "http://ok.example@169.254.169.254/",
            "http://169.254.169.254\\@ok.example/",
            "http://0.0.0.0/",
            "http:///path",
            "ftp://ok.example/",
            "file:///etc/passwd",
            "ok.example",
        ] {
            assert!(url_problem(url).is_some(), "{url}");
        }
        for url in [
            "https://covetpy.example/health/ready?deep=1",
            "http://127.0.0.1:8000/health",
            "http://[::1]:8000/",
            "http://10.0.48.7/",
            "https://west.0xcafe.example/",
        ] {
            assert_eq!(url_problem(url), None, "{url}");
        }
    }
}
