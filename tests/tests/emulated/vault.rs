//! Copies in another account: shared, copied by a role of that account, and the share taken back.

use std::collections::{BTreeMap, BTreeSet};

use muster::world::{
    inventory::judge::{Due, Judged, Known, judge},
    real::Real,
};
use muster_runbooks::{application::Application, name::Token};
use muster_state::{
    call::{Answer, CallError, Progress},
    catalog::{PointChange, RecoveryPoint},
};
use muster_tests::emulator::{
    EAST, Emulator,
    accounts::{VAULT, VAULT_EXPIRY_ROLE, VAULT_ROLE},
    calls::{application, call, carry_out, look},
};
use serde_json::{Value, json};

use super::world;

/// The shop with a vault in the east, so that the snapshot itself is the source.
async fn shop(world: &Emulator) -> Application {
    world.global_pair().await;
    let mut shop = application(Value::Null);
    shop.databases[0].vault = serde_json::from_value(world.vault(EAST).await).unwrap();
    shop
}

async fn recorded(
    world: &mut Emulator,
    real: &Real,
    shop: &Application,
    action: &str,
    with: Value,
    run: usize,
) -> RecoveryPoint {
    let mut call = call(world, shop, action, with);
    call.run = format!("r{run:011}").parse().unwrap();
    call.token = Token::new(&call.run, &call.step, 1, false);
    match carry_out(world, real, &mut call, 30).await.done.points.as_slice() {
        [PointChange::Recorded(point)] => (**point).clone(),
        other => panic!("{other:?}"),
    }
}

/// A night: a snapshot, and a copy of it in the vault.
async fn night(
    world: &mut Emulator,
    real: &Real,
    shop: &Application,
    run: usize,
) -> [RecoveryPoint; 2] {
    let taken =
        recorded(world, real, shop, "snapshot-database", json!({ "at": "active" }), run).await;
    let with = json!({ "snapshot": taken.id, "at": "active" });
    let mut sharing = call(world, shop, "share-snapshot", with.clone());
    carry_out(world, real, &mut sharing, 5).await;
    let copy = json!({ "snapshot": taken.id, "data_time": taken.data_time, "at": "active" });
    let copied = recorded(world, real, shop, "copy-to-vault", copy, run).await;
    let mut unsharing = call(world, shop, "unshare-snapshot", with);
    carry_out(world, real, &mut unsharing, 5).await;
    [taken, copied]
}

/// Goal: a copy ends up in the other account, under that account's key, with the time of the data, and
/// nothing stays shared.
/// Method: a night; the world is asked who may copy what.
#[tokio::test]
async fn a_copy_lies_in_another_account() {
    let mut world = world!();
    let mut shop = shop(&world).await;
    let vault = shop.databases[0].vault.as_mut().unwrap();
    // It stands in every environment, and no secret is needed to see that it is sent.
    vault.external_id_env = Some("PATH".to_owned());
    let key = vault.key.clone();
    world.set(json!({ "snapshot_secs": 60, "copy_secs": 600, "copy_zero_secs": 300 })).await;
    let real = world.real(Vec::new()).await;
    let [taken, copied] = night(&mut world, &real, &shop, 1).await;
    assert_eq!((copied.account.as_str(), copied.region.as_str()), (VAULT, EAST));
    assert_eq!((copied.key.as_deref(), copied.data_time), (Some(key.as_str()), taken.data_time));
    assert_eq!(copied.copied_from.as_ref(), Some(&taken.id));
    assert_eq!(world.shared().await, Vec::<String>::new());
    let done = ["snapshot-created", "snapshot-shared", "snapshot-copied", "snapshot-unshared"];
    for effect in done {
        assert_eq!(world.count(effect).await, 1, "{effect}");
    }
    let described = world.vault_rds(EAST, "DescribeDBClusterSnapshots", &[]).await;
    for tag in ["muster:run", "muster:data-time", "muster:epoch"] {
        assert!(described.contains(tag), "{tag}: {described}");
    }
    let recorded = world.recorded(0).await;
    let taken: Vec<&Value> =
        recorded.iter().filter(|call| call["operation"] == "AssumeRole").collect();
    assert!(!taken.is_empty() && taken.len() <= 2, "taken once for each kind of client: {taken:?}");
    for call in taken {
        assert_eq!(
            (&call["region"], &call["parameters"]["RoleArn"]),
            (&json!(EAST), &json!(VAULT_ROLE))
        );
        assert_eq!(call["parameters"]["RoleSessionName"], "muster-r00000000001");
        assert!(call["parameters"]["ExternalId"].is_string(), "{call}");
    }
}

