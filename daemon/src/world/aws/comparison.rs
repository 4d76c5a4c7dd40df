//! A bucket beside its replica, compared in the background of the process.

use jiff::SignedDuration;
use muster_runbooks::action::bucket::{CompareBuckets, Depth, Extent};
use muster_state::call::{Call, CallError, Done, Progress};
use serde_json::json;

use super::{bucket, listing::Shelf};
use crate::{
    compare::{self, Comparison, Stopped, background::Stand, judge::How, tally::Tally},
    world::real::{Real, on},
};

/// How many ranges of keys are read at a time: fewer than by hand, because nobody waits.
const SHARDS: usize = 8;

/// What was written within this time may be on its way: AWS promises a quarter of an hour for nearly
/// all objects (facts §4, RTC).
const ON_THE_WAY: SignedDuration = SignedDuration::from_mins(15);

/// The most differences that a finding names.
const NAMED: usize = 20;

/// Looks how far the comparison of this attempt is; the first look begins it.
pub async fn observe(
    real: &Real,
    call: &Call,
    action: &CompareBuckets,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    let declared = bucket::bucket(call)?;
    let from = on.region(action.from);
    let to = on.across(action.from);
    let (source, target) = (bucket::name(call, declared, from)?, bucket::name(call, declared, to)?);
    let depth = match action.depth {
        Depth::List => compare::Depth::List,
        Depth::Head => compare::Depth::Head,
    };
    let extent = match action.extent.unwrap_or(Extent::Full) {
        Extent::Full => compare::Extent::Full,
        Extent::Incremental => compare::Extent::Incremental,
    };
    let made = || {
        let source = Shelf::new(real.aws.bulk(from), source, None, from);
        let target = Shelf::new(real.aws.bulk(to), target, None, to);
        Comparison::new(source, target, depth, SHARDS).sparing(ON_THE_WAY)
    };
    let name = file_name(on.application.name.as_str(), declared.name.as_str(), action.depth);
    match real.comparisons.look(&name, extent, call.started_at, &real.clock, made) {
        Ok(Stand::Going { tally, last_keys }) => Ok(going(&tally, last_keys)),
        Ok(Stand::Ended { began_at, tally }) if tally.differs() => {
            Ok(Progress::Failed { reason: format!("at {began_at}: {}", differs(&tally)) })
        }
        Ok(Stand::Ended { began_at, tally }) => Ok(Progress::Done(Done::with([
            ("missing", json!(tally.missing)),
            ("extra", json!(tally.extra)),
            ("different", json!(tally.different)),
            ("unknown", json!(tally.unknown)),
            ("pending", json!(tally.pending)),
            ("checked_at", json!(began_at)),
        ]))),
        Err(Stopped::Call(why)) => Err(why),
        Err(Stopped::File(why)) => Err(CallError::NoAnswer {
            service: "muster".to_owned(),
            operation: "compare-buckets",
            source: why.into(),
        }),
    }
}

/// What a comparison of a bucket is called among all of this process.
pub(super) fn file_name(application: &str, bucket: &str, depth: Depth) -> String {
    format!("{application}.{bucket}.{depth}")
}

/// How many keys there are nobody knows; the last comparison is a guess.
fn going(tally: &Tally, last_keys: Option<u64>) -> Progress {
    let found = tally.missing + tally.extra + tally.different;
    let note = format!("{} keys compared, {found} not the same", tally.keys());
    let percent = last_keys.filter(|keys| *keys > 0).map(|keys| {
        let percent = (tally.keys() * 100 / keys).min(99);
        u8::try_from(percent).unwrap_or(99)
    });
    Progress::InProgress { note, percent }
}

fn differs(tally: &Tally) -> String {
    let named = tally.differences.iter().take(NAMED).map(|one| {
        let version = one.version.as_ref().map_or(String::new(), |id| format!(" version {id}"));
        let cause = match one.what {
            How::Replication => ": S3 does not say why in HeadObject; see the failure event",
            How::Missing
            | How::Extra
            | How::Version
            | How::DeleteMarker
            | How::Latest
            | How::Size
            | How::Etag
            | How::Checksum
            | How::Encryption => "",
        };
        format!("`{}`{version} ({}{cause})", one.key, one.what)
    });
    let named: Vec<String> = named.collect();
    let found = tally.missing + tally.extra + tally.different;
    let more = match found.saturating_sub(named.len() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} keys are missing, {} extra, {} different, of {}: {}{more}",
        tally.missing,
        tally.extra,
        tally.different,
        tally.keys(),
        named.join(", ")
    )
}

/// The failed objects of the last comparison by heads, for whoever sees that there are some.
pub(super) fn failed(tally: &Tally) -> Vec<String> {
    let failed = tally.differences.iter().filter(|one| one.what == How::Replication);
    failed
        .take(NAMED)
        .map(|one| format!("`{}` version {}", one.key, one.version.as_deref().unwrap_or("null")))
        .collect()
}
