//! Snapshots of caches and exports of Kubernetes objects: marked, and deleted a day later.

use std::sync::Arc;

use muster::world::real::Real;
use muster_runbooks::{action::ComponentKind, application::Application, name::Token};
use muster_state::{
    call::{Call, CallError, Done, Progress},
    catalog::{PointChange, RecoveryPoint},
};
use muster_tests::{
    emulator::{
        EAST, Emulator, WEST,
        calls::{about, application, call, carry_out, look},
    },
    kubernetes::Clusters,
};
use serde_json::{Value, json};

use super::world;

const DAY_SECS: i64 = 24 * 3600;

/// An application whose points of one kind are kept for a day.
struct Shop {
    real: Real,
    shop: Application,
    kind: ComponentKind,
}

impl Shop {
    /// Six points, a day apart, and another day.
    async fn six(&self, world: &mut Emulator, action: &str, with: Value) -> Vec<RecoveryPoint> {
        let mut points = Vec::new();
        for number in 1..=6 {
            let mut making = call(world, &self.shop, action, with.clone());
            making.run = format!("r0000000000{number}").parse().unwrap();
            making.token = Token::new(&making.run, &making.step, 1, false);
            let made = carry_out(world, &self.real, &mut making, 5).await.done;
            let [PointChange::Recorded(point)] = made.points.as_slice() else { panic!("{made:?}") };
            // An API server shows the time of its machine, and not that of this world.
            points.push(RecoveryPoint { data_time: world.now(), ..(**point).clone() });
            world.pass(DAY_SECS);
        }
        points
    }

    /// Marks what may go, in the catalogue too.
    async fn mark(&self, world: &mut Emulator, points: &mut [RecoveryPoint]) -> Done {
        let marking = call(world, &self.shop, "mark-expired", json!({ "at": "active" }));
        let mut marking = about(marking, self.kind);
        marking.points = Arc::from(points.to_vec());
        let done = carry_out(world, &self.real, &mut marking, 1).await.done;
        for change in &done.points {
            let PointChange::Marked { id, .. } = change else { continue };
            let point = points.iter_mut().find(|point| point.id == *id).expect("a known point");
            point.marked_at = Some(world.now());
        }
        done
    }

    fn deleting(&self, world: &Emulator, points: &[RecoveryPoint]) -> Call {
        let with = json!({ "at": "active", "cap": 10 });
        let mut deleting = about(call(world, &self.shop, "delete-expired", with), self.kind);
        deleting.points = Arc::from(points.to_vec());
        deleting
    }

    /// Marks the first three, sees none go on that day, and on the next day one that is not what the
    /// catalogue means, one whose answer is lost, and one that goes. The next marking finds out about both.
    async fn lets_go(&self, world: &mut Emulator, points: &mut [RecoveryPoint], deletion: Value) {
        let marked = self.mark(world, points).await;
        assert_eq!((&marked.outputs["marked"], &marked.outputs["kept"]), (&json!(3), &json!(3)));
        let none = carry_out(world, &self.real, &mut self.deleting(world, points), 1).await.done;
        assert_eq!(none.outputs["deleted"], json!(0), "not a day has passed");

        world.pass(DAY_SECS);
        world.fault("lose", deletion).await;
        let gone = carry_out(world, &self.real, &mut self.deleting(world, points), 1).await;
        let counts = (&gone.done.outputs["deleted"], &gone.done.outputs["undeletable"]);
        assert_eq!((gone.begins, counts), (1, (&json!(1), &json!(2))), "{:?}", gone.done);
        assert_eq!(gone.done.points, [PointChange::Deleted { id: points[2].id.clone() }]);
        let notes = &gone.done.notes;
        assert!(
            notes[0].contains(&points[0].id) && notes[0].contains("does not bear"),
            "{notes:?}"
        );
        assert!(notes[1].contains(&points[1].id) && notes[1].contains("no answer"), "{notes:?}");

        let again = self.mark(world, &mut points[..2]).await;
        assert_eq!(again.points, [PointChange::Deleted { id: points[1].id.clone() }]);
    }

