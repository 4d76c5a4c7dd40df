//! Recovery points: taken, copied under another key, marked and deleted.

use std::sync::Arc;

use muster_state::{
    call::{Call, Progress},
    catalog::{PointChange, RecoveryPoint},
};
use muster_tests::emulator::{
    EAST, Emulator, WEST,
    calls::{Carried, application, call, carry_out, look},
};
use serde_json::{Value, json};

use super::world;

fn point(carried: &Carried) -> &RecoveryPoint {
    match carried.done.points.as_slice() {
        [PointChange::Recorded(point)] => point,
        other => panic!("{other:?}"),
    }
}

async fn taking(world: &Emulator) -> Call {
    world.global_pair().await;
    let with = json!({ "at": "active", "schema_version": "v42" });
    call(world, &application(Value::Null), "snapshot-database", with)
}

/// Goal: a backup ends up in the other region under that region's key, and both points say how old
/// their data is by the provider's time.
/// Method: take one that takes a minute, copy it for an hour with 0 % for half of it.
#[tokio::test]
async fn a_snapshot_is_taken_and_copied_under_another_key() {
    let mut world = world!();
    let mut taking = taking(&world).await;
    world
        .set(json!({ "snapshot_secs": 60, "copy_secs": 3600, "copy_zero_secs": 1800, "page_max": 20 }))
        .await;
    let real = world.real(Vec::new()).await;
    let taken = carry_out(&mut world, &real, &mut taking, 20).await;
    assert_eq!(taken.begins, 1);
    assert_eq!(
        taken.seen,
        [
            "not started",
            "`muster-r00000000001-snapshot-database-1` is creating, 33 %",
            "`muster-r00000000001-snapshot-database-1` is creating, 66 %",
            "done"
        ]
    );
    let source = point(&taken);
    assert_eq!(source.region.as_str(), EAST);
    assert_eq!(source.data_time, taking.started_at);

    let key = world.key(WEST).await;
    let mut shop = application(Value::Null);
    shop.databases[0].copy_keys.insert(WEST.to_owned(), key.clone());
    let with = json!({ "snapshot": source.id, "data_time": source.data_time, "to": "standby" });
    let mut copying = call(&world, &shop, "copy-snapshot", with);
    let copied = carry_out(&mut world, &real, &mut copying, 600).await;
    let copy = point(&copied);
    assert_eq!(copied.begins, 1);
    assert_eq!((copy.region.as_str(), copy.key.as_deref()), (WEST, Some(key.as_str())));
    assert_eq!((copy.data_time, copy.copied_from.as_ref()), (source.data_time, Some(&source.id)));
    assert_eq!(world.count("snapshot-created").await, 1);
    assert_eq!(world.count("snapshot-copied").await, 1);
    let described = world.rds(WEST, "DescribeDBClusterSnapshots", &[]).await;
    for tag in ["muster:run", "muster:data-time", "muster:epoch"] {
        assert!(described.contains(tag), "{tag}: {described}");
    }
}

/// Goal: whatever is lost on the wire, one token is one snapshot.
/// Method: throttle the first begin, lose the reply of the second, and read two minutes into the past.
#[tokio::test]
async fn a_lost_reply_and_stale_reads_make_no_second_snapshot() {
    let mut world = world!();
    let mut taking = taking(&world).await;
    let operation = "CreateDBClusterSnapshot";
    world.fault("throttle", json!({ "service": "rds", "operation": operation, "times": 1 })).await;
    world.fault("lose", json!({ "service": "rds", "operation": operation })).await;
    world.set(json!({ "stale_read_secs": 60 })).await;
    let real = world.real(Vec::new()).await;
    let taken = carry_out(&mut world, &real, &mut taking, 15).await;
    // Begun again while the past was read: AWS refuses the name, and that is success.
    assert!(taken.begins > 2, "{taken:?}");
    assert_eq!(world.count("snapshot-created").await, 1);
    assert_eq!(world.calls(operation).await.len(), taken.begins, "each begin is sent once");
}

