//! Restore tests: a point comes back as a drill-owned cluster, and only what a drill owns goes again.

use std::sync::Arc;

use muster::world::real::Real;
use muster_runbooks::{application::Application, name::Token};
use muster_state::{
    call::{Call, CallError, Progress},
    catalog::{PointChange, RecoveryPoint},
};
use muster_tests::emulator::{
    Emulator, WEST,
    calls::{application, call, carry_out, look},
};
use serde_json::{Value, json};

use super::world;

/// What the first attempt of this file's calls restores.
const CLUSTER: &str = "muster-drill-r00000000001-restore-cluster-1";
/// And starts.
const INSTANCE: &str = "muster-drill-r00000000001-start-instance-1";

/// A point of the standby's cluster.
async fn point(world: &mut Emulator, real: &Real, shop: &Application, run: u32) -> RecoveryPoint {
    let mut taking = call(world, shop, "snapshot-database", json!({ "at": "standby" }));
    taking.run = format!("s0000000000{run}").parse().unwrap();
    taking.token = Token::new(&taking.run, &taking.step, 1, false);
    match carry_out(world, real, &mut taking, 1).await.done.points.as_slice() {
        [PointChange::Recorded(point)] => (**point).clone(),
        other => panic!("{other:?}"),
    }
}

fn text<'a>(outputs: &'a std::collections::BTreeMap<String, Value>, name: &str) -> &'a str {
    outputs[name].as_str().unwrap_or_else(|| panic!("no text `{name}` in {outputs:?}"))
}

/// What RDS says about one thing, between its own tags.
async fn described(world: &Emulator, what: &str, name: &str) -> String {
    let with = match what {
        "DescribeDBClusters" => [("DBClusterIdentifier", name)],
        _ => [("DBInstanceIdentifier", name)],
    };
    world.rds(WEST, what, &with).await
}

async fn removing(world: &mut Emulator, real: &Real, shop: &Application) {
    for action in ["remove-instance", "remove-cluster"] {
        let mut removing = call(world, shop, action, json!({ "at": "standby" }));
        carry_out(world, real, &mut removing, 30).await;
    }
}

/// Goal: a point comes back in the declared place, with its own password and an instance that nobody
/// outside reaches, in a measured time; the password is seen by nobody; and afterwards nothing is left
/// but what was there before.
/// Method: restores that take 20 minutes, instances 7, deletions 3; what AWS describes is read.
#[tokio::test]
async fn a_point_is_restored_measured_and_taken_away() {
    let mut world = world!();
    world.global_pair().await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let points = [point(&mut world, &real, &shop, 1).await];
    let times = json!({
        "cluster_secs": 1200, "instance_secs": 420, "teardown_secs": 180, "password_secs": 60,
    });
    world.set(times).await;

    let mut choosing = call(&world, &shop, "choose-point", json!({ "at": "standby" }));
    choosing.points = Arc::from(points.to_vec());
    let chosen = carry_out(&mut world, &real, &mut choosing, 5).await.done.outputs;
    assert_eq!(text(&chosen, "point"), points[0].id);
    let with = json!({ "at": "standby", "point": chosen["point"] });
    let mut restoring = call(&world, &shop, "restore-cluster", with);
    let restored = carry_out(&mut world, &real, &mut restoring, 60).await;
    assert_eq!(restored.begins, 1, "{restored:?}");
    let restored = restored.done.outputs;
    assert_eq!(text(&restored, "cluster"), CLUSTER);
    let cluster = described(&world, "DescribeDBClusters", CLUSTER).await;
    let wanted =
        ["sg-0000000000000000f", "drills", "muster:drill", "muster:expires-at", &points[0].id];
    for wanted in wanted {
        assert!(cluster.contains(wanted), "{wanted}: {cluster}");
    }
    assert!(cluster.contains("<DeletionProtection>false<"), "{cluster}");

    let with = json!({ "at": "standby", "cluster": restored["cluster"] });
    let mut rotating = call(&world, &shop, "rotate-password", with);
    let rotated = carry_out(&mut world, &real, &mut rotating, 20).await;
    assert_eq!(rotated.begins, 1);
    let rotated = rotated.done;
    assert!(text(&rotated.outputs, "secret").contains(":secretsmanager:us-west-2:"), "{rotated:?}");
    assert_eq!((rotated.outputs.len(), rotated.notes.len()), (1, 0), "and nothing else");

    let with = json!({
        "at": "standby", "cluster": restored["cluster"], "secret": rotated.outputs["secret"],
        "began_at": restored["began_at"],
    });
    let mut starting = call(&world, &shop, "start-instance", with);
    let started = carry_out(&mut world, &real, &mut starting, 60).await;
    assert_eq!(started.begins, 1, "{started:?}");
    let started = started.done.outputs;
    let took: muster_runbooks::value::Span = text(&started, "restore_took").parse().unwrap();
    assert!((1_620..2_400).contains(&took.secs()), "{took}");
    assert!(
        started["port"].is_u64() && text(&started, "endpoint").contains(CLUSTER),
        "{started:?}"
    );
    let instance = described(&world, "DescribeDBInstances", INSTANCE).await;
    assert!(instance.contains("<PubliclyAccessible>false<"), "{instance}");
    assert!(instance.contains("<DBInstanceClass>db.r6g.large<"), "{instance}");

    removing(&mut world, &real, &shop).await;
    let clusters = world.rds(WEST, "DescribeDBClusters", &[]).await;
    assert!(clusters.contains("orders-west") && !clusters.contains("muster-drill"), "{clusters}");
    let instances = world.rds(WEST, "DescribeDBInstances", &[]).await;
    assert!(instances.contains("orders-west-1") && !instances.contains("muster-drill"));
    for gone in ["cluster-deleted", "instance-deleted"] {
        assert_eq!(world.count(gone).await, 1, "{gone}");
    }
}

