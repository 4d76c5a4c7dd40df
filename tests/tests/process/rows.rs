//! Real rows through a failover: what the product says was lost, against what was.
//!
//! A real PostgreSQL stands behind the emulated global cluster in each region. A client finds the database
//! by the application's name and writes numbered rows through the whole test; every row that was
//! acknowledged is looked for on the side that writes in the end. All instants are of the world's clock.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use muster::clock::Clock;
use muster_runbooks::{
    application::{Traffic, write_lease::Holder},
    value::Loss,
};
use muster_tests::{
    emulator::{EAST, WEST},
    postgres::{
        Side,
        pair::{Pair, other, server},
    },
    rows::{Client, Finds, Lease, Row, TABLE, Writing},
    stage::{Stage, brief},
};
use serde_json::{Value, json};

use super::{failover, sql::declare, step};

/// Where the application's write lease is kept: in neither of its regions.
const THIRD: &str = "eu-central-1";
const LOCK: &str = "locks/writer";
const LENGTH: SignedDuration = SignedDuration::from_secs(30);

/// Takes the inventory and nothing else, as somebody does who prepares the way home.
const LOOKS_BEHIND: &str = "name: look-behind
title: Look for what home took and never sent
steps:
  - id: inventory
    title: Compare the sides
    each: databases
    do: inventory-divergence
    with: { at: standby }
    limit: 5m
";

/// The first number of the client that goes on at the old side.
const STRAGGLERS: i64 = 1_000_000;

/// The application with its servers and its users.
struct Scene {
    stage: Stage,
    pair: Pair,
    traffic: Traffic,
    holds_lease: bool,
    /// Who finds the database by the application's name.
    users: Writing,
}

impl Scene {
    /// Everything runs, rows are written in the east, and the canary is seen in the west.
    async fn set(holds_lease: bool) -> Option<Scene> {
        let mut stage = Stage::with("[]", LOOKS_BEHIND).await?;
        let pair = Pair::start().await?;
        stage.tick_secs = 1;
        if holds_lease {
            stage.world.bucket(THIRD, "locks").await;
            let held = json!({
                "holder": EAST, "epoch": 7, "from": stage.world.now(), "by": "shop",
            });
            stage.world.put_text(THIRD, LOCK, held.to_string()).await;
        }
        let mut declared = Value::Null;
        pair.postgres.run(TABLE).await;
        declare(&mut stage, &pair.postgres, |shop| {
            let doors = json!({
                EAST: pair.door(EAST).endpoint(), WEST: pair.door(WEST).endpoint(),
            });
            shop["databases"][0]["sql"]["endpoints"] = doors;
            let tables = json!([{ "table": "ledger", "key": "number", "written_at": "at" }]);
            shop["databases"][0]["divergence"] = json!({ "tables": tables });
            if holds_lease {
                shop["write_lease"] = json!({
                    "region": THIRD, "bucket": "locks", "key": "writer", "length": "30s", "skew": "5s",
                });
            }
            declared = shop.clone();
        })
        .await;
        pair.postgres.run("grant select on ledger to reader").await;
        let traffic: Traffic = serde_json::from_value(declared["traffic"].clone()).unwrap();
        let users = Client {
            first: 1,
            finds: Finds::ByName(Box::new(traffic.clone())),
            ports: [pair.door(EAST).port(), pair.door(WEST).port()],
            clock: Clock::File(stage.world.clock_file()),
            lease: lease(&stage, holds_lease),
        };
        let users = users.start();
        let mut scene = Scene { stage, pair, traffic, holds_lease, users };
        scene.until_written(EAST).await;
        scene.until("the canary is seen", async |stage, _| canary(stage).await.is_some()).await;
        Some(scene)
    }

    /// A client inside the east that has connected long ago, and goes on whatever the name says.
    fn straggler(&self) -> Writing {
        let postgres = &self.pair.postgres;
        let client = Client {
            first: STRAGGLERS,
            finds: Finds::Always(EAST),
            ports: [postgres.port(Side::Primary), postgres.port(Side::Replica)],
            clock: Clock::File(self.stage.world.clock_file()),
            lease: lease(&self.stage, self.holds_lease),
        };
        client.start()
    }

    /// Lets time pass until something is true, while the servers follow what AWS says.
    async fn until(&mut self, what: &str, mut is: impl AsyncFnMut(&mut Stage, &Pair) -> bool) {
        let pair = &mut self.pair;
        self.stage
            .until(what, async |stage| {
                pair.follow(&stage.world).await;
                is(stage, pair).await
            })
            .await;
    }

