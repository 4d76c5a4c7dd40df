//! The canary against a primary and its replica: what it measures is what is.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use muster::{
    canary,
    catalogue::Catalogue,
    clock::Clock,
    serve::Process,
    world::{World, canary::Sample},
};
use muster_runbooks::{
    application::{Application, sql::grant::grant},
    runbook::library::Library,
    value::Loss,
};
use muster_state::{
    call::Progress,
    command::Command,
    event::{ApplicationEvent, Event},
    journal::{Journal as _, MemoryJournal},
};
use muster_tests::{
    daemon::{PATIENCE, pause},
    emulator::{EAST, WEST, calls},
    postgres::{Postgres, Side},
};
use serde_json::json;

use super::{fill, literal, password, postgres, real, shop_with, sql};

/// How long a replica is held back. Long enough to tell it from the canary's own second.
const HELD: SignedDuration = SignedDuration::from_secs(4);

/// What a look itself may take.
const LOOK: SignedDuration = SignedDuration::from_millis(250);

/// A process over the real world, whose application is written at the primary.
struct Stage {
    postgres: Postgres,
    shop: Application,
    world: Arc<World>,
    journal: Arc<MemoryJournal>,
    process: Process,
}

impl Stage {
    async fn set(mut postgres: Postgres) -> Stage {
        fill(&postgres).await;
        postgres.replicate().await;
        let canary = json!({
            "schema": "muster", "every": "1s", "user": "muster_canary", "password_env": "PATH",
        });
        let sql = sql(&postgres.endpoint(Side::Primary), &postgres.endpoint(Side::Replica));
        let shop = shop_with(&postgres, json!({ "canary": canary, "sql": sql }));
        postgres.run(&grant(&shop.databases[0]).expect("a role is named")).await;
        let password = literal(&password());
        postgres.run(&format!("alter role muster_canary password {password}")).await;
        let catalogue = Catalogue {
            library: Library::shipped(),
            applications: BTreeMap::from([(shop.name.clone(), shop.clone())]),
            schedules: Vec::new(),
            runs_in: None,
        };
        let world = Arc::new(World::Real(real(Clock::Real).await));
        let journal = Arc::new(MemoryJournal::new().auto());
        let mut process =
            Process::start(journal.clone(), Arc::clone(&world), Clock::Real, Arc::new(catalogue));
        process.keep(canary::keep(process.intake.clone(), Arc::clone(&world)));
        let stage = Stage { postgres, shop, world, journal, process };
        stage.served_from(EAST).await;
        stage
    }

    /// Somebody sees where the application is written; the AWS of this world is nowhere.
    async fn served_from(&self, region: &str) {
        let (application, region) = (self.shop.name.clone(), region.parse().expect("a region"));
        let seen = Command::Active { application, region, evidence: "a test".to_owned() };
        self.process.intake.command(seen).await.expect("it is taken in");
    }

    fn sample(&self) -> Sample {
        let sample = self.world.canaries().of(&self.shop.name, &self.shop.databases[0].name);
        sample.unwrap_or_else(|| Sample::unknown("none yet"))
    }

    /// Waits for a sample, and shows each to `sees` on the way.
    async fn until(&self, what: &str, mut is: impl FnMut(&Sample, Timestamp) -> bool) -> Sample {
        let until = Clock::Real.now() + PATIENCE;
        loop {
            let (sample, now) = (self.sample(), Clock::Real.now());
            if is(&sample, now) {
                return sample;
            }
            assert!(now < until, "waited in vain: {what}: {sample:?}");
            pause().await;
        }
    }

    /// The longest time between two rows: a second, and what the machine of the test made of it. What a
    /// canary measures is as fine as that, and no finer.
    async fn longest_gap(&self) -> SignedDuration {
        let gap = "select ceil(1000 * max(extract(epoch from gap)))::bigint from (select \
                   written_at - lag(written_at) over (order by sequence) as gap from muster.canary) g";
        let rows = self.postgres.ask(Side::Primary, gap).await.expect("an answer");
        let millis = rows[0][0].as_deref().and_then(|text| text.parse().ok()).expect("a number");
        SignedDuration::from_millis(millis)
    }

    async fn until_well(&self) -> Sample {
        let second = SignedDuration::from_secs(1);
        self.until("the canary is seen", |sample, now| {
            lag(sample, now).is_some_and(|lag| lag < second)
        })
        .await
    }
}

fn span(loss: Loss) -> Option<SignedDuration> {
    match loss {
        Loss::AtMost(span) => Some(span.duration()),
        Loss::Unknown => None,
    }
}

fn lag(sample: &Sample, now: Timestamp) -> Option<SignedDuration> {
    span(sample.lag(now))
}

fn loss(sample: &Sample, now: Timestamp) -> Option<SignedDuration> {
    span(sample.loss(now))
}