/// Goal: the point that was not proven for longest is tested, of several the newest; one that was asked
/// for is tested or refused with the reason; what is not certainly ours and available never is.
/// Method: a table over four points, one of them marked, one of another database.
#[tokio::test]
async fn the_point_to_test_is_chosen() {
    let mut world = world!();
    world.global_pair().await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let mut points = Vec::new();
    for run in 1..=4 {
        points.push(point(&mut world, &real, &shop, run).await);
        world.pass(3600);
    }
    points[3].marked_at = Some(world.now());
    points[2].verified_at = Some(world.now());
    let other = RecoveryPoint { component: "users".parse().unwrap(), ..points[3].clone() };
    let other = RecoveryPoint { id: format!("{}-users", other.id), ..other };
    let names: Vec<String> = points.iter().map(|point| point.id.clone()).collect();
    points.push(other);
    let chosen = async |points: &[RecoveryPoint], asked: Option<&str>| {
        let with = json!({ "at": "standby", "point": asked });
        let mut choosing = call(&world, &shop, "choose-point", with);
        choosing.points = Arc::from(points.to_vec());
        let seen = look(&world, &real, &mut choosing).await;
        if let Progress::Done(done) = &seen {
            return text(&done.outputs, "point").to_owned();
        }
        seen.to_string()
    };
    assert_eq!(chosen(&points, None).await, names[1], "the newest that was never proven");
    points[1].verified_at = Some(world.now());
    assert_eq!(chosen(&points, None).await, names[0]);
    points[0].verified_at = points[0].data_time.into();
    assert_eq!(chosen(&points, None).await, names[0], "proven longest ago");
    assert_eq!(chosen(&points, Some(&names[2])).await, names[2]);
    assert_eq!(
        chosen(&points, Some(&names[3])).await,
        names[3],
        "a person may test what is marked"
    );
    let users = points[4].id.clone();
    assert_eq!(chosen(&points, Some(&users)).await, names[0], "the other database's own matter");
    let unknown = chosen(&points, Some("arn:nothing")).await;
    assert!(unknown.contains("`arn:nothing` is not in the catalogue"), "{unknown}");
    points[2].source_resource = Some("cluster-OF-ANOTHER-TIME".to_owned());
    let strange = chosen(&points, Some(&names[2])).await;
    assert!(strange.contains("is not available"), "{strange}");
    let none = chosen(&points[3..], None).await;
    assert!(none.contains("`orders` has no available recovery point in us-west-2"), "{none}");
}

