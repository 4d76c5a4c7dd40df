//! Writes the canaries that are declared and looks for them at the standby, so that lag is measured.
//!
//! One loop per database, with at most one connection per side. What it writes falls under one event,
//! which is durable before the first row of this process goes to a region (design §3.1).

mod silence;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::{Application, Database, sql::Canary},
    name::Region,
};
use muster_state::{
    call::{CallError, in_one_line},
    command::Command,
};

use self::silence::Silence;
use crate::{
    clock::Clock,
    intake::Intake,
    world::{
        World,
        canary::{Sample, Track},
        real::Real,
        sql::{Purpose, Session, canary},
    },
};

/// How often the standby is asked while a row has not arrived.
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(250);

/// A row that is not there by then is late; until then the last sample stands.
const LOOKS_BEFORE_LATE: i64 = 3;

/// The longest pause before a side that fails is connected to again.
const PAUSE_MAX: SignedDuration = SignedDuration::from_secs(30);

/// Works until the future is dropped. The simulated world has no rows to write.
pub async fn keep(intake: Intake, world: Arc<World>) {
    let World::Real(real) = &*world else { return };
    let applications = intake.applications().values();
    let declared = applications.flat_map(|application| {
        let databases = application.databases.iter();
        databases
            .filter_map(move |database| Some((application, database, database.canary.as_ref()?)))
    });
    let loops = declared.map(async |(application, database, canary)| {
        let bird = Bird { intake: &intake, real, application, database, canary };
        bird.live().await;
    });
    futures::future::join_all(loops).await;
}

/// The canary of one database.
struct Bird<'a> {
    intake: &'a Intake,
    real: &'a Real,
    application: &'a Application,
    database: &'a Database,
    canary: &'a Canary,
}

/// Where it is now: one writer, one standby.
struct Perch {
    from: Region,
    to: Region,
    track: Track,
    writer: Line,
    reader: Line,
    /// The event that allows the writes here is durable.
    granted: bool,
}

impl Perch {
    fn new(from: Region, to: Region) -> Perch {
        let track = Track::new(from.clone(), to.clone());
        let (writer, reader) = (Line::default(), Line::default());
        Perch { from, to, track, writer, reader, granted: false }
    }
}

/// The way to one side.
#[derive(Default)]
struct Line {
    session: Option<Session>,
    /// How often it failed in a row, and when it is tried again.
    failures: u32,
    again_at: Option<Timestamp>,
    why: String,
    /// Whether nobody answered there the last time.
    is_silent: bool,
}