/// Goal: the measured lag is right within a second while the replica stands and when it goes on, and
/// the loss is never less than what would be lost.
/// Method: a real replica whose replay is held for four seconds and resumed; every sample on the way is
/// compared with the time since the replay stood.
#[tokio::test]
async fn the_lag_is_what_it_is() {
    let stage = Stage::set(postgres!()).await;
    stage.until_well().await;
    let asked_at = Clock::Real.now();
    stage.postgres.hold_replay().await;
    let held_at = Clock::Real.now();
    let mut samples = Vec::new();
    stage
        .until("it stood for four seconds", |sample, now| {
            let Some(read_at) = sample.read_at.filter(|read_at| *read_at > held_at) else {
                return false;
            };
            let lost = loss(sample, now).expect("it is known");
            assert!(lost >= now.duration_since(held_at), "{lost:#}");
            samples.push((read_at, lag(sample, now).expect("it is known")));
            read_at >= held_at + HELD
        })
        .await;
    let gap = stage.longest_gap().await;
    samples.retain(|(read_at, _)| read_at.duration_since(held_at).as_secs() >= 2);
    samples.dedup();
    assert!(samples.len() > 2, "{samples:?}");
    for (read_at, behind) in samples {
        // Nothing that was committed after `held_at` can be seen, all from before `asked_at` can.
        let (least, most) = (read_at.duration_since(held_at), read_at.duration_since(asked_at));
        assert!(behind >= least, "{behind:#}, and it stands for {least:#}");
        assert!(behind <= most + gap + LOOK, "{behind:#} at most {most:#}, {gap:#} between rows");
    }
    stage.postgres.resume_replay().await;
    let resumed_at = Clock::Real.now();
    let well = stage.until_well().await;
    let took = well.read_at.expect("it was read").duration_since(resumed_at);
    assert!(took < SignedDuration::from_secs(5), "{took:#}");

    // One event names all these writes, and it stands before the first of them.
    let events = stage.journal.read(None, 0, 10_000).expect("in memory");
    let granted: Vec<_> = events
        .iter()
        .filter(|record| {
            matches!(&record.event, Event::Application(ApplicationEvent::CanaryGranted { .. }))
        })
        .collect();
    assert_eq!(granted.len(), 1);
    let rows = stage
        .postgres
        .ask(
            Side::Primary,
            "select min(written_at) > '2020-01-01', count(*) <= 60, max(epoch) from muster.canary",
        )
        .await;
    let seven = ["t", "t", "7"].map(|text| Some(text.to_owned())).to_vec();
    assert_eq!(rows, Ok(vec![seven]));
    let sessions = "select count(*) from pg_stat_activity where usename = 'muster_canary'";
    for side in [Side::Primary, Side::Replica] {
        let open = stage.postgres.ask(side, sessions).await;
        assert_eq!(open, Ok(vec![vec![Some("1".to_owned())]]), "{side:?}");
    }
    stage.process.stop().await;
}

/// Goal: a standby that is gone is unknown, and never zero; a writer that is gone leaves a bound that
/// grows; both are seen again when they are back.
/// Method: the real replica is ended and started again, then the primary.
#[tokio::test]
async fn what_is_gone_is_unknown() {
    let mut stage = Stage::set(postgres!()).await;
    stage.until_well().await;
    stage.postgres.stop(Side::Replica);
    let gone_at = Clock::Real.now();
    let silent = stage
        .until("nothing is known", |sample, now| {
            if let Some(lost) = loss(sample, now) {
                assert!(lost + LOOK >= now.duration_since(gone_at), "{lost:#}");
            }
            sample.lag(now) == Loss::Unknown && sample.loss(now) == Loss::Unknown
        })
        .await;
    assert!(silent.by.contains("us-west-2 cannot be read"), "{}", silent.by);
    stage.postgres.launch(Side::Replica).await;
    stage.until_well().await;

    stage.postgres.stop(Side::Primary);
    let gone_at = Clock::Real.now();
    let bound = stage
        .until("the writer is missed", |sample, now| {
            let lost = loss(sample, now);
            assert!(lost.is_none_or(|lost| lost + LOOK >= now.duration_since(gone_at)));
            sample.lag(now) == Loss::Unknown && lost.is_some()
        })
        .await;
    assert!(bound.by.contains("us-east-1 cannot be written"), "{}", bound.by);
    stage.postgres.launch(Side::Primary).await;
    stage.until_well().await;

    // The prediction of a failover is the canary's, although the metrics of AWS are nowhere.
    let call = calls::call_at(
        Clock::Real.now(),
        &stage.shop,
        "check-replication",
        json!({ "lag_max": "1m" }),
    );
    assert!(stage.world.observe(&call).await.is_err(), "this world has no AWS");
    stage.process.stop().await;
}

