//! Whether a file is a report that a key signed, and whether its page says what was signed. Offline.

use std::ops::Range;

use muster_runbooks::application::detection::PublicKey;
use serde_json::Value;

use super::{PAYLOAD_TYPE, Report, VERSION, html};
use crate::{
    envelope::{Envelope, Unbelieved},
    program,
};

/// The largest file that is looked at. A report of ten thousand records has a few megabytes.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a signature vouches for.
#[derive(Clone, Debug, PartialEq)]
pub struct Vouched {
    /// What was signed.
    pub payload: Value,
    /// What is to be said of the page around it.
    pub page: Page,
}

/// What is to be said of the page around a payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Page {
    /// The file is an envelope without a page.
    None,
    /// It shows what was signed, to the last byte.
    Same,
    /// Another program made it, so nobody here can tell: only the payload is vouched for.
    Other {
        /// The program.
        made_by: String,
    },
}

/// Why a file is not vouched for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// It is neither an envelope nor a page with one.
    #[error("this is no report: {0}")]
    NoReport(String),
    /// Its envelope is not believed.
    #[error(transparent)]
    Envelope(#[from] Unbelieved),
    /// The page is not the one that the payload makes.
    #[error(
        "the signature holds, but the page does not show what was signed: line {line} is another"
    )]
    Page {
        /// The first line that differs, from 1.
        line: usize,
    },
}

/// Verifies a file.
///
/// # Errors
///
/// With the reason, when it is not what the key signed.
pub fn verify(file: &[u8], key: &PublicKey) -> Result<Vouched, Refused> {
    let text = std::str::from_utf8(file).map_err(|_| no_report("it is not text"))?;
    let is_page = !text.trim_start().starts_with('{');
    let inside = if is_page { &text[inside(text)?] } else { text };
    let envelope: Envelope = serde_json::from_str(inside)
        .map_err(|why| no_report(&format!("its envelope cannot be read: {why}")))?;
    let payload = envelope.open(PAYLOAD_TYPE, key)?;
    let payload: Value = serde_json::from_slice(&payload)
        .map_err(|why| no_report(&format!("what was signed is not JSON: {why}")))?;
    let page = if is_page { page(text, envelope, &payload, key)? } else { Page::None };
    Ok(Vouched { payload, page })
}

fn page(
    text: &str,
    mut envelope: Envelope,
    payload: &Value,
    key: &PublicKey,
) -> Result<Page, Refused> {
    let made_by = payload.get("made_by").and_then(Value::as_str).unwrap_or("an unknown program");
    let version = payload.get("v").and_then(Value::as_u64);
    if made_by != program() || version != Some(u64::from(VERSION)) {
        return Ok(Page::Other { made_by: made_by.to_owned() });
    }
    let report: Report = serde_json::from_value(payload.clone())
        .map_err(|why| no_report(&format!("what was signed is no report: {why}")))?;
    // The page shows which key signed it, and what an envelope says of that is signed by nobody.
    envelope.signatures.iter_mut().for_each(|signature| signature.keyid = key.to_string());
    let again = html::write(&report, &envelope);
    if again == text {
        return Ok(Page::Same);
    }
    let same = again.lines().zip(text.lines()).take_while(|(one, other)| one == other).count();
    Err(Refused::Page { line: same + 1 })
}

/// Where the envelope stands in a page.
fn inside(text: &str) -> Result<Range<usize>, Refused> {
    let missing = || no_report("it is neither an envelope nor a page that holds one");
    let begin = text.find(html::OPEN).ok_or_else(missing)? + html::OPEN.len();
    let length = text[begin..].find(html::CLOSE).ok_or_else(missing)?;
    Ok(begin..begin + length)
}

fn no_report(why: &str) -> Refused {
    Refused::NoReport(why.to_owned())
}
