//! SQL against a real PostgreSQL: the checks of data, the canary, and what its role may do.

mod canary;
mod checks;
mod divergence;
mod grant;
mod login;
mod simulated;

use muster::world::{
    aws::Access,
    real::{Real, Settings},
};
use muster_runbooks::application::Application;
use muster_tests::{
    emulator::{EAST, WEST, calls},
    postgres::{Postgres, Side},
};
use serde_json::{Value, json};

/// Starts the server of a test, or ends the test with a skip that is written down.
macro_rules! postgres {
    () => {
        match muster_tests::postgres::Postgres::start().await {
            Some(postgres) => postgres,
            None => return,
        }
    };
}
use postgres;

/// The role that checks.
const READER: &str = "reader";

/// The variable that holds the reader's password: one that every process has, for a test cannot set
/// its own environment.
const PASSWORD_ENV: &str = "PATH";

fn password() -> String {
    std::env::var(PASSWORD_ENV).expect("a path")
}

/// A text as it stands in a statement.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Makes the table `orders` with a hundred rows, a sentinel, and the reader.
async fn fill(postgres: &Postgres) {
    let password = literal(&password());
    postgres
        .run(&format!(
            "create table orders (id int primary key, note text not null);
             insert into orders select n, 'order ' || n from generate_series(1, 100) n;
             insert into orders values (1000, 'the sentinel');
             create role {READER} login password {password};
             grant select on orders to {READER};"
        ))
        .await;
}

/// The application `shop`, whose database is reached at the primary from both sides, with checks.
fn shop(postgres: &Postgres, checks: Value) -> Application {
    shop_with(postgres, json!({ "checks": checks }))
}

fn shop_with(postgres: &Postgres, more: Value) -> Application {
    let mut shop = serde_json::to_value(calls::application(Value::Null)).expect("JSON");
    // What is not there is left out in a file.
    shop.as_object_mut().expect("a map").retain(|_, value| !value.is_null());
    let database = &mut shop["databases"][0];
    database["sql"] = sql(&postgres.endpoint(Side::Primary), &postgres.endpoint(Side::Primary));
    for (name, value) in more.as_object().into_iter().flatten() {
        database[name] = value.clone();
    }
    // As a file, so that what is tested is what can be written.
    let checked = Application::check("shop.yaml", &shop.to_string());
    let errors: Vec<String> = checked
        .findings
        .iter()
        .filter(|one| one.rule != "no-copy-key" && one.rule != "proves-nothing")
        .map(ToString::to_string)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    checked.value.expect("an application")
}

fn sql(east: &str, west: &str) -> Value {
    json!({
        "database": "postgres", "user": READER, "password_env": PASSWORD_ENV,
        "sslmode": "disable", "endpoints": { EAST: east, WEST: west },
    })
}

/// The real world; its AWS is nowhere.
async fn real(clock: muster::clock::Clock) -> Real {
    let access = Access::Emulator { endpoint: "http://127.0.0.1:1".to_owned() };
    let settings = Settings {
        access,
        kubeconfig: None,
        receivers: Vec::new(),
        rates: Default::default(),
        clock,
        epoch: 7,
        comparisons: None,
    };
    Real::new(settings).await.expect("the clients are made")
}