    /// Sees that nothing is deleted where it could not be seen what there is, neither after a look nor
    /// after an aim.
    async fn goes_by_no_half_list(
        &self,
        world: &mut Emulator,
        points: &[RecoveryPoint],
        list: Value,
    ) {
        let mut deleting = self.deleting(world, points);
        let Progress::NotStarted { before, targets } = look(world, &self.real, &mut deleting).await
        else {
            panic!("it is not aimed")
        };
        assert!(!targets.is_empty());
        // A list of this second would serve once more.
        world.pass(60);
        deleting.asked_at = world.now();
        world.fault("silence", list).await;
        let aim = muster_state::step::Aim { at: world.now(), before, targets };
        let aimed = Call { aim: Some(Arc::new(aim)), ..deleting.clone() };
        for why in
            [self.real.observe(&deleting).await.map(drop), self.real.begin(&aimed).await.map(drop)]
        {
            let why = why.unwrap_err();
            assert!(matches!(why, CallError::NoAnswer { .. }), "{why}");
        }
        world.heal().await;
    }
}

/// The names of the snapshots that a region's caches have.
async fn saved(world: &Emulator) -> Vec<String> {
    let said = world.elasticache(EAST, "DescribeSnapshots", &[]).await;
    let names = said.split("<SnapshotName>").skip(1);
    names.filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect()
}

async fn cached(world: &Emulator) -> Shop {
    world.cache(EAST, "sessions").await;
    let shop = application(json!({ "caches": [{
        "name": "sessions", "replication_groups": { EAST: "sessions" }, "retention": { "keep_for": "24h" },
    }] }));
    Shop { real: world.real(Vec::new()).await, shop, kind: ComponentKind::Caches }
}

/// Goal: old snapshots of a cache go, and never the newest three, one of a stranger, or one that only
/// looks like ours.
/// Method: six of ours a day apart, of which the first was taken away and made again by hand under its own
/// name; two strangers'; one deletion loses its reply, and the list is silent once.
#[tokio::test]
async fn old_snapshots_of_a_cache_go() {
    let mut world = world!();
    let shop = cached(&world).await;
    let mut points = shop.six(&mut world, "snapshot-cache", json!({ "at": "active" })).await;
    let name = |point: &RecoveryPoint| point.id.rsplit(':').next().unwrap_or_default().to_owned();
    let names: Vec<String> = points.iter().map(name).collect();
    world.elasticache(EAST, "DeleteSnapshot", &[("SnapshotName", &names[0])]).await;
    for name in [&names[0], "by-hand", "muster-pretender"] {
        let with = [("ReplicationGroupId", "sessions"), ("SnapshotName", name)];
        world.elasticache(EAST, "CreateSnapshot", &with).await;
    }
    world.pass(60);
    let deletion = json!({ "service": "elasticache", "operation": "DeleteSnapshot" });
    shop.lets_go(&mut world, &mut points, deletion).await;
    let mut left = saved(&world).await;
    left.sort();
    let mut stays =
        [&names[..1], &names[3..], &["by-hand".to_owned(), "muster-pretender".to_owned()]].concat();
    stays.sort();
    assert_eq!(left, stays);

    let list =
        json!({ "service": "elasticache", "operation": "DescribeSnapshots", "how": "reset" });
    shop.goes_by_no_half_list(&mut world, &points, list).await;
    // Two of the six, and the one that was taken away by hand.
    assert_eq!(world.count("cache-snapshot-deleted").await, 3);
}

