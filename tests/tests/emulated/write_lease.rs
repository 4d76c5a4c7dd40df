//! The application's write lease on S3: it changes hands once, and proves a fence that nobody can see.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::application::{Application, write_lease::Holder};
use muster_state::call::Progress;
use muster_tests::emulator::{
    EAST, Emulator, WEST,
    aws::cluster_arn,
    calls::{application, call, carry_out, look},
};
use serde_json::json;

use super::world;

const THIRD: &str = "eu-central-1";

async fn shop(world: &Emulator) -> Application {
    world.global_pair().await;
    world.bucket(THIRD, "locks").await;
    world.put_text(THIRD, "locks/writer", held(EAST, 7, world.now())).await;
    application(json!({
        "databases": [{
            "name": "orders",
            "global_cluster": "orders",
            "clusters": {
                EAST: cluster_arn(EAST, "orders-east"),
                WEST: cluster_arn(WEST, "orders-west"),
            },
        }],
        "write_lease": { "region": THIRD, "bucket": "locks", "key": "writer", "length": "30s", "skew": "2s" },
    }))
}

fn held(holder: &str, epoch: u64, from: Timestamp) -> String {
    json!({ "holder": holder, "epoch": epoch, "from": from, "by": "shop" }).to_string()
}

async fn holder(world: &Emulator) -> Holder {
    serde_json::from_str(&world.get(THIRD, "locks/writer").await).expect("a lease")
}

/// Goal: with the old region silent, the lease changes hands once and proves the fence, but not before whoever
/// held it has stopped.
/// Method: the answer to the write is lost; the fence is looked at before and after the last renewal ran out.
#[tokio::test]
async fn it_changes_hands_and_proves_the_fence() {
    let mut world = world!();
    let shop = shop(&world).await;
    world.fault("silence", json!({ "region": EAST, "how": "reset" })).await;
    let real = world.real(Vec::new()).await;
    let mut fencing = call(&world, &shop, "fence", json!({}));
    let seen = look(&world, &real, &mut fencing).await;
    assert!(matches!(seen, Progress::InProgress { .. }), "the old side still holds it: {seen}");

    world.fault("lose", json!({ "service": "s3", "operation": "PutObject" })).await;
    let asked_at = world.now();
    let mut taking = call(&world, &shop, "take-write-lease", json!({ "to": "standby" }));
    let taken = carry_out(&mut world, &real, &mut taking, 5).await;
    assert_eq!(
        (taken.begins, &taken.done.outputs["lease"]),
        (1, &json!("taken")),
        "{:?}",
        taken.seen
    );
    let now_holds = holder(&world).await;
    assert_eq!((now_holds.holder.as_str(), now_holds.epoch), (WEST, 8));
    assert_eq!(now_holds.by, taking.token.to_string());
    assert!(now_holds.from >= asked_at + SignedDuration::from_secs(32), "{now_holds:?}");

    let seen = look(&world, &real, &mut fencing).await.to_string();
    assert!(seen.contains("us-west-2 alone holds the write lease from"), "{seen}");
    world.pass(40);
    let Progress::Done(fenced) = look(&world, &real, &mut fencing).await else {
        panic!("no verdict")
    };
    assert_eq!(fenced.outputs["verdict"], json!("proven"));
}

/// Goal: whoever renews in between is not overrun, and nothing is taken that is no lease.
/// Method: the object changes between the look and the write, by a condition that fails once; then it is gone,
/// and then it is something else.
#[tokio::test]
async fn what_is_not_taken() {
    let world = world!();
    let shop = shop(&world).await;
    let real = world.real(Vec::new()).await;
    let mut taking = call(&world, &shop, "take-write-lease", json!({ "to": "active" }));
    let Progress::Done(done) = look(&world, &real, &mut taking).await else {
        panic!("it holds it")
    };
    assert_eq!(done.outputs["lease"], json!("taken"));
    assert!(done.notes[0].contains("already"), "{:?}", done.notes);

    world.put_text(THIRD, "locks/writer", "{}".to_owned()).await;
    let mut taking = call(&world, &shop, "take-write-lease", json!({ "to": "standby" }));
    taking.asked_at = world.now();
    let refused = real.observe(&taking).await.expect_err("it is no lease").to_string();
    assert!(refused.contains("is no write lease"), "{refused}");
    // Without a lease that is declared there is nothing to do.
    let plain = application(json!({}));
    let mut taking = call(&world, &plain, "take-write-lease", json!({ "to": "standby" }));
    let Progress::Done(done) = look(&world, &real, &mut taking).await else {
        panic!("nothing to do")
    };
    assert_eq!(done.outputs["lease"], json!("none"));
}

/// Goal: a failover that was given up gives the lease back to the side that writes.
#[tokio::test]
async fn it_goes_back_to_whoever_writes() {
    let mut world = world!();
    let shop = shop(&world).await;
    let real = world.real(Vec::new()).await;
    let mut taking = call(&world, &shop, "take-write-lease", json!({ "to": "standby" }));
    carry_out(&mut world, &real, &mut taking, 5).await;
    assert_eq!(holder(&world).await.holder.as_str(), WEST);
    let mut settling = call(&world, &shop, "take-write-lease", json!({}));
    carry_out(&mut world, &real, &mut settling, 5).await;
    let back = holder(&world).await;
    assert_eq!((back.holder.as_str(), back.epoch), (EAST, 9));
}
