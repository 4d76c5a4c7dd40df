//! A bucket's lists, written beforehand: a page is a piece of one long text, so that what a bench
//! measures is who reads it, and hardly who serves it.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Version, encoded};

/// Everything that a bucket's pages are made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    /// The keys in order, and the number of the first entry of each.
    pub(super) keys: Vec<(String, usize)>,
    /// Every version's entry, one behind the other.
    pub(super) versions: String,
    /// Where each entry begins, and where the last one ends.
    pub(super) begins: Vec<usize>,
    /// Every current object's entry, and where that of each key begins.
    objects: String,
    object_begins: Vec<usize>,
}

impl Written {
    pub(super) fn of(keys: &BTreeMap<String, Vec<Version>>) -> Written {
        let mut written = Written::default();
        for (key, versions) in keys {
            written.keys.push((key.clone(), written.begins.len()));
            for (place, version) in versions.iter().enumerate() {
                written.begins.push(written.versions.len());
                entry(&mut written.versions, key, version, place == 0);
            }
            written.object_begins.push(written.objects.len());
            if let Some((size, etag)) = versions.first().and_then(|one| one.object.as_ref()) {
                contents(&mut written.objects, key, *size, etag);
            }
        }
        written.begins.push(written.versions.len());
        written.object_begins.push(written.objects.len());
        written
    }

    /// The first key that begins so, and the number of the entry behind the last.
    pub(super) fn below(&self, prefix: &str) -> (usize, usize) {
        let start = self.keys.partition_point(|(key, _)| key.as_str() < prefix);
        let many = self.keys[start..].partition_point(|(key, _)| key.starts_with(prefix));
        (start, self.first_of(start + many))
    }

    /// The number of the first entry behind all of a key, but not before another key.
    pub(super) fn behind(&self, after: &str, least: usize) -> usize {
        let place =
            self.keys.partition_point(|(key, _)| key.as_str() <= after && !after.is_empty());
        self.first_of(place.max(least))
    }

    fn first_of(&self, key: usize) -> usize {
        self.keys.get(key).map_or(self.begins.len() - 1, |(_, first)| *first)
    }

    /// The key of an entry, and which of its versions it is.
    pub(super) fn entry(&self, number: usize) -> (&str, usize) {
        let place = self.keys.partition_point(|(_, first)| *first <= number) - 1;
        let (key, first) = &self.keys[place];
        (key, number - first)
    }

    /// The entry of a key's current object; empty where there is none.
    pub(super) fn current(&self, key: usize) -> &str {
        &self.objects[self.object_begins[key]..self.object_begins[key + 1]]
    }
}

fn entry(body: &mut String, key: &str, version: &Version, is_latest: bool) {
    let (key, id, modified) = (encoded(key), &version.id, version.modified);
    let common = format!(
        "<Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{is_latest}</IsLatest>\
         <LastModified>{modified}</LastModified><Owner><ID>\
         75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner>"
    );
    let _ = match &version.object {
        Some((size, etag)) => write!(
            body,
            "<Version>{common}<ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size>\
             <StorageClass>STANDARD</StorageClass></Version>"
        ),
        None => write!(body, "<DeleteMarker>{common}</DeleteMarker>"),
    };
}

fn contents(body: &mut String, key: &str, size: u64, etag: &str) {
    let key = encoded(key);
    let _ = write!(
        body,
        "<Contents><Key>{key}</Key><LastModified>2026-03-01T02:00:00.000Z</LastModified>\
         <ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass>\
         </Contents>"
    );
}
