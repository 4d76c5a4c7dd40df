//! What `check-sql` says of good data, of bad data, and of a server that does not answer.

use jiff::Timestamp;
use muster::clock::Clock;
use muster_runbooks::application::Application;
use muster_state::{
    call::{Call, CallError, Done, Progress, in_one_line},
    progress::Counted,
};
use muster_tests::{
    daemon::free_port,
    emulator::calls,
    postgres::{Postgres, Side},
};
use serde_json::{Value, json};

use super::{READER, fill, literal, password, postgres, real, shop, shop_with};

/// Everything that can be checked, and all of it is so.
fn all() -> Value {
    json!([
        { "name": "enough", "rows": { "table": "public.orders", "at_least": 50, "within": "5%" } },
        { "name": "sentinel",
          "sentinel": { "query": "select note from orders where id = 1000", "equals": "the sentinel" } },
        { "name": "language", "extensions": ["plpgsql"] },
        { "name": "people", "roles": [READER, "postgres"] },
        { "name": "total", "query": { "sql": "select max(id) from orders", "equals": 1000 } },
        { "name": "truth", "query": { "sql": "select true", "equals": true } },
    ])
}

fn check(shop: &Application, with: Value) -> Call {
    calls::call_at(Clock::Real.now(), shop, "check-sql", with)
}

async fn look(shop: &Application, with: Value) -> Result<Progress, CallError> {
    let real = real(Clock::Real).await;
    real.observe(&check(shop, with)).await.map(|reading| reading.progress)
}

async fn done(shop: &Application, with: Value) -> Done {
    match look(shop, with).await {
        Ok(Progress::Done(done)) => done,
        Ok(other) => panic!("{other}"),
        Err(why) => panic!("{}", in_one_line(&why)),
    }
}

/// How one check of these fails.
async fn failure(postgres: &Postgres, check: Value) -> String {
    match look(&shop(postgres, json!([check])), json!({})).await {
        Ok(Progress::Failed { reason }) => reason,
        Ok(other) => panic!("{other}"),
        Err(why) => panic!("{}", in_one_line(&why)),
    }
}

/// Goal: good data passes, what was counted in the source is kept, and a copy is compared with that.
/// Method: all kinds of checks at once, in the source, and as a restored copy that has lost nothing,
/// a tenth of its rows, and what nobody has counted yet.
#[tokio::test]
async fn good_data_passes_and_a_copy_is_compared_with_it() {
    let postgres = postgres!();
    fill(&postgres).await;
    let shop = shop(&postgres, all());
    let source = done(&shop, json!({})).await;
    assert_eq!(source.outputs["validation"], json!("succeeded"));
    assert_eq!(source.outputs["proves_data"], json!(true));
    assert_eq!(source.outputs["rows"], json!("public.orders 101"));
    assert_eq!(source.outputs["checks"].as_array().map(Vec::len), Some(6));
    assert_eq!(source.rows["public.orders"], 101);

    let restored = json!({ "endpoint": postgres.endpoint(Side::Primary) });
    let unknown = done(&shop, restored.clone()).await;
    assert!(unknown.notes[0].contains("nobody has counted"), "{:?}", unknown.notes);
    assert!(unknown.rows.is_empty(), "the source's count is not overwritten");

    let real = real(Clock::Real).await;
    let mut call = check(&shop, restored);
    let counted = Counted { at: Timestamp::UNIX_EPOCH, rows: source.rows };
    call.counted = Some(counted.into());
    let whole = real.observe(&call).await.expect("an answer").progress;
    let Progress::Done(whole) = whole else { panic!("{whole}") };
    assert!(whole.notes.is_empty(), "{:?}", whole.notes);
    postgres.run("delete from orders where id <= 11; insert into orders select n, 'x' from generate_series(201, 210) n").await;
    let fine = real.observe(&call).await.expect("an answer").progress;
    assert!(matches!(fine, Progress::Done(_)), "one of a hundred: {fine}");
    postgres.run("delete from orders where id between 201 and 205").await;
    let less = real.observe(&call).await.expect("an answer").progress.to_string();
    assert!(
        less.contains("1 of 6 checks: `enough` failed") && less.contains("against 101"),
        "{less}"
    );
}