/// Goal: a cluster in its backup window and a source that is not ready are waited for.
/// Method: put them in such a state for a while.
#[tokio::test]
async fn what_is_busy_is_waited_for() {
    let mut world = world!();
    let mut taking = taking(&world).await;
    let real = world.real(Vec::new()).await;
    world.status(EAST, "cluster", "orders-east", "backing-up").await;
    assert!(matches!(look(&world, &real, &mut taking).await, Progress::NotStarted { .. }));
    let answer = real.begin(&taking).await.unwrap();
    assert!(format!("{answer:?}").contains("Busy"), "{answer:?}");
    world.status(EAST, "cluster", "orders-east", "available").await;
    world.set(json!({ "snapshot_secs": 600 })).await;
    assert_eq!(format!("{:?}", real.begin(&taking).await.unwrap()), "Accepted");

    let shop = application(Value::Null);
    let source = format!("arn:aws:rds:{EAST}:123456789012:cluster-snapshot:{}", taking.token);
    let with = json!({ "snapshot": source, "data_time": world.now(), "to": "standby" });
    let copying = call(&world, &shop, "copy-snapshot", with);
    let answer = real.begin(&copying).await.unwrap();
    assert!(format!("{answer:?}").contains("Busy"), "{answer:?}");
    world.pass(600);
    // No key of the west: refused for good, in AWS's own words.
    let refused = real.begin(&copying).await.unwrap_err().to_string();
    assert!(refused.contains("KMSKeyNotAccessibleFault"), "{refused}");
}

/// Goal: somebody else's snapshot of our name is nobody's success.
#[tokio::test]
async fn a_strangers_snapshot_is_not_ours() {
    let world = world!();
    let mut taking = taking(&world).await;
    let name = taking.token.to_string();
    let with = [("DBClusterIdentifier", "orders-east"), ("DBClusterSnapshotIdentifier", &*name)];
    world.rds(EAST, "CreateDBClusterSnapshot", &with).await;
    let real = world.real(Vec::new()).await;
    let seen = look(&world, &real, &mut taking).await;
    assert!(matches!(seen, Progress::Foreign { .. }), "{seen}");
}

/// Goal: old points go, and never the newest three, one that is not ours, or more than the cap.
/// Method: seven points of ours a day apart and a stranger's; one deletion is refused, one loses its
/// reply.
#[tokio::test]
async fn old_points_are_marked_and_then_deleted() {
    let mut world = world!();
    world.global_pair().await;
    world.set(json!({ "page_max": 20 })).await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let mut points = Vec::new();
    for number in 1..=7 {
        let mut taking = call(&world, &shop, "snapshot-database", json!({ "at": "active" }));
        taking.run = format!("r0000000000{number}").parse().unwrap();
        taking.token = muster_runbooks::name::Token::new(&taking.run, &taking.step, 1, false);
        points.push(point(&carry_out(&mut world, &real, &mut taking, 1).await).clone());
        world.pass(24 * 3600);
    }
    let mine = [("DBClusterIdentifier", "orders-east"), ("DBClusterSnapshotIdentifier", "by-hand")];
    world.rds(EAST, "CreateDBClusterSnapshot", &mine).await;

    let mut marking = call(&world, &shop, "mark-expired", json!({ "at": "active" }));
    marking.points = Arc::from(points.clone());
    let marked = carry_out(&mut world, &real, &mut marking, 1).await.done;
    assert_eq!((&marked.outputs["marked"], &marked.outputs["kept"]), (&json!(4), &json!(3)));
    for change in &marked.points {
        let PointChange::Marked { id, .. } = change else { panic!("{change:?}") };
        let point = points.iter_mut().find(|point| point.id == *id).unwrap();
        point.marked_at = Some(world.now());
    }

    let mut deleting = call(&world, &shop, "delete-expired", json!({ "at": "active", "cap": 3 }));
    deleting.points = Arc::from(points.clone());
    // Not a day has passed.
    let none = carry_out(&mut world, &real, &mut deleting, 1).await;
    assert_eq!((none.begins, &none.done.outputs["deleted"]), (1, &json!(0)));
    world.pass(24 * 3600);
    deleting.aim = None;
    deleting.not_after = world.now() + jiff::SignedDuration::from_hours(1);
    let names: Vec<&str> =
        points.iter().map(|point| point.id.rsplit(':').next().unwrap()).collect();
    world.fault("lose", json!({ "service": "rds", "operation": "DeleteDBClusterSnapshot" })).await;
    let gone = carry_out(&mut world, &real, &mut deleting, 1).await;
    assert_eq!(world.count("snapshot-deleted").await, 3, "the cap");
    // The one whose reply was lost is not called deleted, and not tried again.
    assert_eq!(
        (&gone.done.outputs["deleted"], &gone.done.outputs["undeletable"]),
        (&json!(2), &json!(1))
    );
    assert_eq!((gone.begins, gone.done.notes.len()), (1, 1));
    let left = world.rds(EAST, "DescribeDBClusterSnapshots", &[("SnapshotType", "manual")]).await;
    let is_left = |name: &str| left.contains(&format!("<DBClusterSnapshotIdentifier>{name}<"));
    for kept in [names[4], names[5], names[6], "by-hand"] {
        assert!(is_left(kept), "{kept}: {left}");
    }
    assert_eq!(names.iter().filter(|name| is_left(name)).count(), 4);

    // The next marking finds out what became of it.
    marking.points = Arc::from(points);
    let again = carry_out(&mut world, &real, &mut marking, 1).await.done;
    let is_gone = |change: &&PointChange| matches!(change, PointChange::Deleted { .. });
    assert_eq!(again.points.iter().filter(is_gone).count(), 3);
}

