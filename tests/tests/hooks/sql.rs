//! Hooks by SQL, against a real PostgreSQL.

use std::net::TcpListener;

use muster_runbooks::application::Application;
use muster_tests::{
    emulator::{EAST, WEST},
    postgres::{Postgres, Side},
};
use serde_json::{Value, json};

use super::{SECRET_ENV, hook, real, said, secret, shop};

fn with_sql(endpoint: &str, hooks: &[Value]) -> Application {
    let mut shop = serde_json::to_value(shop(hooks)).expect("JSON");
    shop["databases"][0]["sql"] = json!({
        "database": "postgres", "user": "nobody", "password_env": SECRET_ENV,
        "sslmode": "disable", "endpoints": { EAST: endpoint, WEST: endpoint },
    });
    serde_json::from_value(shop).expect("an application")
}

fn statement(statement: &str) -> Value {
    json!({ "sql": { "statement": statement,
        "login": { "user": "hooker", "password_env": SECRET_ENV } } })
}

/// The first value of each row.
async fn rows(postgres: &Postgres, sql: &str) -> Vec<String> {
    let rows = postgres.ask(Side::Primary, sql).await.expect("rows");
    rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

/// Goal: a statement is run where the database is written, under the outside name and its own login,
/// also one that must not be in a transaction; it is stopped at its limit by the server itself; what the
/// server says no to is the hook's failure, in the server's words and without the values.
/// Method: a real server, a role of its own; a table that the statements write into.
#[tokio::test]
async fn a_statement_is_run_and_bounded() {
    let Some(postgres) = Postgres::start().await else { return };
    let password = secret().replace('\'', "''");
    postgres
        .run(&format!(
            "create role hooker login password '{password}';
             grant pg_checkpoint to hooker;
             create table asked (by text); alter table asked owner to hooker;"
        ))
        .await;
    let real = real(None).await;
    let endpoint = postgres.endpoint(Side::Primary);
    let one = async |limit: &str, on_error: &str, text: &str| {
        let hooks = [
            hook("rest", limit, on_error, statement(text)),
            hook("log", "5s", "fail", statement("insert into asked values ('next')")),
        ];
        said(&real, &with_sql(&endpoint, &hooks)).await
    };
    let write = "insert into asked select current_setting('application_name')";
    for sound in [write, "CHECKPOINT", "vacuum asked", "select 1"] {
        assert_eq!(one("5s", "fail", sound).await, "ran 2; ", "{sound}");
    }
    let asked = rows(&postgres, "select distinct by from asked order by 1").await;
    assert_eq!(asked, ["muster-r00000000001-run-hooks-1", "next"]);

    let late = "hook `rest`: the server stopped it after 1s, its limit";
    assert_eq!(one("1s", "fail", "select pg_sleep(60)").await, format!("failed: {late}"));
    assert_eq!(one("1s", "continue", "select pg_sleep(60)").await, format!("ran 1; {late}"));
    let sleeping = "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%' \
                    and pid <> pg_backend_pid()";
    assert_eq!(rows(&postgres, sleeping).await, ["0"], "nothing goes on behind it");

    let gone = one("5s", "fail", "insert into nothing values ('hunter2')").await;
    assert!(gone.contains("relation \"nothing\" does not exist"), "{gone}");
    assert!(!gone.contains("hunter2"), "{gone}");
    let value = one("5s", "continue", "select 'hunter2'::int").await;
    assert_eq!(value, "ran 1; hook `rest`: a value does not fit what is done with it (22P02)");
    let own = json!({ "sql": { "statement": "select 1" } });
    let stranger = said(&real, &with_sql(&endpoint, &[hook("rest", "5s", "fail", own)])).await;
    assert!(stranger.contains("did not accept our credentials"), "{stranger}");
    assert!(!stranger.contains(&secret()), "{stranger}");
}

/// Goal: a server that does not let us in is no yes.
/// Method: a port that takes connections and says nothing; nobody at all.
#[tokio::test]
async fn a_silent_server_is_no_yes() {
    let real = real(None).await;
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = silent.local_addr().map(|at| (at.to_string(), silent)).expect("an address");
    let ask = async |endpoint: &str| {
        let hooks = [hook("rest", "1s", "fail", statement("select 1"))];
        said(&real, &with_sql(endpoint, &hooks)).await
    };
    assert_eq!(ask(&silent.0).await, "failed: hook `rest`: no answer within 3s");
    let nobody = ask("127.0.0.1:1").await;
    assert!(nobody.contains("no answer from postgres `orders` us-east-1 to connect"), "{nobody}");
}
