//! Lists in pages: opaque cursors, bounded lengths.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::error::Problem;

/// The most items of one page.
pub const ITEMS_MAX: usize = 200;

/// The items of one page unless the client says otherwise.
pub const ITEMS: usize = 50;

/// Part of a list.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to send as `after` for the items that follow; nothing at the end.
    pub next: Option<String>,
}

/// The length of a page that a client asked for.
pub fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(ITEMS),
        Some(limit) if (1..=ITEMS_MAX).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::invalid(format!("`limit` is {limit}; 1 to {ITEMS_MAX}"))),
    }
}

/// Cuts a list that is small enough to be held: `key` names the place of an item in it.
pub fn cut<T>(
    items: Vec<T>,
    after: Option<&str>,
    limit: usize,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, Problem> {
    let after: Option<String> = after.map(decode).transpose()?;
    let skip = match &after {
        None => 0,
        Some(after) => items.iter().position(|item| key(item) == *after).map_or(0, |at| at + 1),
    };
    let more = items.len() > skip + limit;
    let items: Vec<T> = items.into_iter().skip(skip).take(limit).collect();
    let next = if more { items.last().map(|item| encode(&key(item))) } else { None };
    Ok(Page { items, next })
}

/// Makes a cursor.
pub fn encode<T: Serialize>(place: &T) -> String {
    let text = serde_json::to_vec(place).unwrap_or_default();
    text.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a cursor back.
pub fn decode<T: DeserializeOwned>(cursor: &str) -> Result<T, Problem> {
    let bad = || Problem::invalid("`after` is not a cursor that was given out here");
    let bytes: Option<Vec<u8>> = cursor
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    serde_json::from_slice(&bytes.ok_or_else(bad)?).map_err(|_| bad())
}
