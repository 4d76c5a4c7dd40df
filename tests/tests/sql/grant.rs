//! What `muster canary grant` prints really allows the canary, and nothing else.

use muster_runbooks::application::sql::grant::grant;
use muster_tests::postgres::Side;
use serde_json::json;

use super::{fill, postgres, shop_with};

/// Goal: whoever learns the canary's password can do nothing with it but write sixty rows.
/// Method: the printed SQL is run on a real server, twice, beside a table that everybody who owns
/// something may read; then the role tries.
#[tokio::test]
async fn the_canary_may_do_nothing_else() {
    let postgres = postgres!();
    fill(&postgres).await;
    let canary = json!({ "schema": "muster", "user": "muster_canary", "password_env": "PATH" });
    let shop = shop_with(&postgres, json!({ "canary": canary }));
    let printed = grant(&shop.databases[0]).expect("a role is named");
    postgres.run(&printed).await;
    postgres.run(&printed).await;
    postgres.run("alter role muster_canary password 'bird'").await;
    let as_canary =
        async |sql: &str| postgres.ask_as(Side::Primary, "muster_canary", "bird", sql).await;

    let fill = "insert into muster.canary (slot, sequence, epoch) select n, n, 7 from generate_series(0, 59) n";
    assert!(as_canary(fill).await.is_ok());
    let again = "insert into muster.canary (slot, sequence, epoch) values (3, 63, 7) \
                 on conflict (slot) do update set sequence = excluded.sequence returning sequence";
    assert_eq!(as_canary(again).await, Ok(vec![vec![Some("63".to_owned())]]));
    let limits = as_canary("show statement_timeout").await;
    assert_eq!(limits, Ok(vec![vec![Some("3s".to_owned())]]));

    for (sql, code) in [
        // The cap.
        ("insert into muster.canary (slot, sequence, epoch) values (60, 60, 7)", "23514"),
        ("insert into muster.canary (slot, sequence, epoch) values (-1, 60, 7)", "23514"),
        ("update muster.canary set slot = 61 where slot = 3", "23514"),
        // What is not its own.
        ("select * from orders", "42501"),
        ("insert into orders values (7, 'x')", "42501"),
        ("delete from muster.canary", "42501"),
        ("truncate muster.canary", "42501"),
        ("drop table muster.canary", "42501"),
        ("alter table muster.canary drop constraint canary_slot_check", "42501"),
        ("create table muster.more (x int)", "42501"),
        ("create table public.more (x int)", "42501"),
        ("create schema more", "42501"),
        ("create role more", "42501"),
        ("create database more", "42501"),
        ("select rolpassword from pg_authid", "42501"),
        ("copy muster.canary to program 'true'", "42501"),
        // Its time.
        ("select pg_sleep(60)", "57014"),
    ] {
        assert_eq!(as_canary(sql).await.err().as_deref(), Some(code), "{sql}");
    }
    let count = postgres.ask(Side::Primary, "select count(*) from muster.canary").await;
    assert_eq!(count, Ok(vec![vec![Some("60".to_owned())]]));
    let most = "select rolconnlimit, rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = 'muster_canary'";
    let role: Vec<String> = postgres.ask(Side::Primary, most).await.expect("an answer")[0]
        .iter()
        .flatten()
        .cloned()
        .collect();
    assert_eq!(role, ["4", "f", "f", "f"]);
}
