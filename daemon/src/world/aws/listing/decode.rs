//! A page out of its XML, as the bytes come in.
//!
//! Reading lists is all that a comparison does, and a general reader of XML makes an owned value of
//! every element. This one knows the few that are compared, passes over the others, and refuses
//! whatever S3 does not write: it may say that it does not understand, and never guess.

use memchr::{memchr, memchr2};

use super::{
    Marker,
    page::{Entry, Page},
    plain::{decode, name, unescape, unquoted, yes},
};

/// The most bytes between two tags, with the tag; S3 has keys of 1,024 bytes, three letters for each.
const TOKEN_MAX: usize = 16 * 1024;

/// The most bytes of one page that are kept; about twice what a page of the longest keys has.
const TEXT_MAX: usize = 8 * 1024 * 1024;

/// What is inside the outermost element.
const ROOT: &[u8] = b"ListVersionsResult";

const OBJECT: &[u8] = b"Version";
const MARKER: &[u8] = b"DeleteMarker";

/// Where the reader is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Before the outermost element.
    Before,
    /// Inside it.
    Top,
    /// Inside one that says something about the page.
    Said(Said),
    /// Inside a version or a delete marker.
    Entry,
    /// Inside one that says something about it.
    Part(Part),
    /// Inside something that is not compared.
    Other {
        /// That belongs to an entry.
        in_entry: bool,
    },
    /// Behind the end.
    After,
}

/// What is said about the page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Said {
    IsTruncated,
    EncodingType,
    NextKeyMarker,
    NextVersionIdMarker,
}

const SAID: [(&[u8], Said); 4] = [
    (b"IsTruncated", Said::IsTruncated),
    (b"EncodingType", Said::EncodingType),
    (b"NextKeyMarker", Said::NextKeyMarker),
    (b"NextVersionIdMarker", Said::NextVersionIdMarker),
];

/// What is said about an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Key,
    VersionId,
    IsLatest,
    LastModified,
    ETag,
    Size,
}

const PARTS: [(&[u8], Part); 6] = [
    (b"Key", Part::Key),
    (b"VersionId", Part::VersionId),
    (b"IsLatest", Part::IsLatest),
    (b"LastModified", Part::LastModified),
    (b"ETag", Part::ETag),
    (b"Size", Part::Size),
];

/// Why a page is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flaw {
    /// It ended before its end: worth another try.
    Cut,
    /// It cannot be trusted, for this reason.
    Malformed(&'static str),
}

pub(super) const NOT_PLAIN: Flaw = Flaw::Malformed("its answer is no list that S3 writes");

/// Reads one page.
#[derive(Debug)]
pub(super) struct Decoder {
    place: Place,
    /// The beginning of what ends in the next piece.
    rest: Vec<u8>,
    /// The names of the elements that are passed over, one behind the other, and where each begins.
    others: (Vec<u8>, Vec<usize>),
    entry: Building,
    page: Page,
    is_truncated: bool,
    is_encoded: bool,
    next_key: Option<Vec<u8>>,
    next_version: Option<Vec<u8>>,
}

/// The entry that is being read. Its parts come in any order.
#[derive(Debug, Default)]
struct Building {
    is_marker: bool,
    key: Vec<u8>,
    id: Vec<u8>,
    etag: Vec<u8>,
    size: Option<i64>,
    is_latest: Option<bool>,
    modified_ms: Option<i64>,
}

impl Decoder {
    /// A reader of a page that has about so many entries.
    pub(super) fn new(entries: usize) -> Decoder {
        let page = Page {
            text: Vec::with_capacity(entries * TEXT_TYPICAL),
            entries: Vec::with_capacity(entries),
            next: None,
        };
        Decoder {
            place: Place::Before,
            rest: Vec::new(),
            others: Default::default(),
            entry: Building::default(),
            page,
            is_truncated: false,
            is_encoded: false,
            next_key: None,
            next_version: None,
        }
    }

