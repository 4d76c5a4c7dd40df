//! Another account in the simulated world.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use muster::world::sim::{Fault, Sim};
use muster_runbooks::application::Application;
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    catalog::{PointChange, RecoveryPoint},
    step::Aim,
};
use muster_tests::emulator::calls::{application, call_at};
use serde_json::{Value, json};

const VAULT: &str = "999988887777";

fn shop() -> Application {
    let mut shop = application(Value::Null);
    shop.databases[0].vault = serde_json::from_value(json!({
        "account": VAULT, "region": "us-west-2", "role": "arn:aws:iam::999988887777:role/muster-vault",
        "key": "arn:aws:kms:us-west-2:999988887777:key/a",
    }))
    .unwrap();
    shop
}

/// Carries a call out, a minute apart.
fn carry(sim: &mut Sim, now: &mut Timestamp, call: &mut Call) -> Result<Done, CallError> {
    for _ in 0..600 {
        call.asked_at = *now;
        match sim.observe(*now, call)?.progress {
            Progress::Done(done) => return Ok(done),
            Progress::NotStarted { before, targets } => {
                call.aim.get_or_insert_with(|| Arc::new(Aim { at: *now, before, targets }));
                if let Answer::Done(done) = sim.begin(*now, call)? {
                    return Ok(done);
                }
            }
            Progress::InProgress { .. } => {}
            other @ (Progress::Failed { .. }
            | Progress::Refused { .. }
            | Progress::Foreign { .. }) => {
                panic!("{other}")
            }
        }
        *now += SignedDuration::from_mins(1);
    }
    panic!("it does not end")
}

fn point(done: Done) -> RecoveryPoint {
    match done.points.as_slice() {
        [PointChange::Recorded(point)] => (**point).clone(),
        other => panic!("{other:?}"),
    }
}

/// Goal: the simulated vault is as strict as a real one: nothing is copied that is not shared, nobody comes
/// in while it is closed, and what lies there is not seen from outside.
/// Method: a night by hand; the share is looked for in the world itself.
#[test]
fn a_simulated_vault() {
    let shop = shop();
    let start: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
    let (mut sim, mut now) = (Sim::new(7, std::slice::from_ref(&shop), start), start);
    let mut taking = call_at(now, &shop, "snapshot-database", json!({ "at": "active" }));
    let taken = point(carry(&mut sim, &mut now, &mut taking).unwrap());
    let with = json!({ "snapshot": taken.id, "data_time": taken.data_time, "to": "standby" });
    let mut copying = call_at(now, &shop, "copy-snapshot", with);
    let copied = point(carry(&mut sim, &mut now, &mut copying).unwrap());

    let with = json!({ "snapshot": copied.id, "data_time": taken.data_time, "at": "standby" });
    let mut filling = call_at(now, &shop, "copy-to-vault", with);
    let refused = sim.begin(now, &filling).unwrap_err();
    assert!(matches!(refused, CallError::Refused { .. }), "not shared: {refused}");
    let at = json!({ "snapshot": copied.id, "at": "standby" });
    let mut sharing = call_at(now, &shop, "share-snapshot", at.clone());
    carry(&mut sim, &mut now, &mut sharing).unwrap();
    assert_eq!(sim.truth().shares(now), [(copied.id.clone(), VAULT.to_owned())]);

    sim.inject(now, Fault::VaultClosed { length: "10m".parse().unwrap() });
    for refused in [sim.observe(now, &filling).map(drop), sim.begin(now, &filling).map(drop)] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("AssumeRole") && refused.contains("muster-vault"), "{refused}");
    }
    let closed = sim.inventory(now, &shop);
    assert!(closed.vaults[&shop.databases[0].name].points.is_err());
    now += SignedDuration::from_mins(11);
    let kept = point(carry(&mut sim, &mut now, &mut filling).unwrap());
    assert_eq!((kept.account.as_str(), kept.data_time), (VAULT, taken.data_time));
    assert_eq!(kept.key.as_deref(), Some("arn:aws:kms:us-west-2:999988887777:key/a"));

    let mut unsharing = call_at(now, &shop, "unshare-snapshot", at.clone());
    carry(&mut sim, &mut now, &mut unsharing).unwrap();
    let mut again = call_at(now, &shop, "unshare-snapshot", at);
    carry(&mut sim, &mut now, &mut again).unwrap();
    assert_eq!(sim.truth().shares(now), []);
    let modifies = sim.truth().effects().iter();
    let modifies = modifies.filter(|one| one.operation == "ModifyDBClusterSnapshotAttribute");
    assert_eq!(modifies.count(), 2, "the second end of the share changed nothing");

    let seen = sim.inventory(now, &shop);
    let west = (shop.databases[0].name.clone(), "us-west-2".parse().unwrap());
    let ids =
        |points: &std::collections::BTreeMap<String, _>| points.keys().cloned().collect::<Vec<_>>();
    assert_eq!(ids(seen.databases[&west].points.as_ref().unwrap()), [copied.id]);
    assert_eq!(ids(seen.vaults[&west.0].points.as_ref().unwrap()), std::slice::from_ref(&kept.id));
    let mut marking = call_at(now, &shop, "mark-expired", json!({ "at": "vault" }));
    marking.points = [taken, kept].into();
    let marked = carry(&mut sim, &mut now, &mut marking).unwrap();
    assert_eq!((&marked.outputs["marked"], &marked.outputs["kept"]), (&json!(0), &json!(1)));
}
