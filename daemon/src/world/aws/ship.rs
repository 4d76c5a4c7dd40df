//! The shipped log: parts below a prefix, each named by its first record and put once.

use std::{cmp::Reverse, sync::Arc};

use jiff::Timestamp;
use muster_state::call::{CallError, in_one_line};

use super::{Side, error};
use crate::config;

/// So many digits has the number of a record in a key, so that keys sort as numbers do.
const DIGITS: usize = 20;

/// What an object below the prefix is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// What was written in a few seconds.
    Part,
    /// What many parts hold, so that a restore has little to fetch.
    Segment,
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Kind::Part => "part",
            Kind::Segment => "segment",
        }
    }
}

/// An object below the prefix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shipped {
    /// What it is.
    pub kind: Kind,
    /// The number of its first record.
    pub first: u64,
    /// When it was put, by the clock of S3.
    pub put_at: Option<Timestamp>,
    /// Its key.
    pub key: String,
}

/// What became of a put.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Put {
    /// It is there now.
    Written,
    /// An object of this name was there before.
    There,
}

/// The place.
#[derive(Clone, Debug)]
pub struct Shelf {
    side: Arc<Side>,
    bucket: String,
    prefix: String,
}

impl Shelf {
    pub(in crate::world) fn new(side: Arc<Side>, at: &config::Ship) -> Shelf {
        Shelf::at(side, &at.bucket, &at.prefix)
    }

    pub(super) fn at(side: Arc<Side>, bucket: &str, prefix: &str) -> Shelf {
        let (bucket, prefix) = (bucket.to_owned(), prefix.trim_end_matches('/').to_owned());
        Shelf { side, bucket, prefix }
    }

    /// Puts lines under the number of their first record, unless something is there.
    pub async fn put(&self, kind: Kind, first: u64, lines: Vec<u8>) -> Result<Put, CallError> {
        let Shipped { key, .. } = self.object(kind, first);
        let put = self.side.act.s3.put_object().bucket(&self.bucket).key(key).if_none_match("*");
        let put = put.content_type("application/x-ndjson").body(lines.into());
        match put.send().await.map_err(error::trouble) {
            Ok(_) => Ok(Put::Written),
            Err(why) if why.code == "PreconditionFailed" => Ok(Put::There),
            Err(why) => Err(why.at(self.side.name("s3"), "PutObject")),
        }
    }

    /// Everything that is there: segments first, each kind by its first record.
    pub async fn list(&self) -> Result<Vec<Shipped>, CallError> {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let list = self.side.look.s3.list_objects_v2().bucket(&self.bucket);
            let list = list.prefix(format!("{}/", self.prefix)).set_continuation_token(next);
            let page = list.send().await.map_err(error::trouble);
            let page = page.map_err(|why| why.at(self.side.name("s3"), "ListObjectsV2"))?;
            found.extend(page.contents().iter().filter_map(|object| {
                let put_at = object.last_modified().and_then(|at| at.to_millis().ok());
                let put_at = put_at.and_then(|at| Timestamp::from_millisecond(at).ok());
                Some(Shipped { put_at, ..self.named(object.key()?)? })
            }));
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        found.sort_by_key(|one| (Reverse(one.kind), one.first));
        Ok(found)
    }

    fn named(&self, key: &str) -> Option<Shipped> {
        let name = key.strip_prefix(&self.prefix)?.strip_prefix('/')?;
        let (first, suffix) = name.split_once('.')?;
        let kind = [Kind::Part, Kind::Segment].into_iter().find(|one| one.suffix() == suffix)?;
        (first.len() == DIGITS).then_some(())?;
        Some(self.object(kind, first.parse().ok()?))
    }

    /// What an object is called.
    pub fn object(&self, kind: Kind, first: u64) -> Shipped {
        let key = format!("{}/{first:0DIGITS$}.{}", self.prefix, kind.suffix());
        Shipped { kind, first, put_at: None, key }
    }

    /// The lines of an object.
    pub async fn get(&self, shipped: &Shipped) -> Result<Vec<u8>, CallError> {
        let get = self.side.look.s3.get_object().bucket(&self.bucket).key(&shipped.key);
        let found = get.send().await.map_err(error::trouble);
        let found = found.map_err(|why| why.at(self.side.name("s3"), "GetObject"))?;
        let body = found.body.collect().await.map_err(|why| CallError::NoAnswer {
            service: self.side.name("s3"),
            operation: "GetObject",
            source: in_one_line(&why).into(),
        })?;
        Ok(body.into_bytes().to_vec())
    }
}