/// Goal: what is not shared is not copied, and what cannot be shared is said to be so.
/// Method: a copy without a share; a share of what the default key encrypts; a snapshot that somebody made
/// public; taking back what was never shared, and what is gone.
#[tokio::test]
async fn what_is_not_shared_is_not_copied() {
    let mut world = world!();
    let shop = shop(&world).await;
    let real = world.real(Vec::new()).await;
    let taken =
        recorded(&mut world, &real, &shop, "snapshot-database", json!({ "at": "active" }), 1).await;
    let with = json!({ "snapshot": taken.id, "data_time": taken.data_time, "at": "active" });
    let copying = call(&world, &shop, "copy-to-vault", with);
    let refused = real.begin(&copying).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains(VAULT), "it says in which account: {refused}");

    // Never shared: aimed at first, and then there is nothing to send.
    let with = json!({ "snapshot": taken.id, "at": "active" });
    let mut unsharing = call(&world, &shop, "unshare-snapshot", with.clone());
    let unshared = carry_out(&mut world, &real, &mut unsharing, 5).await;
    assert_eq!(
        (unshared.begins, world.calls("ModifyDBClusterSnapshotAttribute").await.len()),
        (1, 0)
    );

    let name = taken.id.rsplit(':').next().unwrap().to_owned();
    let all = [
        ("DBClusterSnapshotIdentifier", name.as_str()),
        ("AttributeName", "restore"),
        ("ValuesToAdd.AttributeValue.1", "all"),
    ];
    world.rds(EAST, "ModifyDBClusterSnapshotAttribute", &all).await;
    for action in ["share-snapshot", "unshare-snapshot"] {
        let mut call = call(&world, &shop, action, with.clone());
        let seen = look(&world, &real, &mut call).await;
        assert!(matches!(seen, Progress::Foreign { .. }), "{action}: {seen}");
    }
    world.rds(EAST, "DeleteDBClusterSnapshot", &all[..1]).await;
    let mut unsharing = call(&world, &shop, "unshare-snapshot", with);
    carry_out(&mut world, &real, &mut unsharing, 5).await;
}

/// Goal: a role that nobody may take is a refusal that names the role and what to do; without an answer
/// nothing is concluded.
/// Method: close the role; lose the way to STS; declare an external id that is nowhere.
#[tokio::test]
async fn a_closed_role_is_a_refusal() {
    let world = world!();
    let mut shop = shop(&world).await;
    let real = world.real(Vec::new()).await;
    let with = json!({
        "snapshot": format!("arn:aws:rds:{EAST}:123456789012:cluster-snapshot:muster-a-b-1"),
        "data_time": world.now(), "at": "active",
    });
    let copying = call(&world, &shop, "copy-to-vault", with.clone());
    world.fault("silence", json!({ "service": "sts", "how": "reset" })).await;
    let silent = real.observe(&copying).await.unwrap_err();
    assert!(matches!(silent, CallError::NoAnswer { .. }), "{silent}");
    world.heal().await;
    world.set(json!({ "roles_closed": true })).await;
    let refused = real.observe(&copying).await.unwrap_err();
    let CallError::Refused { code, message, .. } = &refused else { panic!("{refused}") };
    assert_eq!(code, "AccessDenied");
    assert!(message.contains(VAULT_ROLE) && message.contains("trust policy"), "{message}");
    let seen = real.inventory(&shop, world.now()).await;
    let side = &seen.vaults[&shop.databases[0].name];
    assert!(side.points.is_err() && side.quota.is_err(), "unknown, and never empty: {side:?}");

    let vault = shop.databases[0].vault.as_mut().unwrap();
    vault.external_id_env = Some("MUSTER_TEST_NOWHERE".to_owned());
    let mut elsewhere = call(&world, &shop, "copy-to-vault", with);
    elsewhere.run = "r00000000002".parse().unwrap();
    let refused = real.observe(&elsewhere).await.unwrap_err().to_string();
    assert!(refused.contains("MUSTER_TEST_NOWHERE"), "{refused}");
}

/// Goal: the vault's own quota and its own five copies hold a copy up, and not those of the application.
/// Method: one snapshot too many there; then five copies that take long.
#[tokio::test]
async fn the_vault_counts_for_itself() {
    let mut world = world!();
    let shop = shop(&world).await;
    let real = world.real(Vec::new()).await;
    night(&mut world, &real, &shop, 1).await;
    let taken =
        recorded(&mut world, &real, &shop, "snapshot-database", json!({ "at": "active" }), 2).await;
    let with = json!({ "snapshot": taken.id, "at": "active" });
    let mut sharing = call(&world, &shop, "share-snapshot", with);
    carry_out(&mut world, &real, &mut sharing, 5).await;
    let with = json!({ "snapshot": taken.id, "data_time": taken.data_time, "at": "active" });
    let mut copying = call(&world, &shop, "copy-to-vault", with);
    copying.run = "r00000000002".parse().unwrap();
    copying.token = Token::new(&copying.run, &copying.step, 1, false);
    // Two lie here and one there: of six, five places are kept free there.
    world.set(json!({ "snapshots_max": 5 })).await;
    let busy = real.begin(&copying).await.unwrap();
    let Answer::Busy { reason } = busy else { panic!("{busy:?}") };
    assert!(reason.contains("1 of 5 manual snapshots"), "{reason}");
    world.set(json!({ "snapshots_max": 100, "copy_secs": 3600 })).await;
    let key = shop.databases[0].vault.as_ref().unwrap().key.clone();
    for number in 1..=5 {
        let name = format!("by-hand-{number}");
        let with = [
            ("SourceDBClusterSnapshotIdentifier", taken.id.as_str()),
            ("TargetDBClusterSnapshotIdentifier", &name),
            ("KmsKeyId", &key),
        ];
        world.vault_rds(EAST, "CopyDBClusterSnapshot", &with).await;
    }
    world.pass(10);
    copying.asked_at = world.now();
    let busy = real.begin(&copying).await.unwrap();
    let Answer::Busy { reason } = busy else { panic!("{busy:?}") };
    assert!(reason.contains("5 ") && reason.contains(VAULT), "{reason}");
}