    /// Takes the next piece of the body in.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Flaw> {
        if !self.rest.is_empty() {
            let mut token = std::mem::take(&mut self.rest);
            let end = if token.contains(&b'<') { memchr(b'>', bytes) } else { tag_end(bytes) };
            let upto = end.map_or(bytes.len(), |end| end + 1);
            if token.len() + upto > TOKEN_MAX {
                return Err(NOT_PLAIN);
            }
            token.extend_from_slice(&bytes[..upto]);
            if end.is_none() {
                self.rest = token;
                return Ok(());
            }
            self.tokens(&token)?;
            // Its memory serves again.
            token.clear();
            self.rest = token;
            bytes = &bytes[upto..];
        }
        let rest = self.tokens(bytes)?;
        if rest.len() > TOKEN_MAX || self.page.text.len() > TEXT_MAX {
            return Err(NOT_PLAIN);
        }
        self.rest.extend_from_slice(rest);
        Ok(())
    }

    /// Takes in what is whole; answers the rest.
    fn tokens<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], Flaw> {
        while let Some(open) = memchr(b'<', bytes) {
            let (text, tag) = (&bytes[..open], &bytes[open + 1..]);
            let Some(close) = memchr2(b'<', b'>', tag) else { break };
            if tag[close] == b'<' {
                return Err(NOT_PLAIN);
            }
            match tag[..close] {
                [b'/', ref name @ ..] => self.close(text, name.trim_ascii_end())?,
                [b'?', ..] if self.place == Place::Before => {}
                ref tag => self.open(text, tag)?,
            }
            bytes = &tag[close + 1..];
        }
        Ok(bytes)
    }

    fn open(&mut self, text: &[u8], tag: &[u8]) -> Result<(), Flaw> {
        let is_empty = tag.ends_with(b"/");
        let name = name(tag)?;
        if !text.trim_ascii().is_empty() && !matches!(self.place, Place::Other { .. }) {
            return Err(NOT_PLAIN);
        }
        self.place = match self.place {
            Place::Before if name == ROOT => Place::Top,
            Place::Top if name == OBJECT || name == MARKER => {
                self.entry.clear(name == MARKER);
                Place::Entry
            }
            Place::Top => match SAID.iter().find(|(known, _)| *known == name) {
                Some((_, said)) => Place::Said(*said),
                None => self.pass_over(name, false),
            },
            Place::Entry => match PARTS.iter().find(|(known, _)| *known == name) {
                Some((_, part)) => Place::Part(*part),
                None => self.pass_over(name, true),
            },
            Place::Other { in_entry } => self.pass_over(name, in_entry),
            Place::Before | Place::Said(_) | Place::Part(_) | Place::After => {
                return Err(NOT_PLAIN);
            }
        };
        if is_empty { self.close(b"", name) } else { Ok(()) }
    }

    fn pass_over(&mut self, name: &[u8], in_entry: bool) -> Place {
        let (names, begins) = &mut self.others;
        begins.push(names.len());
        names.extend_from_slice(name);
        Place::Other { in_entry }
    }

    fn close(&mut self, text: &[u8], name: &[u8]) -> Result<(), Flaw> {
        self.place = match self.place {
            Place::Part(part) if PARTS.contains(&(name, part)) => {
                self.entry.take(part, text)?;
                Place::Entry
            }
            Place::Other { in_entry } => {
                let (names, begins) = &mut self.others;
                let begin = begins.pop().ok_or(NOT_PLAIN)?;
                if names[begin..] != *name {
                    return Err(NOT_PLAIN);
                }
                names.truncate(begin);
                match (begins.is_empty(), in_entry) {
                    (false, _) => Place::Other { in_entry },
                    (true, true) => Place::Entry,
                    (true, false) => Place::Top,
                }
            }
            Place::Entry if name == if self.entry.is_marker { MARKER } else { OBJECT } => {
                self.entry.put(&mut self.page)?;
                Place::Top
            }
            Place::Said(said) if SAID.contains(&(name, said)) => {
                self.hear(said, text)?;
                Place::Top
            }
            Place::Top if name == ROOT => Place::After,
            Place::Before
            | Place::Top
            | Place::Said(_)
            | Place::Entry
            | Place::Part(_)
            | Place::After => return Err(NOT_PLAIN),
        };
        Ok(())
    }

    fn hear(&mut self, said: Said, text: &[u8]) -> Result<(), Flaw> {
        let mut plain = Vec::new();
        unescape(text, &mut plain)?;
        match said {
            Said::IsTruncated => self.is_truncated = yes(&plain)?,
            Said::EncodingType => self.is_encoded = plain == b"url",
            Said::NextKeyMarker => self.next_key = Some(plain),
            Said::NextVersionIdMarker => self.next_version = Some(plain),
        }
        Ok(())
    }

    /// The page, if it is whole and can be trusted: its keys are in order, and where it goes on lies
    /// behind where it began.
    pub(super) fn finish(mut self, after: &Marker) -> Result<Page, Flaw> {
        if self.place != Place::After {
            return Err(Flaw::Cut);
        }
        if self.is_encoded {
            self.page.decode_keys()?;
        }
        let mut page = self.page;
        page.put_in_order()?;
        let begins = page.key(0).is_none_or(|key| {
            key > after.key.as_bytes() || (after.version.is_some() && key == after.key.as_bytes())
        });
        if !begins {
            return Err(OUT_OF_ORDER);
        }
        if !self.is_truncated {
            return Ok(page);
        }
        let mut key = self
            .next_key
            .filter(|key| !key.is_empty())
            .ok_or(Flaw::Malformed("its list goes on and does not say where"))?;
        if self.is_encoded {
            let length = decode(&mut key)?;
            key.truncate(length);
        }
        let text = |bytes| String::from_utf8(bytes).map_err(|_| NO_TEXT);
        let version = self.next_version.filter(|version| !version.is_empty());
        let next = Marker { key: text(key)?, version: version.map(text).transpose()? };
        if next.key < after.key || next == *after {
            return Err(Flaw::Malformed("its list does not move on: a page token repeats"));
        }
        page.next = Some(next);
        Ok(page)
    }
}

