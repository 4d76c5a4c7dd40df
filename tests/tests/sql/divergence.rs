//! What `inventory-divergence` finds on a real pair of servers, of which one was promoted while rows were on
//! their way.

use jiff::SignedDuration;
use muster::{clock::Clock, world::real::Real};
use muster_runbooks::application::{Application, sql::grant::grant};
use muster_state::call::{Call, CallError, Done, Progress};
use muster_tests::{
    emulator::{EAST, WEST, calls},
    postgres::{Postgres, Side, pair::Pair},
};
use serde_json::{Value, json};

use super::{fill, literal, password, real, shop_with, sql};

/// The east is the side that was left; the plan of these calls still calls it the active one.
fn inventory(shop: &Application, with: Value) -> Call {
    calls::call_at(Clock::Real.now(), shop, "inventory-divergence", with)
}

async fn done(real: &Real, call: &Call) -> Done {
    let progress = real.observe(call).await.expect("an answer").progress;
    let Progress::Done(done) = progress else { panic!("{progress}") };
    done
}

fn words<'a>(done: &'a Done, name: &str) -> &'a str {
    done.outputs[name].as_str().unwrap_or_else(|| panic!("{name}: {:?}", done.outputs))
}

fn tables(done: &Done) -> String {
    done.outputs["tables"].to_string()
}

/// A shop whose orders and canaries are compared, on two servers.
async fn set(pair: &Pair) -> Application {
    fill(&pair.postgres).await;
    let endpoints = [EAST, WEST].map(|region| pair.door(region).endpoint());
    let shop = shop_with(
        &pair.postgres,
        json!({
            "sql": sql(&endpoints[0], &endpoints[1]),
            "canary": { "schema": "muster", "every": "1s", "user": "muster_canary", "password_env": "PATH" },
            "divergence": { "tables": [{ "table": "public.orders", "key": "id" }] },
        }),
    );
    let postgres = &pair.postgres;
    postgres.run(&grant(&shop.databases[0]).expect("a role is named")).await;
    let password = literal(&password());
    postgres
        .run(&format!(
            "alter role muster_canary password {password};
             grant usage on schema muster to reader; grant select on muster.canary to reader;"
        ))
        .await;
    shop
}

async fn canary(postgres: &Postgres, side: Side, sequence: i64) {
    let row = format!(
        "insert into muster.canary (slot, sequence, epoch, written_at)
         values ({sequence} % 60, {sequence}, 7, clock_timestamp())"
    );
    postgres.ask(side, &row).await.expect("a canary");
}

/// Goal: rows that were left behind on purpose are counted exactly, and so is a key that both sides gave to
/// different rows; the canaries say how many of them never arrived.
/// Method: the replica is cut off, more than two pages of rows are written at the old side, the replica is
/// promoted and gives two of the same keys to rows of its own.
#[tokio::test]
async fn what_was_left_behind_is_counted() {
    let Some(pair) = Pair::start().await else { return };
    let shop = set(&pair).await;
    let real = real(Clock::Real).await;
    let postgres = &pair.postgres;
    for sequence in 1..=3 {
        canary(postgres, Side::Primary, sequence).await;
    }
    postgres.settled().await;
    pair.door(EAST).shut();
    postgres
        .run("insert into orders select n, 'late ' || n from generate_series(2001, 3207) n")
        .await;
    for sequence in 4..=8 {
        canary(postgres, Side::Primary, sequence).await;
    }
    postgres.promote(Side::Replica).await;
    let own =
        "insert into orders values (2001, 'the first here'), (3000, 'another'), (5000, 'new')";
    postgres.ask(Side::Replica, own).await.expect("the west is written");
    // The process of the new side counts on from the last canary that it has.
    canary(postgres, Side::Replica, 4).await;
    pair.door(EAST).open();

    let left = done(&real, &inventory(&shop, json!({ "at": "active" }))).await;
    assert_eq!(words(&left, "verdict"), "found", "{left:?}");
    assert_eq!(
        (words(&left, "left_behind"), words(&left, "conflicting")),
        ("1205", "2"),
        "{left:?}"
    );
    assert!(tables(&left).contains("1205 rows were left behind, keys 2002 to 3207"), "{left:?}");
    assert!(words(&left, "canaries").starts_with("5 canaries never arrived"), "{left:?}");

    // Whatever the new side took itself is not missing at the old one: that is what a failback sends home.
    let back = "delete from orders where id > 2000";
    postgres.run(back).await;
    postgres.run("delete from muster.canary where sequence > 3").await;
    let none = done(&real, &inventory(&shop, json!({ "at": "active" }))).await;
    assert_eq!((words(&none, "verdict"), words(&none, "left_behind")), ("none", "0"), "{none:?}");
    assert!(none.notes.is_empty(), "{:?}", none.notes);
}

/// Goal: what cannot be read, and what cannot tell, is unknown and never none.
/// Method: a side that follows the other one; a table that the reader may not read; a side that is gone, as
/// it is heard at first and after a while.
#[tokio::test]
async fn what_cannot_tell_is_unknown() {
    let Some(mut pair) = Pair::start().await else { return };
    let shop = set(&pair).await;
    let real = real(Clock::Real).await;
    let copy = done(&real, &inventory(&shop, json!({ "at": "standby" }))).await;
    assert_eq!(words(&copy, "verdict"), "unknown");
    assert!(tables(&copy).contains("a copy of that"), "{copy:?}");

    pair.postgres.settled().await;
    pair.postgres.promote(Side::Replica).await;
    pair.postgres.run("revoke select on orders from reader").await;
    let forbidden = done(&real, &inventory(&shop, json!({ "at": "active" }))).await;
    assert_eq!(words(&forbidden, "verdict"), "unknown", "{forbidden:?}");
    assert_eq!(words(&forbidden, "left_behind"), "unknown", "{forbidden:?}");
    assert!(tables(&forbidden).contains("42501"), "{forbidden:?}");

    pair.postgres.stop(Side::Primary);
    let mut call = inventory(&shop, json!({ "at": "active" }));
    let silent = real.observe(&call).await;
    assert!(matches!(silent, Err(CallError::NoAnswer { .. })), "at first it may come back");
    call.asked_at = call.started_at + SignedDuration::from_secs(20);
    let gone = done(&real, &call).await;
    assert_eq!(words(&gone, "verdict"), "unknown", "{gone:?}");
    assert_eq!((words(&gone, "left_behind"), words(&gone, "conflicting")), ("unknown", "unknown"));
}
