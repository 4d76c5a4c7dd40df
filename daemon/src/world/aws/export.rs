//! An export of the journal that lies in a bucket, fetched for `muster state restore`, or put together
//! from the parts that were shipped there.
//!
//! It is fetched on a bad day: a transfer that breaks off goes on where it was, as long as the object
//! is still the same one.

use std::{
    fmt,
    fs::File,
    io::{self, Write},
    path::Path,
    str::FromStr,
};

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use jiff::Timestamp;
use muster_runbooks::name::Region;
use muster_state::{
    call::CallError,
    journal::offline::{Assembly, OfflineError},
};

use super::{Access, Aws, Side, error, ship::Shelf};
use crate::{clock::Clock, world::rates::Rates};

/// How often a transfer may break off without bringing anything.
const BREAKS_MAX: u32 = 5;

/// Where an object lies: `s3://bucket/key`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    bucket: String,
    key: String,
}

/// A text that is no such place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not the place of an object: s3://BUCKET/KEY")]
pub struct BadPlace(String);

impl FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Place, BadPlace> {
        let bad = || BadPlace(text.to_owned());
        let rest = text.strip_prefix("s3://").ok_or_else(bad)?;
        let (bucket, key) = rest.split_once('/').ok_or_else(bad)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(bad());
        }
        Ok(Place { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// Why an object was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody said in which region the bucket is.
    #[error("the region of the bucket is not known\nhint: set AWS_REGION to it")]
    NoRegion,
    /// S3 did not give it.
    #[error("`{place}` cannot be fetched\nhint: {hint}")]
    Call {
        /// Where it should be.
        place: Place,
        /// What to look at.
        hint: &'static str,
        /// What S3 said.
        #[source]
        source: Box<CallError>,
    },
    /// The connection broke, again and again.
    #[error("`{place}` broke off after {bytes} bytes, {BREAKS_MAX} times in a row")]
    BrokeOff {
        /// Where it lies.
        place: Place,
        /// How much came.
        bytes: u64,
        /// What was said last, if anything was.
        #[source]
        source: Option<Box<CallError>>,
    },
    /// Nothing was shipped there.
    #[error(
        "no part of a log lies below `{place}`\nhint: it is the `prefix` of `ship` in the configuration"
    )]
    Nothing {
        /// Where it should be.
        place: Place,
    },
    /// What was shipped is no log.
    #[error("what lies below `{place}` is no log")]
    NoLog {
        /// Where it lies.
        place: Place,
        /// What is wrong.
        #[source]
        source: Box<OfflineError>,
    },
    /// What came cannot be kept.
    #[error("what came of `{place}` cannot be written")]
    Write {
        /// Where it lies.
        place: Place,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Fetches an object into a file, in the region and with the credentials that the environment says.
/// Returns how many bytes it has.
///
/// # Errors
///
/// When S3 refuses it, when it broke off too often, or when the file cannot be written.
pub async fn fetch(place: &Place, to: &mut File) -> Result<u64, FetchError> {
    let bytes = fetch_into(place, to).await?;
    to.sync_all().map_err(|source| FetchError::Write { place: place.clone(), source })?;
    Ok(bytes)
}

/// The same into anything that takes it, such as memory for an object that is known to be small.
///
/// # Errors
///
/// As [`fetch`].
pub async fn fetch_into(place: &Place, to: &mut impl Write) -> Result<u64, FetchError> {
    let aws = Aws::load(&Access::Environment, Rates::default(), Clock::Real).await;
    let region = aws.shared.region().and_then(|region| region.as_ref().parse::<Region>().ok());
    let side = aws.side(&region.ok_or(FetchError::NoRegion)?);
    let mut coming = Coming { place, side: &side, etag: None, bytes: 0, last: None };
    let mut breaks = 0;
    while !coming.go_on(to, &mut breaks).await? {
        if breaks >= BREAKS_MAX {
            let (bytes, source) = (coming.bytes, coming.last);
            return Err(FetchError::BrokeOff { place: place.clone(), bytes, source });
        }
    }
    Ok(coming.bytes)
}

/// What was put together.
#[derive(Clone, Copy, Debug)]
pub struct Gathered {
    /// How many objects were fetched.
    pub objects: usize,
    /// When the last one was put, by the clock of S3.
    pub put_at: Option<Timestamp>,
    /// When the newest commit was written.
    pub newest: Option<Timestamp>,
}

/// Puts the parts below a prefix together into an export, in the region and with the credentials that the
/// environment says.
///
/// # Errors
///
/// When S3 refuses them, when there are none, when one is missing, or when the file cannot be written.
pub async fn gather(place: &Place, path: &Path, to: File) -> Result<Gathered, FetchError> {
    let aws = Aws::load(&Access::Environment, Rates::default(), Clock::Real).await;
    let region = aws.shared.region().and_then(|region| region.as_ref().parse::<Region>().ok());
    let side = aws.side(&region.ok_or(FetchError::NoRegion)?);
    let shelf = Shelf::at(side, &place.bucket, &place.key);
    let no_log = |source| FetchError::NoLog { place: place.clone(), source: Box::new(source) };
    let refused = |source| FetchError::Call {
        place: place.clone(),
        hint: "`aws s3 ls` shows what is there; `s3:ListBucket` and `s3:GetObject` must be allowed",
        source: Box::new(source),
    };
    let all = shelf.list().await.map_err(refused)?;
    let mut assembly = Assembly::begin(path, to).map_err(no_log)?;
    let mut objects = 0;
    for (at, one) in all.iter().enumerate() {
        let next = all[at + 1..].iter().find(|next| next.kind == one.kind);
        // What the segments hold need not come again in parts.
        if next.is_some_and(|next| next.first <= assembly.end()) {
            continue;
        }
        let mut tries = 1;
        let lines = loop {
            match shelf.get(one).await {
                Err(CallError::NoAnswer { .. }) if tries < BREAKS_MAX => tries += 1,
                got => break got.map_err(refused)?,
            }
        };
        assembly.push(&one.key, &lines).map_err(no_log)?;
        objects += 1;
    }
    if objects == 0 {
        return Err(FetchError::Nothing { place: place.clone() });
    }
    let (put_at, newest) = (all.iter().filter_map(|one| one.put_at).max(), assembly.newest());
    assembly.finish().map_err(no_log)?;
    Ok(Gathered { objects, put_at, newest })
}

/// What came so far.
struct Coming<'a> {
    place: &'a Place,
    side: &'a Side,
    etag: Option<String>,
    bytes: u64,
    last: Option<Box<CallError>>,
}

