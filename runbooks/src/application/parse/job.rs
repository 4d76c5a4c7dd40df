//! Reads the jobs of a workload.

use std::collections::BTreeMap;

use super::{
    Names,
    hook::{command, is_label},
    sql::in_range,
};
use crate::{
    application::job::{JOB_LIMIT_MAX, JOBS_MAX, Job},
    check::{Fields, Findings, text, wrong_kind},
    tree::Node,
    value::Span,
};

const KEYS: &[&str] = &[
    "name",
    "image",
    "command",
    "env",
    "env_from_secrets",
    "service_account",
    "retries",
    "limit",
    "kept_for",
];

/// The most pods that may follow one that failed.
const RETRIES_MAX: u64 = 10;

/// What the name of a variable ends with when its value is none of a file's business.
const SECRET_WORDS: &[&str] = &["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY"];

/// Reads what steps may run in a workload.
pub(super) fn read(
    workload: &Fields<'_>,
    names: &mut Names,
    out: &mut Findings,
) -> Option<Vec<Job>> {
    let nodes = workload.list("jobs", out);
    if let Some(first) = nodes.get(JOBS_MAX) {
        out.error(first.place, "too-many-jobs", format!("a workload has {JOBS_MAX} jobs at most"));
        return None;
    }
    nodes.iter().map(|node| job(node, names, out)).collect()
}

fn job(node: &Node, names: &mut Names, out: &mut Findings) -> Option<Job> {
    let fields = Fields::open(node, "a job", KEYS, out)?;
    let name = names.read_as(&fields, "a job of this application", out);
    let image = fields.need("image", out).and_then(|node| image(node, out));
    let command = fields.need("command", out).and_then(|node| command(node, out));
    let env = plain(&fields, "env", "name a Secret of the namespace in `env_from_secrets`", out);
    let secrets = fields.list("env_from_secrets", out).iter();
    let env_from_secrets: Vec<String> =
        secrets.filter_map(|node| label(node, "a secret", out)).collect();
    let account = fields.get("service_account");
    let service_account = account.and_then(|node| label(node, "a service account", out));
    let limit = span(&fields, "limit", Span::from_secs(1), out);
    if fields.get("limit").is_none() {
        out.error(node.place, "missing-key", "a job needs `limit`: for how long it may run");
    }
    let kept_for = span(&fields, "kept_for", Span::from_mins(1), out);
    Some(Job {
        name: name?,
        image: image?,
        command: command?,
        env,
        env_from_secrets,
        service_account,
        retries: retries(&fields, out),
        limit: limit?,
        kept_for: kept_for.unwrap_or_else(Job::default_kept_for),
    })
}

fn span(fields: &Fields<'_>, key: &'static str, least: Span, out: &mut Findings) -> Option<Span> {
    let span: Span = fields.parsed(key, out)?;
    let node = fields.get(key)?;
    in_range(node, span, (least, JOB_LIMIT_MAX), out).then_some(span)
}

fn image(node: &Node, out: &mut Findings) -> Option<String> {
    let image = text(node, out)?;
    let fits = |sign: char| sign.is_ascii_alphanumeric() || "._-/:@{}".contains(sign);
    if image.is_empty() || image.len() > 512 || !image.chars().all(fits) {
        out.error(node.place, "wrong-value", format!("`{image}` is not the name of an image"));
        return None;
    }
    Some(image.to_owned())
}

/// Variables by their names. Where a secret belongs, which is not here, `hint` says.
pub(super) fn plain(
    fields: &Fields<'_>,
    key: &'static str,
    hint: &str,
    out: &mut Findings,
) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for entry in fields.entries(key, out) {
        let name = entry.key.as_str();
        let fits = |sign: char| sign.is_ascii_alphanumeric() || sign == '_';
        if name.is_empty()
            || !name.chars().all(fits)
            || name.starts_with(|sign: char| sign.is_ascii_digit())
        {
            out.error(
                entry.place,
                "wrong-value",
                format!("`{name}` is not the name of a variable"),
            );
            continue;
        }
        let upper = name.to_ascii_uppercase();
        if SECRET_WORDS.iter().any(|word| upper.ends_with(word)) {
            let message = format!("`{name}` looks like a secret, and this file is none's to keep");
            out.error(entry.place, "secret-in-file", message).hint(hint);
            continue;
        }
        if let Some(value) = text(&entry.value, out) {
            env.insert(name.to_owned(), value.to_owned());
        }
    }
    env
}

fn label(node: &Node, what: &str, out: &mut Findings) -> Option<String> {
    let name = text(node, out)?;
    // Both may have dots between their parts.
    if name.len() > 253 || !name.split('.').all(is_label) {
        out.error(node.place, "wrong-value", format!("`{name}` is not the name of {what}"));
        return None;
    }
    Some(name.to_owned())
}

fn retries(fields: &Fields<'_>, out: &mut Findings) -> u32 {
    let Some(node) = fields.get("retries") else { return 0 };
    let given = node.scalar().and_then(|value| value.as_u64());
    match given.filter(|number| *number <= RETRIES_MAX) {
        Some(number) => u32::try_from(number).unwrap_or(u32::MAX),
        None => {
            wrong_kind(node, &format!("a whole number from 0 to {RETRIES_MAX}"), out);
            0
        }
    }
}