    /// Lets time pass until the users have written twenty more rows at a side.
    async fn until_written(&mut self, region: &str) {
        let pair = &mut self.pair;
        let (users, before) = (&self.users, self.users.rows_of(region).len());
        self.stage
            .until("rows are written", async |stage| {
                pair.follow(&stage.world).await;
                users.rows_of(region).len() >= before + 20
            })
            .await;
    }

    /// Carries a run to its end. Approvers agree, and whoever is asked to look says that it is well.
    async fn carry(&mut self, run: &str) -> Value {
        self.until("the run ends", async |stage, _| {
            let Some(view) = stage.daemon.run(run).await else { return false };
            for who in ["ben", "dan"] {
                stage.daemon.approve(who, run).await;
            }
            let gates = view["steps"].as_array().into_iter().flatten();
            for gate in gates.filter(|step| step["action"] == "gate" && step["state"] == "running")
            {
                let path = format!("/v1/runs/{run}/steps/{}/done", gate["id"].as_str().unwrap());
                let body = json!({ "reason": "looked", "outputs": {} });
                stage.daemon.post("ana", &path, body).await;
            }
            view["open"] == false
        })
        .await;
        let view = self.stage.view(run).await;
        assert_eq!(view["status"], "succeeded", "{}", brief(&view));
        view
    }

    /// The east is lost: AWS there is silent, and so is the database to everybody outside.
    async fn lose_the_east(&mut self) {
        self.stage.world.fault("silence", json!({ "region": EAST, "how": "hang" })).await;
        self.stage.observers.set(503);
        self.pair.door(EAST).shut();
        // What is sent no more has no lag that anybody could measure.
        self.stage.world.lag(WEST, "orders-west", Value::Null).await;
    }

    /// The numbers that a side holds.
    async fn held(&self, region: &str) -> BTreeSet<i64> {
        let rows = self.pair.postgres.ask(server(region), "select number from ledger").await;
        let rows = rows.unwrap_or_else(|why| panic!("{region} cannot be read: {why}"));
        rows.iter().map(|row| row[0].as_deref().unwrap().parse().unwrap()).collect()
    }

    /// The acknowledged rows that a side does not hold.
    async fn missing(&self, rows: &[Row], region: &str) -> Vec<Row> {
        let held = self.held(region).await;
        rows.iter().filter(|row| !held.contains(&row.number)).copied().collect()
    }
}

fn lease(stage: &Stage, holds: bool) -> Option<Lease> {
    holds.then(|| Lease::at(&stage.world, THIRD, LOCK, LENGTH))
}

/// What the canary shows of the lag, if it shows anything.
async fn canary(stage: &Stage) -> Option<u64> {
    let (_, view) = stage.daemon.get("/v1/applications/shop").await?;
    view["canaries"][0]["lag"]["secs"].as_u64()
}

/// The bound on a loss that a view gives.
fn bound(loss: &Value) -> SignedDuration {
    match loss["text"].as_str().and_then(|text| text.parse().ok()) {
        Some(Loss::AtMost(span)) => span.duration(),
        Some(Loss::Unknown) | None => panic!("no bound: {loss:#}"),
    }
}

/// From the first row that was left behind to the last.
fn span(rows: &[Row]) -> SignedDuration {
    let first = rows.iter().map(|row| row.sent_at).min();
    let last = rows.iter().map(|row| row.taken_at).max();
    first.zip(last).map_or(SignedDuration::ZERO, |(first, last)| last.duration_since(first))
}

/// Prints what a run took and cost.
#[expect(clippy::print_stdout, reason = "figures that the suite prints")]
async fn print(what: &str, stage: &Stage, view: &Value, calls_after: u64, counted: &str) {
    let secs =
        |length: &Value| length["secs"].as_u64().map_or("?".to_owned(), |secs| format!("{secs}s"));
    let recovery = &view["recovery"];
    let parts: Vec<String> = ["detect", "decide", "promote", "traffic", "verify"]
        .iter()
        .map(|part| format!("{part} {}", secs(&recovery["parts"][part])))
        .collect();
    let losses = &view["losses"];
    let (predicted, measured) = (&losses["predicted"]["text"], &losses["measured"]["text"]);
    let mut calls = std::collections::BTreeMap::<String, usize>::new();
    for call in stage.world.calls_after(calls_after).await {
        let text = |name: &str| call[name].as_str().unwrap_or("-").to_owned();
        *calls.entry(format!("{} {}", text("service"), text("region"))).or_default() += 1;
    }
    println!("{what}: recovery {} ({})", secs(&recovery["total"]), parts.join(", "));
    println!("{what}: loss predicted {predicted}, measured {measured}, counted {counted}");
    println!("{what}: measured by {}", losses["measured"]["by"]);
    println!("{what}: calls {calls:?}");
}

