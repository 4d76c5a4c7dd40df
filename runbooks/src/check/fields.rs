//! Reads the keys of a map: known or not, there or not, of the right kind or not.

use std::{fmt, str::FromStr};

use serde_json::Value;

use super::Findings;
use crate::tree::{Content, Entry, Node, Place};

/// The keys of one map, checked against those that are known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    /// What the map is, for messages.
    what: &'static str,
    pub(crate) place: Place,
    entries: &'a [Entry],
}

impl<'a> Fields<'a> {
    /// Opens a map and reports the keys that are not known.
    pub(crate) fn open(
        node: &'a Node,
        what: &'static str,
        known: &[&str],
        out: &mut Findings,
    ) -> Option<Fields<'a>> {
        let entries = map(node, what, out)?;
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            unknown(
                entry.place,
                &format!("{what} has no key"),
                "unknown-key",
                &entry.key,
                known,
                out,
            );
        }
        Some(Fields { what, place: node.place, entries })
    }

    /// The value of a key, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&self, key: &str, out: &mut Findings) -> Option<&'a Node> {
        let found = self.get(key);
        if found.is_none() {
            out.error(self.place, "missing-key", format!("{} needs `{key}`", self.what));
        }
        found
    }

    /// A value that parses from a text, such as a name, a word or a duration.
    pub(crate) fn parsed<T>(&self, key: &str, out: &mut Findings) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.get(key).and_then(|node| parsed(node, out))
    }

    /// The same, and it must be there.
    pub(crate) fn need_parsed<T>(&self, key: &str, out: &mut Findings) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.need(key, out).and_then(|node| parsed(node, out))
    }

    /// A text.
    pub(crate) fn text(&self, key: &str, out: &mut Findings) -> Option<String> {
        self.get(key).and_then(|node| text(node, out)).map(str::to_owned)
    }

    /// A text that must be there.
    pub(crate) fn need_text(&self, key: &str, out: &mut Findings) -> Option<String> {
        self.need(key, out).and_then(|node| text(node, out)).map(str::to_owned)
    }

    /// `true` or `false`; absent is `false`.
    pub(crate) fn flag(&self, key: &str, out: &mut Findings) -> bool {
        let Some(node) = self.get(key) else { return false };
        match node.scalar() {
            Some(Value::Bool(value)) => *value,
            Some(_) | None => {
                wrong_kind(node, "true or false", out);
                false
            }
        }
    }

    /// The items of a list; absent is empty.
    pub(crate) fn list(&self, key: &str, out: &mut Findings) -> &'a [Node] {
        self.get(key).and_then(|node| list(node, out)).unwrap_or_default()
    }

    /// The entries of a map with free keys; absent is empty.
    pub(crate) fn entries(&self, key: &'static str, out: &mut Findings) -> &'a [Entry] {
        self.get(key).and_then(|node| map(node, key, out)).unwrap_or_default()
    }
}

/// The entries of a map.
pub(crate) fn map<'a>(node: &'a Node, what: &str, out: &mut Findings) -> Option<&'a [Entry]> {
    match &node.content {
        Content::Map(entries) => Some(entries),
        Content::Scalar(_) | Content::List(_) => {
            wrong_kind(node, &format!("a map for {what}"), out);
            None
        }
    }
}

/// The items of a list.
pub(crate) fn list<'a>(node: &'a Node, out: &mut Findings) -> Option<&'a [Node]> {
    match &node.content {
        Content::List(items) => Some(items),
        Content::Scalar(_) | Content::Map(_) => {
            wrong_kind(node, "a list", out);
            None
        }
    }
}

/// A text that is not empty.
pub(crate) fn text<'a>(node: &'a Node, out: &mut Findings) -> Option<&'a str> {
    match node.text() {
        Some(text) if !text.trim().is_empty() => Some(text),
        Some(_) => {
            out.error(node.place, "wrong-value", "an empty text");
            None
        }
        None => {
            wrong_kind(node, "a text", out);
            None
        }
    }
}

/// A value that parses from a text.
pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(node: &Node, out: &mut Findings) -> Option<T> {
    // A bare number is shown to the type's own parser, whose message says that the unit is missing.
    let bare = match node.scalar() {
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) | None => None,
    };
    let given = match &bare {
        Some(number) => number.as_str(),
        None => text(node, out)?,
    };
    match given.parse() {
        Ok(value) => Some(value),
        Err(why) => {
            out.error(node.place, "wrong-value", why.to_string());
            None
        }
    }
}

/// Reports a value of another kind than the one that is wanted.
pub(crate) fn wrong_kind(node: &Node, wanted: &str, out: &mut Findings) {
    out.error(node.place, "wrong-kind", format!("expected {wanted}, found {}", node.kind()));
}

/// Reports a name that is not known, with the nearest one that is.
pub(crate) fn unknown(
    place: Place,
    lead: &str,
    rule: &'static str,
    name: &str,
    known: &[&str],
    out: &mut Findings,
) {
    let finding = out.error(place, rule, format!("{lead} `{name}`"));
    match nearest(name, known) {
        Some(near) => finding.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => {}
        None => finding.hint(format!("known: {}", known.join(", "))),
    }
}

/// The known name that was probably meant: at most a third of its letters differ.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|&candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, left out or changed to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, wanted) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != *wanted);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
