//! The hook by SQL: one statement where the database is written, on a connection of its own.
//!
//! The statement stands alone. Some, such as `VACUUM`, must not be in a transaction; to all others the
//! server gives one of their own. Whatever belongs to the session ends with it.

use muster_runbooks::{
    action::hook::RunHooks,
    application::{
        Database,
        hook::{Hook, SqlHook},
    },
};
use muster_state::call::{Call, CallError, in_one_line};

use super::{Class, Purpose, Target, Trouble};
use crate::world::{
    aws::endpoint::Door,
    real::{Real, on},
};

/// Runs the statement of a hook. Its session is called by the outside name, so that the statement and
/// the server's log can tell who asks.
///
/// # Errors
///
/// When it did not do what it was asked, in words for a person.
pub(in crate::world) async fn ask(
    real: &Real,
    call: &Call,
    action: &RunHooks,
    database: &Database,
    (hook, with): (&Hook, &SqlHook),
) -> Result<(), String> {
    let Some(sql) = &database.sql else {
        return Err(format!("`{}` does not say how it is reached: no `sql`", database.name));
    };
    let said = |why: CallError| in_one_line(&why);
    let region = on(call).map_err(said)?.region(action.at);
    let target = Target::find(real, database, sql, region, Door::Writer).await.map_err(said)?;
    let target =
        Target { statement_limit: hook.limit, application_name: call.token.to_string(), ..target };
    let login = if with.login.is_empty() { &sql.login } else { &with.login };
    let mut session = real.session(&target, login, Purpose::Write).await.map_err(said)?;
    match session.rows(&with.statement).await {
        Ok(_) => Ok(()),
        Err(Trouble::Said(refusal)) if refusal.class() == Class::TooLong => {
            Err(format!("the server stopped it after {}, its limit", hook.limit))
        }
        Err(Trouble::Said(refusal)) => Err(refusal.to_string()),
        Err(Trouble::Gone(why)) => Err(in_one_line(&*why)),
    }
}
