//! The published schema.

use muster_runbooks::{action::Action, runbook::schema::schema};

/// Goal: the schema that editors use changes only on purpose, and knows every action.
/// Method: a snapshot of what is not made from the list of actions, and a count of what is.
#[test]
fn the_schema_is_known() {
    let mut schema = schema();
    let tasks = schema["$defs"]["task"]["oneOf"].as_array().unwrap();
    assert_eq!(tasks.len(), Action::SPECS.len());
    let failover =
        tasks.iter().find(|task| task["properties"]["do"]["const"] == "failover-database");
    insta::assert_snapshot!("schema_of_an_action", format!("{:#}", failover.unwrap()));
    schema["$defs"]["task"]["oneOf"] = "…".into();
    insta::assert_snapshot!("schema", format!("{schema:#}"));
}