/// Goal: data that is missing, stale or wrong fails the check that looks at it, in words that say what
/// to do, and shows nobody's data.
/// Method: one kind of damage each, on a real server.
#[tokio::test]
async fn bad_data_fails_in_clear_words() {
    let postgres = postgres!();
    fill(&postgres).await;
    let query = |sql: &str, equals: Value| json!({ "name": "one", "query": { "sql": sql, "equals": equals } });
    for (check, meant) in [
        (
            json!({ "name": "one", "rows": { "table": "orders", "at_least": 102 } }),
            "`orders` has 101 rows, fewer than 102",
        ),
        (
            json!({ "name": "one", "rows": { "table": "gone", "at_least": 1 } }),
            "relation \"gone\" does not exist",
        ),
        (json!({ "name": "one", "roles": [READER, "app", "o'hare"] }), "missing: `app`, `o'hare`"),
        (json!({ "name": "one", "extensions": ["vector"] }), "missing: `vector`"),
        (query("select max(id) from orders", json!(7)), "it is `1000`, not `7`"),
        (
            query("select note from orders where id = 1", json!("x")),
            "it is another text, of 7 characters, not `x`",
        ),
        (query("select null", json!("x")), "it is null"),
        (query("select id from orders", json!(1)), "it gives 101 rows, not one"),
        (query("select 1, 2", json!(1)), "it gives 2 values, not one"),
        (query("select id from orders where false", json!(1)), "it gives 0 rows"),
        (query("select note::int from orders where id = 1", json!(1)), "a value does not fit"),
        (query("select rolpassword from pg_authid limit 1", json!(1)), "permission denied"),
        (
            query("with gone as (delete from orders returning 1) select 1", json!(1)),
            "read-only transaction",
        ),
        (query("select nextval('numbers')", json!(1)), "does not exist"),
    ] {
        let said = failure(&postgres, check.clone()).await;
        assert!(said.contains("`one` failed") && said.contains(meant), "{check}: {said}");
        assert!(!said.contains("order 1"), "{said}");
    }
    // Not even the owner may write through a check.
    postgres.run(&format!("grant all on orders to {READER}")).await;
    let said = failure(
        &postgres,
        query("with gone as (delete from orders returning 1) select count(*) from gone", json!(1)),
    )
    .await;
    assert!(said.contains("read-only transaction"), "{said}");
}

/// Goal: a statement that is no SQL is its author's mistake: the step ends at once, and names the check
/// and the place.
#[tokio::test]
async fn a_wrong_statement_is_refused_with_its_place() {
    let postgres = postgres!();
    fill(&postgres).await;
    for (sql, meant) in [
        (
            "select count(*) form orders",
            "syntax error at or near \"orders\" at character 22 (42601)",
        ),
        ("select id, count(*) from orders", "must appear in the GROUP BY clause"),
        ("select $1::int", "there is no parameter $1"),
    ] {
        let checks = json!([{ "name": "total", "query": { "sql": sql, "equals": 1 } }]);
        let seen = look(&shop(&postgres, checks), json!({})).await;
        let said = match seen {
            Ok(Progress::Refused { reason }) => reason,
            // Only running it shows that it wants a parameter.
            Ok(Progress::Failed { reason }) if sql.contains('$') => reason,
            other => panic!("{sql}: {other:?}"),
        };
        assert!(said.contains("`total`") && said.contains(meant), "{said}");
    }
}

/// Goal: the canary's age is counted against the instant that the data should be from: stale data fails
/// although every table is full, and what is not declared is not taken for passed.
#[tokio::test]
async fn stale_data_fails() {
    let postgres = postgres!();
    fill(&postgres).await;
    postgres
        .run(&format!(
            "create schema muster; grant usage on schema muster to {READER};
             create table muster.canary (slot int, written_at timestamptz);
             insert into muster.canary values (1, '2026-03-01T01:00:00Z'), (2, '2026-03-01T02:00:00Z');
             grant select on muster.canary to {READER};"
        ))
        .await;
    let checks = json!([{ "name": "age", "canary_age": { "max": "10m" } }]);
    let shop = shop_with(&postgres, json!({ "checks": checks, "canary": { "schema": "muster" } }));
    let restored = |data_time: Option<&str>| json!({ "endpoint": postgres.endpoint(Side::Primary), "data_time": data_time });
    done(&shop, restored(Some("2026-03-01T02:10:00Z"))).await;
    for data_time in ["2026-03-01T02:10:01Z", "2026-03-01T01:49:59Z"] {
        let seen = look(&shop, restored(Some(data_time))).await.expect("an answer").to_string();
        assert!(seen.contains("the newest canary is of 2026-03-01T02:00:00Z"), "{seen}");
    }
    let blind = look(&shop, restored(None)).await.expect("an answer").to_string();
    assert!(blind.contains("no check was made: `age` not done"), "{blind}");
    let source = look(&shop, json!({})).await.expect("an answer").to_string();
    assert!(source.contains("1 of 1 checks: `age` failed"), "old in the source, too: {source}");
    postgres.run("truncate muster.canary").await;
    let empty = look(&shop, restored(Some("2026-03-01T02:10:00Z"))).await.expect("an answer");
    assert!(empty.to_string().contains("no canary is in it"), "{empty}");
}

