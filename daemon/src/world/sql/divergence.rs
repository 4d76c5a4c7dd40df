//! What the side that was left holds and the active side does not: its newest rows, table by table, and its
//! canaries.
//!
//! Nothing is concluded from a side that follows the other one: after a failover with data loss AWS rebuilds the
//! old side from the new one, and what it had taken is then in a snapshot of the old volume, if anywhere
//! (facts §1.8). What cannot be read is unknown, and never none.

mod judge;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::divergence::InventoryDivergence,
    application::{
        Database,
        sql::{CANARY_TABLE, Canary, Ordered, Sql, quoted},
    },
};
use muster_state::call::{Call, CallError, Progress, in_one_line};

use self::judge::{Canaries, Mark, Newest, Tally, told, unknown};
use super::{Class, Purpose, Session, Trouble, check};
use crate::{
    clock::Clock,
    world::{
        aws::database,
        real::{Real, Verbs, reads},
    },
};

const OPERATION: &str = "inventory-divergence";

/// So many keys are compared at a time; a session keeps no more rows of an answer than twice that.
const PAGE_ROWS: usize = 500;

/// The most rows of one table that are looked at.
const TABLE_ROWS_MAX: usize = 20_000;

/// For how long all tables together are walked, by the machine's time.
const WALK_MAX: SignedDuration = SignedDuration::from_secs(30);

/// For how long a side is asked before "it does not answer" is the answer.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(20);

/// What every statement stands in: it cannot write, and a value has one text whoever asks.
const BEGIN: &str = "begin transaction read only; set local timezone to 'UTC'; \
     set local datestyle to 'ISO, YMD'; set local intervalstyle to 'postgres'; \
     set local extra_float_digits to 1; set local bytea_output to 'hex'";

/// Compares the two sides.
pub(in crate::world) fn inventory<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a InventoryDivergence,
) -> Verbs<'a> {
    reads(call, observe(real, call, action))
}

async fn observe(
    real: &Real,
    call: &Call,
    action: &InventoryDivergence,
) -> Result<Progress, CallError> {
    let database = database(call)?;
    let Some(sql) = &database.sql else {
        let reason = format!("`{}` does not say how it is reached: no `sql`", database.name);
        return Ok(Progress::Refused { reason });
    };
    let waited = call.asked_at.duration_since(call.started_at);
    match look(real, call, action, (database, sql)).await {
        Ok(progress) => Ok(progress),
        Err(why @ CallError::NoAnswer { .. }) if waited < SILENCE_MAX => Err(why),
        // Whoever reviews what was left behind must hear that nobody knows.
        Err(why) => Ok(unknown(&in_one_line(&why))),
    }
}

async fn look(
    real: &Real,
    call: &Call,
    action: &InventoryDivergence,
    (database, sql): (&Database, &Sql),
) -> Result<Progress, CallError> {
    let (old_side, new_side) = (action.old_side(), action.new_side());
    let mut sessions = Vec::new();
    for side in [&old_side, &new_side] {
        let (target, login) = match check::place(real, call, side, sql).await? {
            Ok(both) => both,
            Err(progress) => return Ok(progress),
        };
        sessions.push(real.session(&target, &login, Purpose::Read).await?);
    }
    let [old, new] = sessions.as_mut_slice() else { return Ok(unknown("one side was not asked")) };
    if !old_side.is_of_restored() && follows(old).await? {
        return Ok(unknown(FOLLOWS));
    }
    let until = Clock::Real.now() + WALK_MAX;
    let mut tables = Vec::new();
    for ordered in database.divergence.iter().flat_map(|declared| &declared.tables) {
        let tally = walk(old, new, ordered, until).await?;
        tables.push((ordered.table.to_string(), tally));
    }
    let canaries = match &database.canary {
        Some(canary) => canaries(old, new, canary).await?,
        None => Canaries::Undeclared,
    };
    Ok(told(&tables, &canaries))
}

const FOLLOWS: &str = "it follows the active side now, so what it holds is a copy of that; after a planned switchover \
     nothing was left behind; after a failover with data loss look into a cluster that was restored from the \
     snapshot `rds:unplanned-global-failover-…` (`cluster`, `secret`)";

type Values = Vec<Vec<Option<String>>>;

