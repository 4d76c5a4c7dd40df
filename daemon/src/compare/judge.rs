//! What the versions of one key on two sides say about each other.

use muster_runbooks::value::words;

/// One version of an object, or a delete marker in its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Version<'a> {
    /// Its id; `null` in a bucket without versions.
    pub id: &'a [u8],
    /// What stands there.
    pub what: What<'a>,
    /// Whether a reader gets this one.
    pub is_latest: bool,
    /// When it was written, as S3 says, in milliseconds since 1970; far ahead where it does not say.
    pub modified_ms: i64,
}

/// What a version is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What<'a> {
    /// An object.
    Object {
        /// Its size in bytes.
        size: i64,
        /// Its entity tag without quotes; empty where none was said.
        etag: &'a [u8],
    },
    /// A mark that the object was deleted.
    DeleteMarker,
}

/// How much the entity tags of two buckets say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tags {
    /// Both sides make them from the content alone, so they can be compared (facts §4).
    Comparable,
    /// One side encrypts with a key of KMS, or nobody knows: they say nothing.
    Mute,
}

/// What came of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// All that can be seen is the same.
    Same,
    /// Both have it, and nothing that can be seen compares the content.
    Unknown,
    /// It is not the same.
    Differs(How),
}

words! {
    /// In which way a key is not the same, the first that was found.
    How {
        /// Only the source has it.
        Missing = "missing",
        /// Only the target has it.
        Extra = "extra",
        /// One has a version that the other has not.
        Version = "version",
        /// One is deleted where the other is not.
        DeleteMarker = "delete_marker",
        /// The same version is the latest on one side only.
        Latest = "latest",
        /// Other sizes.
        Size = "size",
        /// Other entity tags.
        Etag = "etag",
        /// Other checksums.
        Checksum = "checksum",
        /// Other encryption.
        Encryption = "encryption",
        /// Replication of it has failed.
        Replication = "replication",
    }
}

/// Judges a key that both sides have. The order of versions says nothing, so they are matched by id.
pub fn judge(source: &mut [Version<'_>], target: &mut [Version<'_>], tags: Tags) -> Verdict {
    if source.len() > 1 || target.len() > 1 {
        source.sort_unstable_by(|one, other| one.id.cmp(other.id));
        target.sort_unstable_by(|one, other| one.id.cmp(other.id));
    }
    let latest = |versions: &[Version<'_>]| {
        versions
            .iter()
            .find(|version| version.is_latest)
            .map(|version| version.what == What::DeleteMarker)
    };
    let mut is_unknown = false;
    for (one, other) in source.iter().zip(target.iter()) {
        if one.id != other.id {
            break;
        }
        match (&one.what, &other.what) {
            (What::Object { size, etag }, What::Object { size: theirs, etag: tag }) => {
                if size != theirs {
                    return Verdict::Differs(How::Size);
                }
                match tags {
                    _ if etag.is_empty() || tag.is_empty() => is_unknown = true,
                    Tags::Comparable if etag != tag => {
                        return Verdict::Differs(How::Etag);
                    }
                    Tags::Comparable => {}
                    Tags::Mute => is_unknown = true,
                }
            }
            (What::DeleteMarker, What::DeleteMarker) => {}
            (What::Object { .. }, What::DeleteMarker)
            | (What::DeleteMarker, What::Object { .. }) => {
                return Verdict::Differs(How::DeleteMarker);
            }
        }
    }
    if latest(source) != latest(target) {
        return Verdict::Differs(How::DeleteMarker);
    }
    let same_ids = source.len() == target.len()
        && source.iter().zip(target.iter()).all(|(one, other)| one.id == other.id);
    if !same_ids {
        return Verdict::Differs(How::Version);
    }
    if source.iter().zip(target.iter()).any(|(one, other)| one.is_latest != other.is_latest) {
        return Verdict::Differs(How::Latest);
    }
    if is_unknown { Verdict::Unknown } else { Verdict::Same }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object<'a>(id: &'a str, size: i64, etag: &'a str, is_latest: bool) -> Version<'a> {
        let what = What::Object { size, etag: etag.as_bytes() };
        Version { id: id.as_bytes(), what, is_latest, modified_ms: 0 }
    }

    fn marker(id: &str) -> Version<'_> {
        Version { id: id.as_bytes(), what: What::DeleteMarker, is_latest: true, modified_ms: 0 }
    }

    /// Goal: every planted difference is found and named, and nothing unseen passes for equal.
    #[test]
    fn what_two_sides_say() {
        let plain = || vec![object("1", 5, "a", true)];
        let two = || vec![object("2", 6, "b", true), object("1", 5, "a", false)];
        let gone = || vec![marker("3"), object("1", 5, "a", false)];
        let turned = || vec![object("1", 5, "a", false), object("2", 6, "b", true)];
        let other_latest = || vec![object("2", 6, "b", false), object("1", 5, "a", true)];
        let different = Verdict::Differs;
        let table = [
            (plain(), plain(), Tags::Comparable, Verdict::Same),
            (plain(), plain(), Tags::Mute, Verdict::Unknown),
            (plain(), vec![object("1", 5, "", true)], Tags::Comparable, Verdict::Unknown),
            (plain(), vec![object("1", 5, "x", true)], Tags::Comparable, different(How::Etag)),
            (plain(), vec![object("1", 5, "x", true)], Tags::Mute, Verdict::Unknown),
            (plain(), vec![object("1", 4, "a", true)], Tags::Mute, different(How::Size)),
            (plain(), vec![object("9", 5, "a", true)], Tags::Comparable, different(How::Version)),
            (two(), plain(), Tags::Comparable, different(How::Version)),
            (two(), two(), Tags::Comparable, Verdict::Same),
            (two(), turned(), Tags::Comparable, Verdict::Same),
            (two(), other_latest(), Tags::Comparable, different(How::Latest)),
            (gone(), gone(), Tags::Comparable, Verdict::Same),
            (gone(), plain(), Tags::Comparable, different(How::DeleteMarker)),
            (plain(), gone(), Tags::Comparable, different(How::DeleteMarker)),
        ];
        for (mut source, mut target, tags, verdict) in table {
            assert_eq!(judge(&mut source, &mut target, tags), verdict, "{source:?} {target:?}");
        }
    }
}