/// Goal: roles and extensions alone prove nothing about data.
#[tokio::test]
async fn what_proves_nothing_says_so() {
    let postgres = postgres!();
    fill(&postgres).await;
    let checks = json!([{ "name": "people", "roles": [READER] }]);
    let done = done(&shop(&postgres, checks), json!({})).await;
    assert_eq!(done.outputs["proves_data"], json!(false));
    assert!(done.notes[0].contains("no check that passed says anything"), "{:?}", done.notes);
}

/// Goal: a statement that does not end is stopped by the server at its limit, and that is a failure of
/// the check and not a silence.
#[tokio::test]
async fn a_statement_without_end_is_stopped() {
    let postgres = postgres!();
    fill(&postgres).await;
    let checks =
        json!([{ "name": "slow", "query": { "sql": "select pg_sleep(600)", "equals": "" } }]);
    let mut shop = shop(&postgres, checks);
    shop.databases[0].sql.as_mut().expect("declared").statement_limit =
        "1s".parse().expect("a span");
    let began = Clock::Real.now();
    let seen = look(&shop, json!({})).await.expect("an answer").to_string();
    assert!(seen.contains("`slow` failed: it was stopped after 1s"), "{seen}");
    let took = Clock::Real.now().duration_since(began);
    assert!(took.as_secs() < 10, "{took:#}");
    // A role without any limit of its own: it was ours.
    let role = postgres.ask(Side::Primary, "show statement_timeout").await;
    assert_eq!(role, Ok(vec![vec![Some("0".to_owned())]]));
}

/// Goal: a server that is not there, or that says nothing, is no answer and never a failed check.
/// Method: a port where nobody listens; one that takes connections and is silent; a server that is
/// stopped while a statement runs.
#[tokio::test]
async fn silence_is_no_answer() {
    let mut postgres = postgres!();
    fill(&postgres).await;
    let checks =
        json!([{ "name": "slow", "query": { "sql": "select pg_sleep(20)", "equals": "" } }]);
    let mut shop = shop(&postgres, checks);
    let nobody = json!({ "endpoint": format!("127.0.0.1:{}", free_port()) });
    let why = look(&shop, nobody).await.expect_err("nobody listens");
    assert!(matches!(why, CallError::NoAnswer { .. }), "{why:?}");

    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let deaf_at = json!({ "endpoint": deaf.local_addr().expect("an address").to_string() });
    let why = look(&shop, deaf_at).await.expect_err("nobody speaks");
    let said = in_one_line(&why);
    assert!(matches!(why, CallError::NoAnswer { .. }), "{said}");
    assert!(said.contains("did not let us in within 5s"), "{said}");

    shop.databases[0].sql.as_mut().expect("declared").statement_limit =
        "20s".parse().expect("a span");
    let (real, call) = (real(Clock::Real).await, check(&shop, json!({})));
    let killing = async {
        let asleep = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'";
        while postgres.ask(Side::Primary, asleep).await != Ok(vec![vec![Some("1".to_owned())]]) {
            muster_tests::daemon::pause().await;
        }
        postgres.stop(Side::Primary);
    };
    let (seen, ()) = futures::join!(real.observe(&call), killing);
    let why = seen.expect_err("it was stopped");
    assert!(matches!(why, CallError::NoAnswer { .. }), "{why:?}");
}

/// Goal: a wrong password stops the run for a person, and stands in no message; neither does a right
/// one.
#[tokio::test]
async fn a_wrong_password_is_not_shown() {
    let postgres = postgres!();
    fill(&postgres).await;
    let shop = shop(&postgres, all());
    postgres.run(&format!("alter role {READER} password 'another'")).await;
    let why = look(&shop, json!({})).await.expect_err("it is wrong");
    assert!(matches!(&why, CallError::Credentials { code, .. } if code == "28P01"), "{why:?}");
    let said = format!("{why} {why:?} {}", in_one_line(&why));
    assert!(!said.contains(&password()), "{said}");
    postgres.run(&format!("alter role {READER} password {} nologin", literal(&password()))).await;
    let why = look(&shop, json!({})).await.expect_err("it may not log in");
    assert!(matches!(why, CallError::Credentials { .. }), "{why:?}");

    let mut nowhere = shop.clone();
    nowhere.databases[0].sql.as_mut().expect("declared").login.password_env =
        Some("MUSTER_TEST_NO_SUCH_VARIABLE".to_owned());
    let why = look(&nowhere, json!({})).await.expect_err("there is none").to_string();
    assert!(why.contains("the environment has no `MUSTER_TEST_NO_SUCH_VARIABLE`"), "{why}");
}
