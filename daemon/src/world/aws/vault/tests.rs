//! What a snapshot's attributes mean.

use muster_runbooks::application::Component;
use muster_state::step::Aim;

use super::*;
use crate::world::aws::fixture::{at, call};

const SNAPSHOT: &str = "arn:aws:rds:us-west-2:123456789012:cluster-snapshot:muster-r1-copy-1";

fn with_vault(name: &str) -> Call {
    let mut call = call(name, json!({ "snapshot": SNAPSHOT, "at": "standby" }));
    let mut database = database(&call).unwrap().clone();
    database.vault = serde_json::from_value(json!({
        "account": "999988887777", "region": "us-west-2",
        "role": "arn:aws:iam::999988887777:role/muster-vault",
        "key": "arn:aws:kms:us-west-2:999988887777:key/a",
    }))
    .unwrap();
    call.component = Some(Arc::new(Component::Database(database)));
    call
}

fn set(accounts: &[&str]) -> BTreeSet<String> {
    accounts.iter().map(|account| (*account).to_owned()).collect()
}

/// Goal: shared means shared with the vault, whoever else may copy; everybody is for a person to look at.
#[test]
fn shared_with_whom() {
    let call = with_vault("share-snapshot");
    let vault = vault(&call).unwrap();
    for (accounts, meant) in [
        (&[][..], "not started"),
        (&["111122223333"], "not started"),
        (&["999988887777"], "done"),
        (&["111122223333", "999988887777"], "done"),
        (&["all"], "not ours: "),
        (&["all", "999988887777"], "not ours: "),
    ] {
        let said = shared(vault, SNAPSHOT, &set(accounts)).to_string();
        assert!(said.starts_with(meant), "{accounts:?}: {said}");
    }
    let before = shared(vault, SNAPSHOT, &set(&["111122223333"]));
    let Progress::NotStarted { before, targets } = before else { panic!() };
    assert_eq!(
        (before, targets),
        (json!({ "shared_with": ["111122223333"] }), vec![SNAPSHOT.to_owned()])
    );
}

/// Goal: that nothing is shared is no stranger's hand: what stands before is written down first, and then
/// it is done.
#[test]
fn taken_back_after_it_was_looked_at() {
    let mut call = with_vault("unshare-snapshot");
    let said = |call: &Call, accounts: &[&str]| {
        unshared(call, vault(call).unwrap(), SNAPSHOT, &set(accounts)).to_string()
    };
    assert_eq!(said(&call, &[]), "not started");
    assert_eq!(said(&call, &["999988887777"]), "not started");
    assert!(said(&call, &["all"]).starts_with("not ours"));
    let aim = Aim { at: at("2026-03-01T02:01:00Z"), before: json!({}), targets: Vec::new() };
    call.aim = Some(Arc::new(aim));
    assert_eq!(said(&call, &["999988887777"]), "not started", "still shared");
    assert_eq!(said(&call, &["111122223333"]), "done", "with others it is none of ours");
    assert_eq!(said(&call, &[]), "done");
}