/// Goal: the vault's points are held against the catalogue, and expire, by themselves: none without a role
/// for that, the newest three never, and nothing of the application's own account with them.
/// Method: five nights; what may be marked and deleted with and without the role.
#[tokio::test]
async fn the_vault_is_judged_by_itself() {
    let mut world = world!();
    let mut shop = shop(&world).await;
    let real = world.real(Vec::new()).await;
    let mut points = Vec::new();
    for run in 1..=5 {
        points.extend(night(&mut world, &real, &shop, run).await);
        world.pass(24 * 3600);
    }
    let judged = judged(&world, &real, &shop, &points).await;
    let of_it = |id: &&String| id.contains(&format!("orders/{EAST}"));
    let ids: Vec<&String> = judged.open.keys().filter(of_it).collect();
    assert!(ids.is_empty(), "{judged:#?}");
    // Somebody deletes one there.
    let gone = points[1].id.rsplit(':').next().unwrap().to_owned();
    let with = [("DBClusterSnapshotIdentifier", gone.as_str())];
    world.vault_rds(EAST, "DeleteDBClusterSnapshot", &with).await;
    world.pass(60);
    let judged = self::judged(&world, &real, &shop, &points).await;
    let missing = format!("missing-point/orders/{EAST}/{VAULT}");
    assert!(judged.open.contains_key(&missing), "{judged:#?}");
    assert!(!judged.open.contains_key(&format!("missing-point/orders/{EAST}")), "{judged:#?}");

    let mark = async |world: &mut Emulator, shop: &Application, points: &[RecoveryPoint]| {
        let mut marking = call(world, shop, "mark-expired", json!({ "at": "vault" }));
        marking.points = points.to_vec().into();
        carry_out(world, &real, &mut marking, 5).await.done
    };
    let none = mark(&mut world, &shop, &points).await;
    assert_eq!((&none.outputs["marked"], &none.outputs["kept"]), (&json!(0), &json!(4)));
    let keeps = none.outputs["keeps"].to_string();
    assert_eq!(keeps.matches("no role may delete in its account").count(), 4, "{keeps}");
    assert!(none.notes.iter().any(|note| note.contains(VAULT)), "{:?}", none.notes);

    shop.databases[0].vault.as_mut().unwrap().expiry_role = Some(VAULT_EXPIRY_ROLE.to_owned());
    let one = mark(&mut world, &shop, &points).await;
    assert_eq!((&one.outputs["marked"], &one.outputs["kept"]), (&json!(1), &json!(3)));
    for change in &one.points {
        let PointChange::Marked { id, .. } = change else { continue };
        let point = points.iter_mut().find(|point| point.id == *id).unwrap();
        assert_eq!(point.account, VAULT);
        point.marked_at = Some(world.now());
    }
    world.pass(24 * 3600);
    let mut deleting = call(&world, &shop, "delete-expired", json!({ "at": "vault", "cap": 9 }));
    deleting.points = points.clone().into();
    let deleted = carry_out(&mut world, &real, &mut deleting, 5).await.done;
    assert_eq!(deleted.outputs["deleted"], json!(1));
    let left = world.vault_rds(EAST, "DescribeDBClusterSnapshots", &[]).await;
    assert_eq!(left.matches("<DBClusterSnapshotIdentifier>").count(), 3, "{left}");
    let own = [("SnapshotType", "manual")];
    let own = world.rds(EAST, "DescribeDBClusterSnapshots", &own).await;
    assert_eq!(own.matches("<DBClusterSnapshotIdentifier>").count(), 5, "{own}");
}

async fn judged(
    world: &Emulator,
    real: &Real,
    shop: &Application,
    points: &[RecoveryPoint],
) -> Judged {
    let points: BTreeMap<String, RecoveryPoint> =
        points.iter().map(|point| (point.id.clone(), point.clone())).collect();
    let seen = real.inventory(shop, world.now()).await;
    let before: BTreeSet<String> = points.keys().cloned().collect();
    let known = Known {
        application: shop,
        active: Some(&shop.home),
        points: &points,
        before: &before,
        open_runs: &BTreeSet::new(),
        schedules: &[],
        due: Due::default(),
    };
    judge(&seen, &known)
}