impl Coming<'_> {
    /// One request for what is missing; says whether everything is there. `breaks` counts the requests
    /// in a row that brought nothing.
    async fn go_on(&mut self, to: &mut impl Write, breaks: &mut u32) -> Result<bool, FetchError> {
        let before = self.bytes;
        let Some(mut answer) = self.ask().await? else {
            *breaks += 1;
            return Ok(false);
        };
        let left = answer.content_length().and_then(|left| u64::try_from(left).ok());
        if let Some(etag) = answer.e_tag() {
            self.etag = Some(etag.to_owned());
        }
        let whole = loop {
            match answer.body.next().await {
                Some(Ok(piece)) => {
                    to.write_all(&piece).map_err(|source| FetchError::Write {
                        place: self.place.clone(),
                        source,
                    })?;
                    self.bytes += piece.len() as u64;
                }
                Some(Err(_)) => break false,
                // A body that ends early and says nothing is broken too.
                None => break left.is_none_or(|left| self.bytes - before == left),
            }
        };
        *breaks = if self.bytes > before { 0 } else { *breaks + 1 };
        Ok(whole)
    }

    /// Asks for what is missing; nothing when no answer came.
    async fn ask(&mut self) -> Result<Option<GetObjectOutput>, FetchError> {
        let Place { bucket, key } = self.place;
        let mut get = self.side.look.s3.get_object().bucket(bucket).key(key);
        if self.bytes > 0 {
            get = get.range(format!("bytes={}-", self.bytes)).set_if_match(self.etag.clone());
        }
        let why = match get.send().await {
            Ok(answer) => return Ok(Some(answer)),
            Err(why) => error::trouble(why),
        };
        match why.class {
            error::Class::NoAnswer | error::Class::Busy => {
                self.last = Some(Box::new(why.at(self.side.name("s3"), "GetObject")));
                Ok(None)
            }
            error::Class::Refused
            | error::Class::Missing
            | error::Class::Exists
            | error::Class::Credentials => {
                let hint = match why.code.as_str() {
                    "PermanentRedirect" | "AuthorizationHeaderMalformed" => {
                        "the bucket is in another region: set AWS_REGION to it"
                    }
                    "PreconditionFailed" => "it was replaced while it came: try again",
                    _ => "`aws s3 ls` shows what is there; `s3:GetObject` must be allowed",
                };
                let source = Box::new(why.at(self.side.name("s3"), "GetObject"));
                Err(FetchError::Call { place: self.place.clone(), hint, source })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_bucket_and_a_key() {
        let place: Place = "s3://backups/muster/2026.export".parse().unwrap();
        assert_eq!((place.bucket.as_str(), place.key.as_str()), ("backups", "muster/2026.export"));
        for bad in ["s3://", "s3://backups", "s3:///key", "s3://backups/", "backups/key"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
