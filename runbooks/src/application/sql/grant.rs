//! The SQL by which an owner lets Muster write its canary, and nothing else.

use super::{CANARY_SLOTS, CANARY_TABLE, quoted};
use crate::application::Database;

/// How many connections the role may have: one, and what is left of those that broke.
const CONNECTIONS_MAX: u8 = 4;

/// What an owner runs once on the writer; `None` without a canary and a role that writes it. It can be
/// run again.
pub fn grant(database: &Database) -> Option<String> {
    let (sql, canary) = (database.sql.as_ref()?, database.canary.as_ref()?);
    let login = database.canary_login()?;
    let user = login.user.as_deref()?;
    let is_shared = canary.login.is_empty();
    let (role, name) = (quoted(user), literal(user));
    let (schema, inside) = (quoted(&canary.schema), quoted(&sql.database));
    let slots = CANARY_SLOTS;
    let shared = if is_shared {
        "-- The checks use this role too. Give the canary one of its own (`canary.user`): then whoever\n\
         -- learns its password can read nothing.\n"
    } else {
        ""
    };
    Some(format!(
        "\
-- The canary of database `{component}`: one table of at most {slots} rows, and a role that may write
-- there and nowhere else. Run it once on the writer, in `{database}`, as an owner who may make roles.
{shared}
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN
        CREATE ROLE {role} LOGIN NOINHERIT NOCREATEDB NOCREATEROLE CONNECTION LIMIT {CONNECTIONS_MAX};
    END IF;
END $$;
-- It has no password yet. Set one where it is not written down; in psql:  \\password {user}

ALTER ROLE {role} IN DATABASE {inside} SET statement_timeout = '3s';
ALTER ROLE {role} IN DATABASE {inside} SET lock_timeout = '1s';
ALTER ROLE {role} IN DATABASE {inside} SET idle_in_transaction_session_timeout = '10s';

CREATE SCHEMA IF NOT EXISTS {schema};
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;
CREATE TABLE IF NOT EXISTS {schema}.{CANARY_TABLE} (
    slot       smallint    PRIMARY KEY CHECK (slot >= 0 AND slot < {slots}),
    sequence   bigint      NOT NULL,
    epoch      bigint      NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE ALL ON {schema}.{CANARY_TABLE} FROM PUBLIC;

GRANT CONNECT ON DATABASE {inside} TO {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, INSERT, UPDATE ON {schema}.{CANARY_TABLE} TO {role};
REVOKE CREATE ON SCHEMA {schema} FROM {role};
REVOKE CREATE, TEMPORARY ON DATABASE {inside} FROM {role};

-- What everybody may do, this role may too, and only you can judge who needs it. A database from
-- before PostgreSQL 15 lets everybody make tables in `public`, and every one lets everybody make
-- temporary tables:
--   REVOKE CREATE ON SCHEMA public FROM PUBLIC;
--   REVOKE TEMPORARY ON DATABASE {inside} FROM PUBLIC;
",
        component = database.name,
        database = sql.database,
    ))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
