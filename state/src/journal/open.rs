//! Starting: take the directory, verify the log, bring progress up to it, cut a torn tail, record
//! all that.

use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex, OnceLock, RwLock,
        atomic::AtomicU64,
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

use futures::executor::block_on;

use super::{
    Journal, LogJournal, OpenError, Options,
    chain::{self, End},
    codec::Hash,
    fold::Fold,
    home::Home,
    ledger::Ledger,
    log::Shared,
    recent::{Payload, Recent},
    segment::Segment,
    sled::{Loaded, Rows, Sum},
    tail,
    writer::{Message, Work, Writer, write_turn},
};
use crate::event::{AccessEvent, Batch, Entry};

pub(crate) fn open(dir: &Path, options: Options) -> Result<LogJournal, OpenError> {
    let home = Home::at(dir);
    home.make()?;
    let lock = home.lock()?;
    home.check_format()?;
    let rows = prepare(&home, &options)?;
    let loaded = rows.load()?.ok_or_else(|| OpenError::Progress {
        file: home.progress().display().to_string(),
        because: "it is missing".to_owned(),
    })?;
    let mut segments = Segment::list(&home.log())?;
    let (mut sum, beat) = (loaded.sum, loaded.beat);
    let silent_since = beat.max(loaded.progress.last_at);
    let from = first_verified(&segments, options.verified_bytes, loaded.progress.end);
    chain::check_old(&segments, from)?;
    let mut recent = Recent::default();
    let (mut fold, end) = replay(&home, &mut segments, from, loaded, &mut |fold, payload| {
        recent.push(payload);
        if fold.is_large() { fold.write(&rows, &mut sum) } else { Ok(()) }
    })?;
    let silent_since = silent_since.max(fold.progress.last_at);
    let ended = std::mem::take(&mut fold.ended);
    let cut = tail::cut(&home, options.disk.as_ref(), &segments, &end)?;
    if let (Some(offset), [.., one, next]) = (end.unturned, &segments[..]) {
        let file =
            options.disk.open(&one.path).map_err(|source| OpenError::io(&one.path, source))?;
        write_turn(file.as_ref(), offset, next.first_seq, fold.hash)
            .map_err(|source| OpenError::io(&one.path, source))?;
    }
    let shared = Arc::new(Shared {
        disk: options.disk.clone(),
        durable: AtomicU64::new(fold.progress.end),
        segments: RwLock::new(segments),
        recent: Mutex::new(recent),
        unwritten: Mutex::new(ended),
        beat: Mutex::new(silent_since),
        broken: OnceLock::new(),
        home,
        rows,
        progress: RwLock::new(fold.progress.clone()),
    });
    let (queue, messages) = sync_channel(options.queue);
    let writer = start(shared.clone(), fold, sum, &end, &options, messages)?;
    let journal = LogJournal::new(shared.clone(), queue, writer, lock);
    record(&journal, &options, &cut)?;
    tail::recorded(&shared.home, &cut)?;
    Ok(journal)
}

/// Makes what a new directory lacks, and opens the rows. Only a log without records may lack them:
/// they are the witness that the log did not lose its end.
fn prepare(home: &Home, options: &Options) -> Result<Rows, OpenError> {
    let log = home.log();
    if !home.is_used() {
        home.write_format()?;
    }
    for entry in fs::read_dir(&log).map_err(|source| OpenError::io(&log, source))?.flatten() {
        // A segment that was being made when the process died; it has no name in the log yet.
        if entry.path().extension().is_some_and(|extension| extension == "new") {
            fs::remove_file(entry.path()).map_err(|source| OpenError::io(&entry.path(), source))?;
        }
    }
    let has_progress = home.progress().exists();
    let segments = Segment::list(&log)?;
    if segments.is_empty() && !has_progress {
        let first = Segment::new(&log, 0);
        first
            .create(options.disk.as_ref(), Hash::genesis(), options.segment_bytes)
            .map_err(|source| OpenError::io(&first.path, source))?;
    }
    let is_empty = match &segments[..] {
        [] => true,
        [only] if only.first_seq == 0 => {
            only.load()?.is_blank(super::codec::SEGMENT_HEADER as u64)?
        }
        _ => false,
    };
    if !has_progress && !is_empty {
        let file = home.progress().display().to_string();
        return Err(OpenError::Progress { file, because: "it is missing".to_owned() });
    }
    let rows = Rows::open(&home.progress())?;
    if is_empty && rows.load()?.is_none() {
        Fold::empty()
            .write(&rows, &mut Sum::default())
            .map_err(|trouble| trouble.at(&home.progress()))?;
        rows.sync_names()?;
        options.disk.sync_dir(home.dir()).map_err(|source| OpenError::io(home.dir(), source))?;
    }
    Ok(rows)
}

