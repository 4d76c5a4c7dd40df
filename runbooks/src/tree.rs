//! YAML as a tree in which every key and every value knows its place.
//!
//! First of the two stages of reading a file. The tree is built by a visitor of our own: flattened,
//! untagged and tagged enums buffer their content and lose the place of the error.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use serde_saphyr::{
    Spanned,
    options::{DuplicateKeyPolicy, MergeKeyPolicy},
};

/// The largest file that is read, in bytes. The largest shipped one has 6 KiB.
pub const FILE_BYTES_MAX: usize = 256 * 1024;

/// The deepest nesting that is read. A runbook needs six levels.
pub const DEPTH_MAX: usize = 24;

/// The most values a file may hold, aliases expanded.
pub const NODES_MAX: usize = 20_000;

/// The most aliases a file may hold. They are rare in a file that reads as it would be said aloud.
pub const ALIASES_MAX: usize = 64;

/// Where something stands in a file, both counted from 1.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl Place {
    /// The first character of a file, where findings about the file as a whole stand.
    pub const START: Place = Place { line: 1, column: 1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Place {
        let clip = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
        Place { line: clip(location.line()), column: clip(location.column()) }
    }
}

/// A value that has been typed and still knows its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placed<T> {
    /// Where it starts.
    pub place: Place,
    /// The value.
    pub value: T,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it starts.
    pub place: Place,
    /// What it is.
    pub content: Content,
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A text, a number, a boolean or nothing.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key starts.
    pub place: Place,
    /// Its value.
    pub value: Node,
}

/// Why a text is no tree.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Broken {
    /// Where reading stopped.
    pub place: Place,
    /// What is wrong there.
    pub message: String,
}

/// Reads a text. Duplicate keys, merge keys, alias bombs, and files too deep or too large are
/// refused with their place.
pub fn parse(text: &str) -> Result<Node, Broken> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes; {FILE_BYTES_MAX} at most", text.len());
        return Err(Broken { place: Place::START, message });
    }
    serde_saphyr::from_str_with_options::<Node>(text, options()).map_err(|error| {
        let place = error.location().map_or(Place::START, Place::from);
        Broken { place, message: message(&error.without_snippet().to_string()) }
    })
}

/// The parser's message without what it says to programmers, and without the place at its end,
/// which stands before every finding already.
fn message(whole: &str) -> String {
    let first = whole.lines().next().unwrap_or_default();
    if first.starts_with("budget breached") || first.starts_with("alias replay limit") {
        return "the file is too deep, too long, or repeats itself too often".to_owned();
    }
    let first = first.split(" at line ").next().unwrap_or_default();
    first.split(", set DuplicateKeyPolicy").next().unwrap_or_default().to_owned()
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: NODES_MAX * 3,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
            max_replay_stack_depth: DEPTH_MAX,
            max_alias_expansions_per_anchor: ALIASES_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    }
}

impl Node {
    /// The scalar, if it is one.
    pub fn scalar(&self) -> Option<&Value> {
        match &self.content {
            Content::Scalar(value) => Some(value),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        self.scalar().and_then(Value::as_str)
    }

    /// The same as JSON, without places.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Node::to_json).collect(),
            Content::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    /// What it is, as a message says it.
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Scalar(Value::Null) => "nothing",
            Content::Scalar(Value::Bool(_)) => "true or false",
            Content::Scalar(Value::Number(_)) => "a number",
            Content::Scalar(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Node, D::Error> {
        let spanned = Spanned::<Content>::deserialize(from)?;
        Ok(Node { place: spanned.referenced.into(), content: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Content, D::Error> {
        from.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Content, D::Error> {
        from.deserialize_any(ContentVisitor)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = from.next_key::<Spanned<String>>()? {
            let value = from.next_value()?;
            entries.push(Entry { key: key.value, place: key.referenced.into(), value });
        }
        Ok(Content::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a finding can point at any key and any value, also in flow style and through an alias.
    /// Method: print the tree of a file that has one of each.
    #[test]
    fn every_key_and_value_has_its_place() {
        fn print(node: &Node, out: &mut String) {
            match &node.content {
                Content::Scalar(value) => *out += &format!("{} {value}\n", node.place),
                Content::List(items) => items.iter().for_each(|item| print(item, out)),
                Content::Map(entries) => entries.iter().for_each(|entry| {
                    *out += &format!("{} {}: ", entry.place, entry.key);
                    if entry.value.scalar().is_none() {
                        *out += &format!("{} {}\n", entry.value.place, entry.value.kind());
                    }
                    print(&entry.value, out);
                }),
            }
        }
        let text = "name: a\nsteps:\n  - { do: x, with: { n: 3 } }\n  - do: &y true\n    with: *y\nempty:\n";
        let mut out = String::new();
        print(&parse(text).unwrap(), &mut out);
        assert_eq!(
            out,
            "\
1:1 name: 1:7 \"a\"
2:1 steps: 3:3 a list
3:7 do: 3:11 \"x\"
3:14 with: 3:20 a map
3:22 n: 3:25 3
4:5 do: 4:12 true
5:5 with: 5:11 true
6:1 empty: 6:6 null
"
        );
    }

    /// Goal: a hostile file costs nothing and is refused with a place.
    /// Method: one file for each limit.
    #[test]
    fn what_is_too_much_is_refused() {
        let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned()
            + "b: &b [*a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b]\n"
            + "d: &d [*c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d]\n";
        let deep = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
        let wide = format!("a: [{}]", "x, ".repeat(NODES_MAX));
        let large = format!("a: {}", "x".repeat(FILE_BYTES_MAX));
        for (text, line) in [
            (bomb.as_str(), 5),
            (&deep, 1),
            (&wide, 1),
            (&large, 1),
            ("a: 1\nb: 2\na: 3\n", 3),
            ("a: &a { b: 1 }\nc:\n  <<: *a\n", 3),
            ("a: 1\n---\nb: 2\n", 2),
            ("a: [1\nb: 2\n", 2),
            ("a: *nobody\n", 1),
        ] {
            let broken = parse(text).expect_err(text.lines().next().unwrap_or_default());
            assert_eq!(broken.place.line, line, "{broken:?}");
        }
    }
}