/// Goal: nothing is ever changed or deleted that does not bear a drill's name and tags together.
/// Method: a cluster with the name and no tags, one with the tags and another name, and the application's
/// own; each is offered to every action that changes.
#[tokio::test]
async fn what_is_not_the_drills_is_left_alone() {
    let mut world = world!();
    world.global_pair().await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let tags = [
        ("Tags.Tag.1.Key", "muster:drill"),
        ("Tags.Tag.1.Value", "restore-test"),
        ("Tags.Tag.2.Key", "muster:run"),
        ("Tags.Tag.2.Value", "r00000000001"),
        ("Tags.Tag.3.Key", "muster:application"),
        ("Tags.Tag.3.Value", "shop"),
        ("Tags.Tag.4.Key", "muster:component"),
        ("Tags.Tag.4.Value", "orders"),
    ];
    let stranger = async |name: &str, tags: &[(&str, &str)]| {
        let mut with = vec![
            ("DBClusterIdentifier", name),
            ("Engine", "aurora-postgresql"),
            ("MasterUsername", "root"),
            ("MasterUserPassword", "only-for-tests"),
        ];
        with.extend(tags);
        world.rds(WEST, "CreateDBCluster", &with).await;
    };
    stranger("copy-of-a-drill", &tags).await;
    let mut removing = call(&world, &shop, "remove-cluster", json!({ "at": "standby" }));
    world.pass(130);
    let seen = look(&world, &real, &mut removing).await;
    assert!(matches!(seen, Progress::Done(_)), "there is nothing of ours: {seen}");
    real.begin(&removing).await.expect("nothing to do");

    let stranger = async |name: &str| {
        let with = [
            ("DBClusterIdentifier", name),
            ("Engine", "aurora-postgresql"),
            ("MasterUsername", "root"),
            ("MasterUserPassword", "only-for-tests"),
        ];
        world.rds(WEST, "CreateDBCluster", &with).await;
    };
    stranger(CLUSTER).await;
    let seen = look(&world, &real, &mut removing).await.to_string();
    assert!(seen.contains(&format!("refused: `{CLUSTER}` is called as if")), "{seen}");
    real.begin(&removing).await.expect("nothing to do");
    let with = json!({ "at": "standby", "point": "arn:aws:rds:us-west-2:123456789012:cluster-snapshot:x" });
    let mut restoring = call(&world, &shop, "restore-cluster", with);
    let seen = look(&world, &real, &mut restoring).await;
    assert!(matches!(seen, Progress::Foreign { .. }), "{seen}");

    for name in [CLUSTER, "copy-of-a-drill", "orders-west"] {
        let with = json!({ "at": "standby", "cluster": name });
        let mut rotating = call(&world, &shop, "rotate-password", with);
        let seen = look(&world, &real, &mut rotating).await;
        assert!(matches!(seen, Progress::Foreign { .. }), "{name}: {seen}");
        let refused = real.begin(&rotating).await.unwrap_err().to_string();
        assert!(refused.contains("does not bear the marks"), "{name}: {refused}");
        let with = json!({
            "at": "standby", "cluster": name, "secret": "arn", "began_at": world.now(),
        });
        let starting = call(&world, &shop, "start-instance", with);
        let refused = real.begin(&starting).await.unwrap_err().to_string();
        assert!(refused.contains("does not bear the marks"), "{name}: {refused}");
    }
    let changed = ["cluster-deleted", "instance-deleted", "password-managed"];
    for what in changed {
        assert_eq!(world.count(what).await, 0, "{what}");
    }
    assert_eq!(world.count("instance-created").await, 4, "those of the application");
}

/// Goal: a restore whose answer was lost is one restore, and is taken away even by a teardown that cannot
/// see it yet.
/// Method: lose the answer, read a minute of the past, tear down at once.
#[tokio::test]
async fn a_restore_that_nobody_saw_is_taken_away() {
    let mut world = world!();
    world.global_pair().await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let point = point(&mut world, &real, &shop, 1).await;
    let lost = json!({ "service": "rds", "operation": "RestoreDBClusterFromSnapshot" });
    world.fault("lose", lost).await;
    world.set(json!({ "stale_read_secs": 60 })).await;
    world.pass(61);
    let with = json!({ "at": "standby", "point": point.id });
    let mut restoring = call(&world, &shop, "restore-cluster", with);
    let seen = look(&world, &real, &mut restoring).await;
    assert!(matches!(seen, Progress::NotStarted { .. }), "{seen}");
    let lost = real.begin(&restoring).await.unwrap_err();
    assert!(matches!(lost, CallError::NoAnswer { .. }), "{lost}");
    // Nobody saw it; a second begin under the same name is refused by AWS, and that is success.
    let seen = look(&world, &real, &mut restoring).await;
    assert!(matches!(seen, Progress::NotStarted { .. }), "{seen}");
    assert_eq!(format!("{:?}", real.begin(&restoring).await.unwrap()), "Accepted");
    removing(&mut world, &real, &shop).await;
    assert_eq!(world.count("cluster-deleted").await, 1);
    world.set(json!({ "stale_read_secs": 0 })).await;
    let clusters = world.rds(WEST, "DescribeDBClusters", &[]).await;
    assert!(!clusters.contains("muster-drill"), "{clusters}");
}

