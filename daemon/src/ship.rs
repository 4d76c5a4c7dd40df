//! Ships the log: what is durable here lies in a bucket a few seconds later, so that it outlives this
//! host.
//!
//! Nothing waits for it. Where a process left off, the bucket says; that it holds this journal and no
//! other is checked by the chain.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use muster_state::{
    call::in_one_line,
    catalog::Finding,
    command::Command,
    journal::Part,
    lease::{Lease, Mark},
};
use tracing::{info, warn};

use crate::{
    config::Config,
    intake::Intake,
    world::{
        World,
        aws::ship::{Kind, Put, Shelf},
    },
};

/// How often it is looked for what is new: with a put that takes its time, 5 s behind at most.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(2);

/// How soon it is tried again after no answer.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// About so many bytes are one part.
const PART_BYTES: usize = 1 << 20;

/// About so many bytes are one segment, which stands for its parts.
const SEGMENT_BYTES: usize = 8 << 20;

/// So many parts are worth a segment, however small they are.
const PARTS_MAX: usize = 500;

/// Further behind is a finding.
const BEHIND_MAX: SignedDuration = SignedDuration::from_secs(60);

/// The finding of every application while the log is behind.
pub const NOT_SHIPPED: &str = "log-not-shipped";

/// How far the log has been shipped. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shipping(Arc<Mutex<Option<Shipped>>>);

/// How far it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shipped {
    /// The number behind the last record that lies in the bucket.
    pub end: u64,
    /// Since when something durable does not.
    pub behind_since: Option<Timestamp>,
}

impl Shipping {
    /// How far it is; nothing where nothing is shipped, or nobody has looked yet.
    pub fn last(&self) -> Option<Shipped> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, shipped: Shipped) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(shipped);
    }
}

/// Works until the future is dropped. Where nothing is to be shipped it ends at once.
pub async fn keep(intake: Intake, world: Arc<World>, config: Config) {
    let (Some(at), World::Real(real)) = (&config.ship, &*world) else { return };
    let mut hold = Hold { intake: &intake, shelf: real.shelf(at), cursor: None };
    let mut troubled_since = None;
    loop {
        let now = intake.clock().now();
        let pause = match hold.go_on().await {
            Ok(()) => {
                troubled_since = None;
                hold.judge(None).await;
                LOOK_EVERY
            }
            Err(why) => {
                warn!(why, "the log is not shipped");
                let since = *troubled_since.get_or_insert(now);
                let is_late = now.duration_since(since) > BEHIND_MAX;
                hold.judge(Some(&why).filter(|_| is_late).map(String::as_str)).await;
                AGAIN_AFTER
            }
        };
        intake.clock().sleep(pause).await;
    }
}

/// Where it goes on.
struct Cursor {
    end: u64,
    segmented: u64,
    parts: usize,
    bytes: usize,
}

/// What goes into the bucket.
struct Hold<'a> {
    intake: &'a Intake,
    shelf: Shelf,
    /// Unknown at the start and after a put without an answer: then the bucket is asked.
    cursor: Option<Cursor>,
}