/// Goal: nothing is deleted when the cluster is gone, or when the list could not be read.
#[tokio::test]
async fn nothing_is_deleted_on_a_guess() {
    let world = world!();
    world.global_pair().await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let mut deleting = call(&world, &shop, "delete-expired", json!({ "at": "active", "cap": 3 }));
    let lists =
        json!({ "service": "rds", "operation": "DescribeDBClusterSnapshots", "how": "reset" });
    world.fault("silence", lists).await;
    let why = real.observe(&deleting).await.unwrap_err().to_string();
    assert!(why.contains("no answer from rds us-east-1 to DescribeDBClusterSnapshots"), "{why}");
    world.heal().await;
    let mut elsewhere = shop.clone();
    elsewhere.databases[0]
        .clusters
        .insert(EAST.to_owned(), "arn:aws:rds:us-east-1:123456789012:cluster:gone".to_owned());
    deleting = call(&world, &elsewhere, "delete-expired", json!({ "at": "active", "cap": 3 }));
    let seen = look(&world, &real, &mut deleting).await;
    assert!(matches!(seen, Progress::Refused { .. }), "{seen}");
}

/// Goal: many that wait for the same list ask for it once (facts §8, rates).
/// Method: four steps look at once, and again a second later.
#[tokio::test]
async fn those_who_wait_share_a_list() {
    let mut world = world!();
    let mut taking = taking(&world).await;
    world.set(json!({ "snapshot_secs": 600 })).await;
    let real = world.real(Vec::new()).await;
    real.observe(&taking).await.unwrap();
    real.begin(&taking).await.unwrap();
    world.pass(10);
    let before = world.calls("DescribeDBClusterSnapshots").await.len();
    for _ in 0..2 {
        taking.asked_at = world.now();
        let look = || real.observe(&taking);
        let (one, two, three, four) = tokio::join!(look(), look(), look(), look());
        for seen in [one, two, three, four] {
            let seen = seen.unwrap().progress.to_string();
            assert!(seen.contains("is creating"), "{seen}");
        }
        world.pass(1);
    }
    let after = world.calls("DescribeDBClusterSnapshots").await.len();
    assert_eq!(after - before, 1);
}