/// Goal: the canary follows the application: after a failover it is written at the other side, under an
/// event of its own, and what the old side showed is forgotten.
/// Method: the roles are turned around while the replica is still one; then it is promoted.
#[tokio::test]
async fn the_canary_follows_the_writer() {
    let stage = Stage::set(postgres!()).await;
    stage.until_well().await;
    stage.served_from(WEST).await;
    let refused = stage
        .until("the replica refuses to be written", |sample, now| {
            sample.from.as_ref().is_some_and(|from| from.as_str() == WEST)
                && sample.by.contains("cannot be written")
                && sample.lag(now) == Loss::Unknown
        })
        .await;
    assert!(refused.by.contains("25006"), "{}", refused.by);
    let promoted = stage.postgres.ask(Side::Replica, "select pg_promote()").await;
    assert_eq!(promoted, Ok(vec![vec![Some("t".to_owned())]]));
    let newest = "select to_char(max(sequence), '000000000') from muster.canary";
    let before = stage.postgres.ask(Side::Primary, newest).await.expect("an answer");
    let until = Clock::Real.now() + PATIENCE;
    while stage.postgres.ask(Side::Replica, newest).await.as_ref() <= Ok(&before) {
        assert!(
            Clock::Real.now() < until,
            "nothing is written at the new side: {:?}",
            stage.sample()
        );
        pause().await;
    }
    let now = Clock::Real.now();
    let sample = stage.sample();
    // The old primary does not follow the new one: its newest row is from before.
    assert!(lag(&sample, now).is_none_or(|lag| lag > SignedDuration::ZERO), "{sample:?}");
    let grants =
        stage.journal.read(None, 0, 10_000).expect("in memory").into_iter().filter_map(|record| {
            let Event::Application(ApplicationEvent::CanaryGranted { region, .. }) = record.event
            else {
                return None;
            };
            Some(region.to_string())
        });
    assert_eq!(grants.collect::<Vec<_>>(), [EAST, WEST]);
    stage.process.stop().await;
}

/// Goal: nothing is written while Muster is switched off.
#[tokio::test]
async fn off_means_off() {
    let stage = Stage::set(postgres!()).await;
    stage.until_well().await;
    let by = muster_state::command::Person {
        name: "adm".to_owned(),
        role: muster_runbooks::action::control::PersonRole::Admin,
    };
    let off = Command::Off { by: by.clone(), reason: "a test".to_owned() };
    stage.process.intake.command(off).await.expect("it is off");
    stage.until("it says so", |sample, _| sample.by.contains("switched off")).await;
    let newest = "select to_char(max(sequence), '000000000') from muster.canary";
    let before = stage.postgres.ask(Side::Primary, newest).await;
    let since = Clock::Real.now();
    stage.until("two beats pass", |_, now| now.duration_since(since).as_secs() >= 2).await;
    assert_eq!(stage.postgres.ask(Side::Primary, newest).await, before);
    stage
        .process
        .intake
        .command(Command::On { by, reason: "a test".to_owned() })
        .await
        .expect("on");
    stage.until_well().await;
    assert!(stage.postgres.ask(Side::Primary, newest).await > before);
    stage.process.stop().await;
}

/// Goal: a prediction is the canary's while it is fresh, and the loss is then at least what is missing.
/// Method: the emulated AWS says a minute of lag; the canary of a real replica says less.
#[tokio::test]
async fn a_prediction_takes_what_was_measured() {
    let Some(mut world) = muster_tests::emulator::Emulator::start() else { return };
    world.global_pair().await;
    world.lag(WEST, "orders-west", json!(30_000)).await;
    world.pass(60);
    let postgres = postgres!();
    let shop = shop_with(&postgres, json!({ "canary": { "schema": "muster" } }));
    let real = world.real(Vec::new()).await;
    let ask = async |action: &str, with: serde_json::Value| {
        let call = calls::call(&world, &shop, action, with);
        let progress = real.observe(&call).await.expect("an answer").progress;
        let Progress::Done(done) = progress else { panic!("{progress}") };
        done
    };
    let by_metric = ask("predict-loss", json!({})).await;
    assert_eq!(by_metric.outputs["data_loss"], json!("1m 30s"), "{by_metric:?}");
    let checked = ask("check-replication", json!({ "lag_max": "5m" })).await;
    assert_eq!(checked.outputs["canary_lag"], json!("unknown"));
    assert!(checked.notes[0].contains("canary: it has not been read yet"), "{:?}", checked.notes);

    let (east, west) = (EAST.parse().expect("a region"), WEST.parse().expect("a region"));
    let mut track = muster::world::canary::Track::new(east, west);
    let sent_at = world.now() - SignedDuration::from_secs(7);
    track.promise(1, 7, sent_at);
    track.wrote();
    let row = muster::world::sql::canary::Row { sequence: 1, epoch: 7, age: SignedDuration::ZERO };
    track.saw(Some(row), world.now());
    real.canaries().put(&shop.name, &shop.databases[0].name, track.sample());
    let measured = ask("predict-loss", json!({})).await;
    assert_eq!(measured.outputs["data_loss"], json!("7s"), "{measured:?}");
    assert!(measured.outputs["predicted_by"].as_str().is_some_and(|by| by.starts_with("canary: ")));
    let checked = ask("check-replication", json!({ "lag_max": "5m" })).await;
    assert_eq!(checked.outputs["lag"], json!("1m 30s"));
    assert_eq!(checked.outputs["canary_lag"], json!("7s"));
    assert!(checked.notes.is_empty());
}