async fn first_calls(stage: &Stage) -> u64 {
    let calls = stage.world.calls_after(0).await;
    calls.last().and_then(|call| call["number"].as_u64()).unwrap_or(0)
}

/// Goal: with the region lost and rows left behind in it, the run completes, users write at the standby, and
/// the loss that the product measures is never less than the rows say (proofs, I15).
/// Method: the east falls silent for AWS, for the clients and for the replica at once, while a client inside
/// of it goes on for a while and is acknowledged. What it wrote is read once the east can be reached.
#[tokio::test]
async fn forced_with_rows_left_behind() {
    let Some(mut scene) = Scene::set(false).await else { return };
    scene.stage.world.set(json!({ "failover_secs": 20 })).await;
    let mut straggler = scene.straggler();
    scene.until_written(EAST).await;
    let before = first_calls(&scene.stage).await;
    scene.lose_the_east().await;
    let lost_at = scene.stage.world.now();
    let taken = straggler.rows().len();
    scene
        .until("rows are left behind for a quarter of a minute", async |stage, _| {
            stage.world.now().duration_since(lost_at) >= SignedDuration::from_secs(15)
                && straggler.rows().len() > taken + 30
        })
        .await;
    // The machines in the lost region fail one after the other.
    let inside = straggler.stop();
    scene.pair.postgres.stop(Side::Primary);
    let mut request = failover("forced");
    request["symptom_at"] = json!(lost_at);
    let lost_run = scene.stage.ask("ana", "lost", request).await;
    let view = scene.carry(&lost_run).await;
    scene.until_written(WEST).await;
    let users = scene.users.stop();

    let lost = scene.missing(&[users.clone(), inside].concat(), WEST).await;
    assert!(lost.len() > 20 && lost.iter().all(|row| row.side == EAST), "{lost:?}");
    let (counted, measured) = (span(&lost), bound(&view["losses"]["measured"]));
    assert!(measured >= counted, "{measured:#} says less than {counted:#}, which is so");
    scene.pair.postgres.launch(Side::Primary).await;
    let held = scene.held(EAST).await;
    assert!(lost.iter().all(|row| held.contains(&row.number)), "the old side has what it took");
    let said = format!("{counted:#} ({} rows)", lost.len());
    print("forced", &scene.stage, &view, before, &said).await;

    // What was sent and not acknowledged is on the old side, too.
    let left = held.difference(&scene.held(WEST).await).count();
    scene.pair.door(EAST).open();
    let request =
        json!({ "runbook": "look-behind", "application": "shop", "reason": "before going home" });
    let run = scene.stage.ask("ana", "look", request).await;
    let view = scene.carry(&run).await;
    let found = &step(&view, "inventory-orders")["outputs"];
    assert_eq!(found["verdict"], json!("found"), "{found:#}");
    assert_eq!(found["left_behind"], json!(left.to_string()), "{found:#}");
    assert!(stands(&scene.stage).await, "what was left behind is a finding");
    print_found("forced", found);
    // Now that the old side can be read, the loss is known as well as its rows tell it.
    let view = scene.stage.view(&lost_run).await;
    let again = bound(&view["losses"]["counted"]);
    let apart = (again - counted).abs();
    assert!(apart <= SignedDuration::from_secs(5), "{again:#}, and {counted:#} by the rows");
}

/// Goal: where nothing fences the old side, and it lives on, the product does not claim that it does not
/// write: the fence is unproven, a person accepts that, and the measure says what it assumes.
/// Method: a client inside the east goes on writing there after the promotion; the overlap is counted.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "figures that the suite prints")]
async fn forced_while_the_old_side_writes_on() {
    let Some(mut scene) = Scene::set(false).await else { return };
    let mut straggler = scene.straggler();
    scene.until_written(EAST).await;
    let before = first_calls(&scene.stage).await;
    scene.lose_the_east().await;
    let run = scene.stage.ask("ana", "lost", failover("forced")).await;
    let view = scene.carry(&run).await;
    scene.until_written(WEST).await;
    let new_from = first_at(&scene.users.rows(), WEST);
    let beside = |row: &Row| row.taken_at > new_from;
    scene
        .until("both sides take rows", async |_, _| {
            straggler.rows().iter().filter(|row| beside(row)).count() > 20
        })
        .await;
    let overlap: Vec<Row> = straggler.stop().into_iter().filter(beside).collect();
    let there = scene.missing(&overlap, EAST).await;
    assert!(there.is_empty(), "{there:?}");
    println!("unfenced: {} rows in {:#} on both sides at once", overlap.len(), span(&overlap));

    let settled = &step(&view, "settle-old-side-orders")["outputs"]["verdict"];
    assert_ne!(*settled, json!("proven"), "{}", brief(&view));
    let events = scene.stage.daemon.get(&format!("/v1/runs/{run}/events?limit=200")).await;
    let (_, events) = events.expect("an answer");
    let accepted = events.to_string();
    assert!(accepted.contains("unproven-fence, data-loss-over-max"), "{accepted}");
    let by = view["losses"]["measured"]["by"].as_str().unwrap_or_default();
    assert!(by.contains("assumes") && by.contains("took no writes after"), "{by}");
    print("unfenced", &scene.stage, &view, before, "no end: the old side writes on").await;
}