impl Bird<'_> {
    async fn live(&self) {
        let clock = self.intake.clock();
        let (mut silence, mut perch) = (Silence::default(), None);
        loop {
            let next = clock.now() + self.canary.every.duration();
            match self.sides() {
                Ok((from, to)) => {
                    let here = |perch: &Perch| perch.track.is_between(&from, &to);
                    let kept = perch.take().filter(here);
                    self.beat(perch.insert(kept.unwrap_or_else(|| Perch::new(from, to)))).await;
                }
                Err(why) => {
                    perch = None;
                    self.show(Sample::unknown(why));
                }
            }
            let (application, database) = (self.application, &self.database.name);
            if let Some(sample) = self.real.canaries().of(&application.name, database) {
                silence.hear(self.intake, application, database, &sample).await;
            }
            clock.sleep_until(next).await;
        }
    }

    /// Where it is to be written and looked for, or why nowhere.
    fn sides(&self) -> Result<(Region, Region), String> {
        let (off, active) = self.intake.known(|known| {
            let state = known.applications.get(&self.application.name);
            let active = state.and_then(|state| state.active.as_ref());
            (known.off.is_some(), active.map(|active| active.region.clone()))
        });
        if off {
            return Err("Muster is switched off".to_owned());
        }
        if let Some(why) = self.intake.lease().forbids(self.intake.clock().now()) {
            return Err(why.to_string());
        }
        let from = active.ok_or("nobody has seen yet where the application is written")?;
        let to = self.application.other(&from).cloned();
        to.map(|to| (from, to)).ok_or_else(|| "it is written in a third region".to_owned())
    }

    /// Writes one row and waits for it at the standby, until the next one is due.
    async fn beat(&self, perch: &mut Perch) {
        match self.grant(perch).await {
            Ok(()) => {
                self.write(perch).await;
                perch.track.writer_is(perch.writer.is_silent, self.intake.clock().now());
            }
            Err(why) => perch.track.write_missed(why),
        }
        let looks = self.canary.every.duration().as_millis() / LOOK_EVERY.as_millis();
        let looks = i64::try_from(looks).unwrap_or(i64::MAX).max(1);
        for look in 1..=looks {
            let is_read = self.look(perch).await;
            let has_arrived = perch.track.has_caught_up();
            if !is_read || has_arrived || look >= LOOKS_BEFORE_LATE.min(looks) {
                self.show(perch.track.sample());
            }
            if !is_read || has_arrived || look == looks {
                break;
            }
            // How long a row takes is a matter of the machine's time, whatever the process's clock.
            Clock::Real.sleep(LOOK_EVERY).await;
        }
    }

    /// Has the event that allows the writes written down, once for each process and region.
    async fn grant(&self, perch: &mut Perch) -> Result<(), String> {
        if !perch.granted {
            let granted = Command::Canary {
                application: self.application.name.clone(),
                database: self.database.name.clone(),
                region: perch.from.clone(),
                schema: self.canary.schema.clone(),
            };
            self.intake.command(granted).await.map_err(|why| in_one_line(&why))?;
            perch.granted = true;
        }
        Ok(())
    }

    async fn write(&self, perch: &mut Perch) {
        let clock = self.intake.clock();
        let epoch = self.real.epoch();
        let Perch { from, track, writer, .. } = perch;
        let is_new = writer.session.is_none();
        if !self.connect(writer, from, Purpose::Write).await {
            return track.write_missed(&writer.why);
        }
        let Some(session) = writer.session.as_mut() else { return };
        if is_new {
            let asked_at = clock.now();
            match canary::all(session, self.canary).await {
                Ok(rows) => track.remember(&rows, asked_at),
                Err(why) => {
                    let why = why.at(session.service().to_owned(), READ);
                    writer.failed(why, clock.now());
                    return track.write_missed(&writer.why);
                }
            }
        }
        let sequence = track.next();
        track.promise(sequence, epoch, clock.now());
        match canary::write(session, self.canary, sequence, epoch).await {
            Ok(true) => {
                writer.failures = 0;
                writer.is_silent = false;
                track.wrote();
            }
            Ok(false) => track.write_missed("a later process of Muster writes there"),
            Err(why) => {
                let why = why.at(session.service().to_owned(), WRITE);
                writer.failed(why, clock.now());
                track.write_missed(&writer.why);
            }
        }
    }

    /// Looks at the standby once. `false`: it did not answer.
    async fn look(&self, perch: &mut Perch) -> bool {
        let clock = self.intake.clock();
        let Perch { to, track, reader, .. } = perch;
        if !self.connect(reader, to, Purpose::Read).await {
            track.read_missed(&reader.why);
            return false;
        }
        let Some(session) = reader.session.as_mut() else { return false };
        match canary::newest(session, self.canary).await {
            Ok(row) => {
                reader.failures = 0;
                // After the answer: what was read may be older, and never younger.
                track.saw(row, clock.now());
                true
            }
            Err(why) => {
                let why = why.at(session.service().to_owned(), READ);
                reader.failed(why, clock.now());
                track.read_missed(&reader.why);
                false
            }
        }
    }

    /// Whether there is a connection. One that failed rests for a while.
    async fn connect(&self, line: &mut Line, region: &Region, purpose: Purpose) -> bool {
        let clock = self.intake.clock();
        if line.session.is_some() {
            return true;
        }
        if line.again_at.is_some_and(|at| clock.now() < at) {
            return false;
        }
        match canary::session(self.real, self.database, region, purpose).await {
            Ok(session) => line.session = Some(session),
            Err(why) => line.failed(why, clock.now()),
        }
        line.session.is_some()
    }

    fn show(&self, sample: Sample) {
        self.real.canaries().put(&self.application.name, &self.database.name, sample);
    }
}

const READ: &str = "read the canary";
const WRITE: &str = "write the canary";

impl Line {
    fn failed(&mut self, why: CallError, now: Timestamp) {
        self.session = None;
        // Twice as long each time: 1, 2, 4 … seconds.
        let pause = SignedDuration::from_secs(1_i64 << self.failures.min(5));
        self.failures = self.failures.saturating_add(1);
        self.again_at = Some(now + pause.min(PAUSE_MAX));
        self.is_silent = matches!(why, CallError::NoAnswer { .. });
        self.why = in_one_line(&why);
    }
}