/// From which segment on everything is verified: the newest of the log, and all that the rows lack.
fn first_verified(segments: &[Segment], bytes: u64, known: u64) -> usize {
    let mut seen = 0;
    let mut first = segments.len();
    while first > 0 && (seen < bytes || segments[first - 1].first_seq > known) {
        first -= 1;
        // The segment with the first record that the rows lack is needed too.
        seen += fs::metadata(&segments[first].path).map_or(0, |metadata| metadata.len());
    }
    let holds_known = segments.partition_point(|segment| segment.first_seq <= known);
    first.min(holds_known.saturating_sub(1))
}

/// Called with each commit that is replayed.
type Replayed<'a> = dyn FnMut(&mut Fold, Payload) -> Result<(), super::sled::Trouble> + 'a;

/// Verifies the log and folds in what the rows lack.
pub(crate) fn replay(
    home: &Home,
    segments: &mut [Segment],
    from: usize,
    loaded: Loaded,
    replayed: &mut Replayed<'_>,
) -> Result<(Fold, End), OpenError> {
    let Loaded { progress, lengths, hash: known_hash, .. } = loaded;
    let known = progress.end;
    let apart = |path: &Path, because: &str| OpenError::Apart {
        file: path.display().to_string(),
        seq: known,
        because: because.to_owned(),
    };
    let mut fold = Fold::from(progress, lengths, known_hash);
    let end = chain::walk(segments, from, known, &mut |placed| {
        if placed.frame.seq < known {
            return Ok(());
        }
        if placed.frame.seq == known && placed.before != known_hash {
            return Err(apart(placed.path, "their chains of hashes differ"));
        }
        if fold.frame(placed)?.is_none() {
            return Ok(());
        }
        let (seq, end) = (placed.frame.seq, placed.frame.end());
        replayed(&mut fold, Payload { seq, end, bytes: placed.payload.into() })
            .map_err(|trouble| trouble.at(&home.progress()))
    })?;
    if end.at.seq < known {
        let because =
            format!("the log ends with record {}, and the progress goes beyond", end.at.seq);
        return Err(apart(&home.log(), &because));
    }
    if end.at.seq == known && end.at.hash != known_hash {
        return Err(apart(&home.log(), "their chains of hashes differ"));
    }
    Ok((fold, end))
}

fn start(
    shared: Arc<Shared>,
    fold: Fold,
    sum: Sum,
    end: &End,
    options: &Options,
    messages: Receiver<Message>,
) -> Result<thread::JoinHandle<()>, OpenError> {
    let log = shared.home.log();
    let file = {
        let segments = shared.segments.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = segments.last().map_or(log.clone(), |segment| segment.path.clone());
        options.disk.open(&path).map_err(|source| OpenError::io(&path, source))?
    };
    let writer = Writer {
        shared,
        sum,
        ledger: Ledger::new(&fold.progress, fold.lengths),
        file,
        offset: end.at.offset,
        hash: fold.hash,
        durable: fold.progress.end,
        segment_bytes: options.segment_bytes,
        dirty: fold.dirty,
        work: Work::default(),
    };
    thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || writer.run(&messages))
        .map_err(|source| OpenError::io(&log, source))
}

/// Records the opening, and what had to be cut for it.
fn record(journal: &LogJournal, options: &Options, cut: &[tail::Cut]) -> Result<(), OpenError> {
    let cuts = cut.iter().map(|cut| {
        Entry::access(AccessEvent::TailCut { file: cut.segment.clone(), bytes: cut.bytes })
    });
    let epoch = journal.progress().epoch + 1;
    let opened = Entry::access(AccessEvent::Opened { epoch, program: options.program.clone() });
    let entries = cuts.chain([opened]).collect();
    let receipt = journal.append(options.at, Batch { entries, ..Batch::default() });
    match block_on(receipt) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(refused)) => Err(OpenError::Unwritable { because: refused.to_string() }),
        Err(_) => Err(OpenError::Unwritable { because: "the writer has stopped".to_owned() }),
    }
}