/// What the key, version and tag of one entry take together, mostly.
const TEXT_TYPICAL: usize = 128;

const OUT_OF_ORDER: Flaw = Flaw::Malformed("its list is not in the order of keys");

const NO_TEXT: Flaw = Flaw::Malformed("a key of its list is no UTF-8");

impl Building {
    fn clear(&mut self, is_marker: bool) {
        self.is_marker = is_marker;
        (self.size, self.is_latest, self.modified_ms) = (None, None, None);
        for text in [&mut self.key, &mut self.id, &mut self.etag] {
            text.clear();
        }
    }

    fn take(&mut self, part: Part, text: &[u8]) -> Result<(), Flaw> {
        let words = || std::str::from_utf8(text).ok();
        match part {
            Part::Key if self.key.is_empty() => unescape(text, &mut self.key)?,
            Part::Key => return Err(NOT_PLAIN),
            Part::VersionId => unescape(text, &mut self.id)?,
            Part::ETag => unescape(unquoted(text), &mut self.etag)?,
            Part::IsLatest => self.is_latest = Some(yes(text)?),
            Part::Size => {
                self.size = Some(words().and_then(|text| text.parse().ok()).ok_or(NOT_PLAIN)?);
            }
            Part::LastModified => {
                let instant = words().and_then(|text| text.parse::<jiff::Timestamp>().ok());
                self.modified_ms = instant.map(jiff::Timestamp::as_millisecond);
            }
        }
        Ok(())
    }

    /// Puts it behind the others of a page.
    fn put(&self, page: &mut Page) -> Result<(), Flaw> {
        if self.key.is_empty() {
            return Err(Flaw::Malformed("an entry of its list has no key"));
        }
        if self.size.is_none() && !self.is_marker {
            return Err(Flaw::Malformed("an object of its list has no size"));
        }
        let id: &[u8] = if self.id.is_empty() { b"null" } else { &self.id };
        let short = |text: &[u8]| u16::try_from(text.len()).map_err(|_| NOT_PLAIN);
        page.entries.push(Entry {
            start: u32::try_from(page.text.len()).map_err(|_| NOT_PLAIN)?,
            key: short(&self.key)?,
            slack: 0,
            id: short(id)?,
            etag: short(&self.etag)?,
            is_marker: self.is_marker,
            is_latest: self.is_latest.unwrap_or(true),
            size: self.size.unwrap_or_default(),
            // What does not say when it was written may be new.
            modified_ms: self.modified_ms.unwrap_or(i64::MAX),
        });
        for text in [&self.key, id, &self.etag] {
            page.text.extend_from_slice(text);
        }
        Ok(())
    }
}

impl Page {
    fn decode_keys(&mut self) -> Result<(), Flaw> {
        for entry in &mut self.entries {
            let start = entry.start as usize;
            let key = &mut self.text[start..start + usize::from(entry.key)];
            if memchr2(b'%', b'+', key).is_some() {
                let length = u16::try_from(decode(key)?).map_err(|_| NOT_PLAIN)?;
                entry.slack = entry.key - length;
                entry.key = length;
            }
        }
        Ok(())
    }

    /// Objects and delete markers are each in the order of keys; AWS writes them mixed, others one
    /// kind behind the other.
    fn put_in_order(&mut self) -> Result<(), Flaw> {
        let mut last: [&[u8]; 2] = [b"", b""];
        let mut is_mixed = true;
        for entry in &self.entries {
            let key = self.key_of(entry);
            if std::str::from_utf8(key).is_err() {
                return Err(NO_TEXT);
            }
            let kind = usize::from(entry.is_marker);
            if key < last[kind] {
                return Err(OUT_OF_ORDER);
            }
            is_mixed &= key >= last[1 - kind];
            last[kind] = key;
        }
        if !is_mixed {
            let Page { text, entries, .. } = self;
            let key = |entry: &Entry| {
                let start = entry.start as usize;
                &text[start..start + usize::from(entry.key)]
            };
            entries.sort_by(|one, other| key(one).cmp(key(other)));
        }
        Ok(())
    }
}

/// Where the next tag ends.
fn tag_end(bytes: &[u8]) -> Option<usize> {
    let open = memchr(b'<', bytes)?;
    memchr(b'>', &bytes[open..]).map(|close| open + close)
}

#[cfg(test)]
mod tests;