/// Asks in a transaction that cannot write. What the server says no to comes back in words.
async fn ask(session: &mut Session, statement: &str) -> Result<Result<Values, String>, CallError> {
    let asked = async {
        session.rows(BEGIN).await?;
        let values = match session.rows(statement).await {
            Err(gone @ Trouble::Gone(_)) => return Err(gone),
            other => other,
        };
        session.rows("rollback").await?;
        values
    };
    match asked.await {
        Ok(values) => Ok(Ok(values)),
        Err(Trouble::Said(said)) if said.class() == Class::TooLong => {
            Ok(Err("it was stopped at its `statement_limit`; is the key indexed?".to_owned()))
        }
        Err(Trouble::Said(said)) if said.class() != Class::Login => {
            Ok(Err(format!("{}: {said}", session.service())))
        }
        Err(trouble) => Err(trouble.at(session.service().to_owned(), OPERATION)),
    }
}

async fn follows(session: &mut Session) -> Result<bool, CallError> {
    let said = ask(session, "select pg_is_in_recovery()").await?;
    // A server that does not say so is taken for a copy: nothing is concluded from it then.
    Ok(said.map_or(true, |rows| rows.first().and_then(|row| row.first()?.as_deref()) != Some("f")))
}

/// Walks a table of the old side from its highest key downwards, until a whole page is on both sides.
async fn walk(
    old: &mut Session,
    new: &mut Session,
    ordered: &Ordered,
    until: Timestamp,
) -> Result<Result<Tally, String>, CallError> {
    let (mut tally, mut below) = (Tally::default(), None);
    loop {
        if tally.looked_at >= TABLE_ROWS_MAX || Clock::Real.now() >= until {
            return Ok(Ok(tally));
        }
        let page = match ask(old, &ordered.page(below.as_deref(), PAGE_ROWS)).await? {
            Ok(rows) => rows.into_iter().filter_map(newest).collect::<Vec<Newest>>(),
            Err(why) => return Ok(Err(why)),
        };
        let keys: Vec<&str> = page.iter().map(|row| row.key.as_str()).collect();
        let there =
            if keys.is_empty() { Ok(Values::new()) } else { ask(new, &ordered.of(&keys)).await? };
        let there = match there {
            Ok(rows) => digests(rows),
            Err(why) => return Ok(Err(why)),
        };
        let is_same = tally.take(&page, &there);
        if is_same || page.len() < PAGE_ROWS {
            tally.is_whole = true;
            return Ok(Ok(tally));
        }
        below = page.into_iter().next_back().map(|row| row.key);
    }
}

fn newest(row: Vec<Option<String>>) -> Option<Newest> {
    let mut values = row.into_iter();
    let (key, digest) = (values.next()??, values.next()??);
    let micros = values.next().flatten().and_then(|micros| micros.parse().ok());
    let written_at = micros.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    Some(Newest { key, digest, written_at })
}

/// The digests of the rows that have a key.
fn digests(rows: Values) -> BTreeMap<String, BTreeSet<String>> {
    let mut digests = BTreeMap::<String, BTreeSet<String>>::new();
    for row in rows {
        let mut values = row.into_iter().flatten();
        if let (Some(key), Some(digest)) = (values.next(), values.next()) {
            digests.entry(key).or_default().insert(digest);
        }
    }
    digests
}

/// Compares the canaries of both sides.
async fn canaries(
    old: &mut Session,
    new: &mut Session,
    canary: &Canary,
) -> Result<Canaries, CallError> {
    let statement = format!(
        "select sequence, epoch, (extract(epoch from written_at) * 1000000)::bigint \
         from {}.{CANARY_TABLE} order by sequence",
        quoted(&canary.schema)
    );
    let mut sides = Vec::new();
    for session in [old, new] {
        match ask(session, &statement).await? {
            Ok(rows) => sides.push(rows.iter().filter_map(|row| mark(row)).collect::<Vec<Mark>>()),
            Err(why) => return Ok(Canaries::Unread(why)),
        }
    }
    let [old, new] = sides.as_slice() else { return Ok(Canaries::Undeclared) };
    Ok(Canaries::compare(old, new))
}

fn mark(row: &[Option<String>]) -> Option<Mark> {
    let number = |at: usize| row.get(at)?.as_deref()?.parse::<i64>().ok();
    let written_at = Timestamp::from_microsecond(number(2)?).ok()?;
    Some(Mark { sequence: number(0)?, epoch: number(1)?, written_at })
}
