//! The canary's two statements: one row is written, the newest one is read.

use jiff::SignedDuration;
use muster_runbooks::{
    application::{
        Database,
        sql::{CANARY_SLOTS, CANARY_TABLE, Canary, quoted},
    },
    name::Region,
    value::Span,
};
use muster_state::call::CallError;

use super::{Purpose, Session, Target, Trouble};
use crate::world::{aws::endpoint::Door, real::Real};

/// A canary that takes longer is a miss. The writer's clients have better things to wait for.
const STATEMENT_LIMIT: Span = Span::from_secs(3);

/// One row as a side shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// Its number; rises with every write, whoever writes.
    pub sequence: i64,
    /// The epoch of the process that wrote it.
    pub epoch: u64,
    /// How old it is by the clock of the server that was asked.
    pub age: SignedDuration,
}

/// Opens a session for the canary of a database in a region.
pub async fn session(
    real: &Real,
    database: &Database,
    region: &Region,
    purpose: Purpose,
) -> Result<Session, CallError> {
    let unfit = |message: String| CallError::Refused {
        service: "muster".to_owned(),
        operation: "canary",
        code: "NotConfigured".to_owned(),
        message,
    };
    let name = &database.name;
    let (Some(sql), Some(login)) = (&database.sql, database.canary_login()) else {
        return Err(unfit(format!("`{name}` does not say how it is reached")));
    };
    let door = if purpose == Purpose::Write { Door::Writer } else { Door::Reader };
    let mut target = Target::find(real, database, sql, region, door).await?;
    target.statement_limit = STATEMENT_LIMIT;
    real.session(&target, login, purpose).await
}

/// Writes one row. `false`: a process of a later epoch writes there, and ours is not taken.
pub async fn write(
    session: &mut Session,
    canary: &Canary,
    sequence: i64,
    epoch: u64,
) -> Result<bool, Trouble> {
    let table = table(canary);
    let slot = sequence.rem_euclid(i64::from(CANARY_SLOTS));
    let statement = format!(
        "insert into {table} as old (slot, sequence, epoch, written_at) \
         values ({slot}, {sequence}, {epoch}, clock_timestamp()) \
         on conflict (slot) do update set sequence = excluded.sequence, epoch = excluded.epoch, \
         written_at = excluded.written_at where old.epoch <= excluded.epoch returning sequence"
    );
    session.rows(&statement).await.map(|rows| !rows.is_empty())
}

/// Reads the newest row.
pub async fn newest(session: &mut Session, canary: &Canary) -> Result<Option<Row>, Trouble> {
    read(session, canary, 1).await.map(|rows| rows.first().copied())
}

/// Reads the newest row that has committed at the writer of a region, by a session of its own.
pub async fn newest_at(
    real: &Real,
    database: &Database,
    canary: &Canary,
    region: &Region,
) -> Result<Option<Row>, CallError> {
    let mut session = session(real, database, region, Purpose::Write).await?;
    let found = newest(&mut session, canary).await;
    found.map_err(|trouble| trouble.at(session.service().to_owned(), "canary"))
}

/// Reads every row, oldest first.
pub async fn all(session: &mut Session, canary: &Canary) -> Result<Vec<Row>, Trouble> {
    let mut rows = read(session, canary, CANARY_SLOTS).await?;
    rows.reverse();
    Ok(rows)
}

async fn read(session: &mut Session, canary: &Canary, most: u8) -> Result<Vec<Row>, Trouble> {
    let statement = format!(
        "select sequence, epoch, \
         ceil(extract(epoch from clock_timestamp() - written_at) * 1000)::bigint \
         from {} order by sequence desc limit {most}",
        table(canary)
    );
    let rows = session.rows(&statement).await?;
    rows.iter()
        .map(|row| row_of(row))
        .collect::<Option<_>>()
        .ok_or_else(|| Trouble::Gone("the rows of the canary's table hold no numbers".into()))
}

fn row_of(values: &[Option<String>]) -> Option<Row> {
    let number = |at: usize| values.get(at)?.as_deref()?.parse::<i64>().ok();
    let epoch = u64::try_from(number(1)?).ok()?;
    Some(Row { sequence: number(0)?, epoch, age: SignedDuration::from_millis(number(2)?) })
}

fn table(canary: &Canary) -> String {
    format!("{}.{CANARY_TABLE}", quoted(&canary.schema))
}