impl Hold<'_> {
    /// Ships everything that is durable now. What another process writes is that one's to ship.
    async fn go_on(&mut self) -> Result<(), String> {
        while let Lease::NotConfigured | Lease::Held { .. } = self.intake.lease() {
            let mut cursor = match self.cursor.take() {
                Some(cursor) => cursor,
                None => self.resume().await?,
            };
            let part = self.part(cursor.end, PART_BYTES)?;
            let behind_since = part.as_ref().map(|part| part.since);
            self.intake.shipping().say(Shipped { end: cursor.end, behind_since });
            let Some(part) = part else {
                self.cursor = Some(cursor);
                break;
            };
            (cursor.parts, cursor.bytes) = (cursor.parts + 1, cursor.bytes + part.lines.len());
            let (first, end) = (part.first, part.end);
            cursor.end = match self.put(Kind::Part, first, part.lines).await? {
                Put::Written => end,
                Put::There => self.meets(first).await?,
            };
            self.compact(&mut cursor).await?;
            self.cursor = Some(cursor);
        }
        Ok(())
    }

    /// Where the bucket says that it left off.
    async fn resume(&self) -> Result<Cursor, String> {
        let all = self.shelf.list().await.map_err(|why| in_one_line(&why))?;
        let mut cursor = Cursor { end: 0, segmented: 0, parts: 0, bytes: 0 };
        for kind in [Kind::Segment, Kind::Part] {
            let Some(last) = all.iter().rfind(|one| one.kind == kind) else { continue };
            let lines = self.shelf.get(last).await.map_err(|why| in_one_line(&why))?;
            cursor.end = cursor.end.max(self.fits(&lines)?);
            if kind == Kind::Segment {
                cursor.segmented = cursor.end;
            }
        }
        let parts = all.iter().filter(|one| one.kind == Kind::Part);
        let segmented = cursor.segmented;
        cursor.parts = parts.filter(|one| one.first >= segmented).count();
        info!(end = cursor.end, parts = cursor.parts, "the log is shipped from there on");
        Ok(cursor)
    }

    /// The end of a part that is there already, which must be this journal's.
    async fn meets(&self, first: u64) -> Result<u64, String> {
        let there = self.shelf.object(Kind::Part, first);
        self.fits(&self.shelf.get(&there).await.map_err(|why| in_one_line(&why))?)
    }

    fn fits(&self, lines: &[u8]) -> Result<u64, String> {
        let Some(Mark { sequence, hash }) = Part::mark(lines) else {
            return Err("what lies in the bucket is no part of a log".to_owned());
        };
        match self.intake.journal().link(sequence) {
            Ok(Some(link)) if link.to_string() == hash => Ok(sequence),
            Ok(_) => Err(format!("the bucket holds another journal, up to record {sequence}")),
            Err(why) => Err(in_one_line(&why)),
        }
    }

    fn part(&self, from: u64, bytes_max: usize) -> Result<Option<Part>, String> {
        self.intake.journal().part(from, bytes_max).map_err(|why| in_one_line(&why))
    }

    async fn put(&self, kind: Kind, first: u64, lines: Vec<u8>) -> Result<Put, String> {
        self.shelf.put(kind, first, lines).await.map_err(|why| in_one_line(&why))
    }

    /// Puts what many parts hold into one object. The parts themselves go by a lifecycle rule.
    async fn compact(&self, cursor: &mut Cursor) -> Result<(), String> {
        if cursor.parts < PARTS_MAX && cursor.bytes < SEGMENT_BYTES {
            return Ok(());
        }
        let Some(segment) = self.part(cursor.segmented, SEGMENT_BYTES)? else { return Ok(()) };
        let (first, end) = (segment.first, segment.end);
        self.put(Kind::Segment, first, segment.lines).await?;
        *cursor = Cursor { end: cursor.end.max(end), segmented: end, parts: 0, bytes: 0 };
        Ok(())
    }

    /// Opens the finding when it has been behind for too long, and closes it when it is not: also the one of
    /// a process before this.
    async fn judge(&self, trouble: Option<&str>) {
        for name in self.intake.applications().keys() {
            let stands = self.intake.known(|known| known.has_finding(name, NOT_SHIPPED));
            let finding = match (trouble, stands) {
                (None, false) | (Some(_), true) => continue,
                (None, true) => Err(NOT_SHIPPED.to_owned()),
                (Some(why), false) => Ok(Finding {
                    id: NOT_SHIPPED.to_owned(),
                    message: format!("the log of Muster is not shipped: {why}"),
                    hint: "what is not shipped is lost with this host: look at the bucket"
                        .to_owned(),
                }),
            };
            let command = Command::Finding { application: name.clone(), finding };
            if let Err(why) = self.intake.command(command).await {
                return warn!(%why, "a finding about the shipped log is not written down");
            }
        }
    }
}