/// Goal: without a declared place nothing is restored, and a cluster that failed is a failure.
/// Method: the section taken out; the status put by hand.
#[tokio::test]
async fn a_restore_needs_a_place_and_may_fail() {
    let mut world = world!();
    world.global_pair().await;
    let real = world.real(Vec::new()).await;
    let mut shop = application(Value::Null);
    let point = point(&mut world, &real, &shop, 1).await;
    let with = json!({ "at": "standby", "point": point.id });
    let mut restoring = call(&world, &shop, "restore-cluster", with.clone());
    real.begin(&restoring).await.unwrap();
    world.status(WEST, "cluster", CLUSTER, "incompatible-restore").await;
    let seen = look(&world, &real, &mut restoring).await;
    let reason = format!("failed: `{CLUSTER}` is incompatible-restore");
    assert_eq!(seen.to_string(), reason);

    shop.databases[0].restore_test.remove(WEST);
    let restoring = call(&world, &shop, "restore-cluster", with);
    let refused = real.begin(&restoring).await.unwrap_err().to_string();
    assert!(refused.contains("no `restore_test` is declared for us-west-2"), "{refused}");
    assert_eq!(world.calls("RestoreDBClusterFromSnapshot").await.len(), 1);
}

fn leaking(world: &Emulator, shop: &Application, open: &[&str]) -> Call {
    let mut looking = call(world, shop, "find-leaks", json!({}));
    looking.run = "r00000000009".parse().unwrap();
    looking.open_runs = open.iter().map(|run| run.parse().unwrap()).collect();
    looking
}

/// Goal: what a run left behind is found with its age and the command that ends it, once the run is over
/// or its time is; before that, and once it is gone, it is not; a region that does not answer leaves the
/// question open.
/// Method: a restored cluster with an instance, looked for at several times.
#[tokio::test]
async fn what_was_left_behind_is_found_with_its_age() {
    let mut world = world!();
    world.global_pair().await;
    let real = world.real(Vec::new()).await;
    let shop = application(Value::Null);
    let point = point(&mut world, &real, &shop, 1).await;
    let with = json!({ "at": "standby", "point": point.id });
    real.begin(&call(&world, &shop, "restore-cluster", with)).await.unwrap();
    let with = json!({
        "at": "standby", "cluster": CLUSTER, "secret": "arn", "began_at": world.now(),
    });
    real.begin(&call(&world, &shop, "start-instance", with)).await.unwrap();
    let found = async |world: &Emulator, open: &[&str]| {
        let mut looking = leaking(world, &shop, open);
        let seen = look(world, &real, &mut looking).await;
        let Progress::Done(done) = seen else { panic!("{seen}") };
        done.findings
    };
    world.pass(3 * 3600);
    assert_eq!(found(&world, &["r00000000001"]).await, []);
    let over = found(&world, &["r00000000002"]).await;
    let said: Vec<&str> = over.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        said,
        [
            format!(
                "cluster `{CLUSTER}` of a restore test is left in us-west-2, 3h old: run `r00000000001` is over"
            ),
            format!(
                "instance `{INSTANCE}` of a restore test is left in us-west-2, 3h old: run `r00000000001` is over"
            ),
        ]
    );
    assert_eq!(
        over[1].hint,
        format!(
            "aws rds delete-db-instance --db-instance-identifier {INSTANCE} --skip-final-snapshot --region us-west-2"
        )
    );
    world.pass(22 * 3600);
    let late = found(&world, &["r00000000001"]).await;
    assert!(
        late[0].message.contains("25h old: run `r00000000001` keeps it for too long"),
        "{late:?}"
    );

    let east = json!({ "region": "us-east-1", "service": "rds", "how": "reset" });
    world.fault("silence", east).await;
    let mut looking = leaking(&world, &shop, &[]);
    looking.asked_at = world.now();
    let why = real.observe(&looking).await.unwrap_err();
    assert!(matches!(why, CallError::NoAnswer { .. }), "{why}");
    world.heal().await;
    removing(&mut world, &real, &shop).await;
    assert_eq!(found(&world, &[]).await, []);
}