/// Goal: a snapshot that may be the last of its cache stays.
/// Method: the group is being changed, then it is another one that is missing.
#[tokio::test]
async fn snapshots_stay_while_their_cache_is_unwell() {
    let mut world = world!();
    let mut shop = cached(&world).await;
    let points = shop.six(&mut world, "snapshot-cache", json!({ "at": "active" })).await;
    world.status(EAST, "cache", "sessions", "modifying").await;
    let seen = look(&world, &shop.real, &mut shop.deleting(&world, &points)).await;
    assert!(seen.to_string().contains("`sessions` is modifying; nothing is let go"), "{seen}");
    shop.shop.caches[0].replication_groups.insert(EAST.to_owned(), "gone".to_owned());
    let seen = look(&world, &shop.real, &mut shop.deleting(&world, &points)).await;
    assert!(matches!(seen, Progress::Refused { .. }), "{seen}");
}

fn exported(active: &str) -> Application {
    application(json!({ "workloads": [{
        "name": "production",
        "namespace": "shop",
        "contexts": { EAST: active, WEST: WEST },
        "exports": {
            "buckets": { EAST: "exports-east", WEST: "exports-west" },
            "prefix": "objects",
            "retention": { "keep_for": "24h" },
        },
    }] }))
}

/// Goal: old exports go, so that they can be brought back, and never the newest three, one of a stranger, or
/// one that only looks like ours; and none while the namespace cannot be seen.
/// Method: six of a real API server a day apart, of which the first was written over by hand; a stranger's
/// object beside them; one deletion loses its reply, the list is silent once. Every version is still there.
/// Then the namespace is deleted, and its cluster away.
#[tokio::test]
async fn old_exports_go() {
    let mut world = world!();
    let Some(clusters) = Clusters::start() else { return };
    world.bucket(EAST, "exports-east").await;
    world.keep_versions(EAST, "exports-east").await;
    clusters.kubectl(EAST, &["create", "namespace", "shop"], "");
    let real = world.real_beside(&clusters).await;
    let mut shop = Shop { real, shop: exported(EAST), kind: ComponentKind::Workloads };
    let with = json!({ "at": "active", "to": "active" });
    let mut points = shop.six(&mut world, "export-objects", with).await;
    let path = |point: &RecoveryPoint| point.id.replace("arn:aws:s3:::", "");
    world.put(EAST, &path(&points[0]), &[]).await;
    let stranger = "exports-east/objects/shop/production/a note+plan.json";
    world.put(EAST, stranger, &[]).await;
    world.put(EAST, "exports-east/objects/shop/production-2/muster-r1-export-1.json", &[]).await;

    let deletion = json!({ "service": "s3", "operation": "DeleteObject" });
    shop.lets_go(&mut world, &mut points, deletion).await;
    let list = "exports-east?list-type=2&prefix=objects";
    let left = world.get(EAST, list).await;
    let is_left = |point: &&RecoveryPoint| left.contains(path(point).split_once('/').unwrap().1);
    assert_eq!(points.iter().filter(is_left).count(), 4, "{left}");
    assert_eq!(left.matches("<Key>").count(), 6, "{left}");
    let versions = world.get(EAST, "exports-east?versions").await;
    assert_eq!(versions.matches("<Version>").count(), 9, "{versions}");
    assert_eq!(versions.matches("<DeleteMarker>").count(), 2, "{versions}");

    let list = json!({ "service": "s3", "operation": "ListObjectsV2", "how": "reset" });
    shop.goes_by_no_half_list(&mut world, &points, list).await;
    assert_eq!(world.arrived("DeleteObject").await, 2);

    clusters.kubectl(EAST, &["delete", "namespace", "shop", "--wait=false"], "");
    let seen = look(&world, &shop.real, &mut shop.deleting(&world, &points)).await;
    assert!(matches!(seen, Progress::Refused { .. }), "{seen}");
    shop.shop = exported("nowhere");
    let why = shop.real.observe(&shop.deleting(&world, &points)).await.unwrap_err();
    assert!(why.to_string().contains("context `nowhere`"), "{why}");
}
