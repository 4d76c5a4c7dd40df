//! `muster compare-buckets`: whether two buckets hold the same, without a daemon.

use std::path::{Path, PathBuf};

use clap::Args;
use muster_runbooks::name::Region;
use muster_state::call::CallError;
use serde::Serialize;

use super::{Exit, Failure, Terminal};
use crate::{
    clock::Clock,
    compare::{
        Comparison, Depth, Extent, Stopped,
        checkpoint::Checkpoint,
        tally::{Difference, Tally},
    },
    offline::chain,
    world::{
        aws::{
            Access, Aws,
            listing::{Shelf, region_of},
        },
        rates::Rates,
    },
};

/// The most differences that are shown to people; programs get more.
const SHOWN: usize = 50;

/// Arguments of `compare-buckets`.
#[derive(Clone, Debug, Args)]
pub struct Compare {
    /// The bucket that is right.
    pub source: String,
    /// The bucket that is to be the same.
    pub target: String,
    /// Compare only the keys that begin so.
    #[arg(long)]
    pub prefix: Option<String>,
    /// `list` reads the lists; `head` also asks for every version's checksums, replication status and
    /// encryption.
    #[arg(long, value_enum, default_value_t = Depth::List)]
    pub depth: Depth,
    /// Where S3 is, if not at AWS.
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The source's region; asked of S3 if not given.
    #[arg(long, value_name = "REGION")]
    pub source_region: Option<Region>,
    /// The target's region; asked of S3 if not given.
    #[arg(long, value_name = "REGION")]
    pub target_region: Option<Region>,
    /// How many ranges of keys are read at a time.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub shards: u16,
    /// Write down how far it is, and go on from there if it is written already. At the end it keeps
    /// what was found, for `--incremental`.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// With `--depth head`: ask only for the heads of versions that were written since a day before
    /// the last complete comparison in the checkpoint began, and of keys that differed then. That
    /// saves HEADs, counted as `unchanged`; the lists are always read and compared in full, because
    /// S3 has no index of changes. All heads are asked for if the last comparison left anything
    /// unknown or found more than it can name.
    #[arg(long, requires = "checkpoint")]
    pub incremental: bool,
}

/// What programs read.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    source: &'a str,
    target: &'a str,
    depth: Depth,
    keys: u64,
    same: u64,
    missing: u64,
    extra: u64,
    different: u64,
    unknown: u64,
    unchanged: u64,
    pages: u64,
    heads: u64,
    differences: &'a [Difference],
}

/// Compares, and says no when anything is not the same.
pub(super) async fn compare(args: &Compare, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let access = match &args.endpoint_url {
        Some(url) => Access::At { endpoint: url.clone() },
        None => Access::Environment,
    };
    let aws = Aws::load(&access, Rates::default(), Clock::Real).await;
    let (source, target) = futures::try_join!(
        shelf(&aws, &args.source, args.source_region.as_ref(), args),
        shelf(&aws, &args.target, args.target_region.as_ref(), args),
    )?;
    let comparison = Comparison::new(source, target, args.depth, args.shards.into());
    let file = args.checkpoint.as_deref();
    let unwritable = |why: std::io::Error| {
        Failure::bad_use(format!("`{}`: {why}", file.unwrap_or(Path::new("")).display()))
    };
    let before = file.map_or(Ok(None), Checkpoint::read).map_err(unwritable)?;
    if let Some(before) = before.as_ref().filter(|before| !before.left.is_empty()) {
        terminal.aside(format!("goes on after {} keys", before.tally.keys()));
    }
    let extent = if args.incremental { Extent::Incremental } else { Extent::Full };
    let comparison = comparison.from(before, extent, Clock::Real.now()).map_err(|other| {
        let file = file.unwrap_or(Path::new("")).display();
        Failure::bad_use(format!("`{file}` is of another comparison: {other}"))
    })?;
    let followed = comparison.follow(&Clock::Real, file, |tally| {
        let found = tally.missing + tally.extra + tally.different;
        terminal.aside(format!("{} keys compared, {found} not the same", tally.keys()));
    });
    let tally = match followed.await {
        Ok(tally) => tally,
        Err(Stopped::Call(why)) => return Err(failed(&why)),
        Err(Stopped::File(why)) => return Err(unwritable(why)),
    };
    say(args, &tally, terminal);
    Ok(if tally.differs() { Exit::No } else { Exit::Done })
}

async fn shelf(
    aws: &Aws,
    bucket: &str,
    region: Option<&Region>,
    args: &Compare,
) -> Result<Shelf, Failure> {
    let region = match region {
        Some(region) => region.clone(),
        None => region_of(aws, bucket).await.ok_or_else(|| Failure::BadUse {
            because: format!("nobody says where bucket `{bucket}` is"),
            hint: Some("give its region, or set AWS_REGION".to_owned()),
        })?,
    };
    Ok(Shelf::new(aws.bulk(&region), bucket, args.prefix.as_deref(), &region))
}

/// Differing is an answer; not having been able to look is none.
fn failed(why: &CallError) -> Failure {
    match why {
        CallError::NoAnswer { service, .. } => {
            Failure::Unreachable { server: service.clone(), because: chain(why) }
        }
        CallError::Refused { .. } | CallError::Credentials { .. } => Failure::bad_use(chain(why)),
    }
}

fn say(args: &Compare, tally: &Tally, terminal: &mut Terminal) {
    terminal.json(&Summary {
        source: &args.source,
        target: &args.target,
        depth: args.depth,
        keys: tally.keys(),
        same: tally.same,
        missing: tally.missing,
        extra: tally.extra,
        different: tally.different,
        unknown: tally.unknown,
        unchanged: tally.unchanged,
        pages: tally.pages,
        heads: tally.heads,
        differences: &tally.differences,
    });
    let rows = tally.differences.iter().take(SHOWN);
    let rows: Vec<Vec<String>> =
        rows.map(|one| vec![one.key.clone(), one.what.to_string()]).collect();
    if !rows.is_empty() {
        terminal.table(&["KEY", "WHAT"], rows);
    }
    let found = tally.missing + tally.extra + tally.different;
    if found > SHOWN as u64 {
        terminal
            .line(format!("and {} more; --output json names up to 1,000", found - SHOWN as u64));
    }
    terminal.line(format!(
        "{} keys: {} the same, {} missing, {} extra, {} different, {} unknown{}",
        tally.keys(),
        tally.same,
        tally.missing,
        tally.extra,
        tally.different,
        tally.unknown,
        match tally.unchanged {
            0 => String::new(),
            unchanged => format!(", {unchanged} not asked for their heads again"),
        }
    ));
    if tally.unknown > 0 {
        terminal.line(
            "unknown: the lists agree, and entity tags say nothing about the content; compare with \
             --depth head",
        );
    }
}