/// Goal: where the application holds a write lease, no row is taken by the old side once one was by the new,
/// though nobody can reach it and it lives on (proofs, I1).
/// Method: the same as above, and both clients write by the lease alone.
#[tokio::test]
async fn forced_under_the_write_lease() {
    let Some(mut scene) = Scene::set(true).await else { return };
    let mut straggler = scene.straggler();
    scene.until_written(EAST).await;
    let before = first_calls(&scene.stage).await;
    scene.lose_the_east().await;
    let run = scene.stage.ask("ana", "lost", failover("forced")).await;
    let view = scene.carry(&run).await;
    scene.until_written(WEST).await;
    let (users, inside) = (scene.users.stop(), straggler.stop());
    let new_from = first_at(&users, WEST);
    let all = [users, inside].concat();
    let late = |row: &&Row| row.side == EAST && row.taken_at >= new_from;
    let late: Vec<&Row> = all.iter().filter(late).collect();
    assert!(late.is_empty(), "after {new_from}: {late:?}");
    let settled = &step(&view, "settle-old-side-orders")["outputs"]["verdict"];
    assert_eq!(*settled, json!("proven"), "{}", brief(&view));
    let holder: Holder = serde_json::from_str(&scene.stage.world.get(THIRD, LOCK).await).unwrap();
    assert_eq!(holder.holder.as_str(), WEST);
    let lost = scene.missing(&all, WEST).await;
    let (counted, measured) = (span(&lost), bound(&view["losses"]["measured"]));
    assert!(measured >= counted, "{measured:#} says less than {counted:#}, which is so");
    let said = format!("{counted:#} ({} rows)", lost.len());
    print("leased", &scene.stage, &view, before, &said).await;
}

/// Prints what an inventory found.
#[expect(clippy::print_stdout, reason = "figures that the suite prints")]
fn print_found(what: &str, found: &Value) {
    println!("{what}: inventory {}; {}", found["tables"], found["canaries"]);
}

/// Whether something stands that was left behind, or that nobody knows.
async fn stands(stage: &Stage) -> bool {
    let (_, view) = stage.daemon.get("/v1/applications/shop").await.expect("an answer");
    view["findings"].to_string().contains("divergence/orders")
}

fn first_at(rows: &[Row], side: &str) -> Timestamp {
    let at = rows.iter().filter(|row| row.side == side).map(|row| row.sent_at).min();
    at.unwrap_or_else(|| panic!("nothing was written in {side}"))
}

/// Goal: in calm no acknowledged row is lost, neither on the way there nor on the way home.
/// Method: a switchover and then the failback, with users who write all the time; the real replica becomes
/// the one that is written, and the other way round.
#[tokio::test]
async fn graceful_there_and_back_again() {
    let Some(mut scene) = Scene::set(false).await else { return };
    let slow = json!({ "global_register_secs": 5, "switchover_secs": 20 });
    scene.stage.world.set(slow).await;
    for (runbook, to) in [("region-failover", WEST), ("region-failback", EAST)] {
        let before = first_calls(&scene.stage).await;
        let mut request = failover("graceful");
        request["runbook"] = json!(runbook);
        let run = scene.stage.ask("ana", runbook, request).await;
        let view = scene.carry(&run).await;
        scene.until_written(to).await;
        let rows = scene.users.rows();
        let lost = scene.missing(&rows, to).await;
        assert!(lost.is_empty(), "{runbook}: {} of {} rows are lost", lost.len(), rows.len());
        let elsewhere =
            scene.pair.postgres.ask(server(other(to)), "select pg_is_in_recovery()").await;
        assert_eq!(elsewhere, Ok(vec![vec![Some("t".to_owned())]]), "one side is written");
        let said = format!("0 of {} rows", rows.len());
        print(runbook, &scene.stage, &view, before, &said).await;
        if runbook == "region-failback" {
            // Home followed the other side, so what it held was a copy: nobody can say that it was all.
            let verdict = &step(&view, "inventory-divergence-orders")["outputs"]["verdict"];
            assert_eq!(*verdict, json!("unknown"), "{}", brief(&view));
            assert!(!stands(&scene.stage).await, "somebody has settled it, and home writes again");
        }
    }
    assert_eq!(scene.traffic.primary.as_str(), EAST);
}
