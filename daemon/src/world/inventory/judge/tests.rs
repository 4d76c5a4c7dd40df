//! What differences mean, one at a time.

use jiff::SignedDuration;
use serde_json::json;

use super::{
    super::{BucketSide, ClusterSide, DatabaseSide, GroupSide, ObjectSide, Quota, SecretSide},
    *,
};

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";
const NOW: &str = "2026-03-02T12:00:00Z";

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn place(component: &str, at: &str) -> Place {
    (component.parse().unwrap(), region(at))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn shop() -> Application {
    serde_json::from_value(json!({
        "name": "shop", "title": "Shop", "home": EAST, "standby": WEST,
        "objectives": { "rto": "15m", "rpo": "5m" },
        "databases": [{ "name": "orders", "global_cluster": "orders", "clusters": {
            EAST: "arn:aws:rds:us-east-1:123456789012:cluster:orders-east",
            WEST: "arn:aws:rds:us-west-2:123456789012:cluster:orders-west",
        } }],
        "buckets": [{ "name": "files", "buckets": { EAST: "files-east", WEST: "files-west" } }],
        "caches": [
            { "name": "sessions", "replication_groups": { EAST: "sessions", WEST: "sessions-west" } },
            { "name": "pages", "replication_groups": { EAST: "pages" }, "rebuildable": true },
        ],
        "secrets": [{ "name": "password", "secret": "shop/database" }],
        "objects": [{ "name": "state", "buckets": { EAST: "state-east", WEST: "state-west" }, "keys": ["a"] }],
    }))
    .unwrap()
}

fn arn(at: &str, run: char) -> String {
    format!("arn:aws:rds:{at}:123456789012:cluster-snapshot:muster-{run}00000000000-snapshot-1")
}

fn seen(at: &str, run: char, data_time: &str) -> Seen {
    Seen {
        id: arn(at, run),
        region: region(at),
        account: "123456789012".to_owned(),
        maker: Maker::Muster,
        run: Some(format!("{run}00000000000")),
        status: "available".to_owned(),
        data_time: Some(self::at(data_time)),
        copied_from: None,
        key: None,
        size_gib: None,
        tags: BTreeMap::new(),
    }
}

fn point(component: &str, of: &Seen) -> RecoveryPoint {
    RecoveryPoint {
        id: of.id.clone(),
        component: component.parse().unwrap(),
        region: of.region.clone(),
        account: of.account.clone(),
        data_time: of.data_time.unwrap(),
        copied_from: None,
        key: None,
        size_gib: None,
        source_resource: None,
        made_by: of.run.as_ref().unwrap().parse().unwrap(),
        marked_at: None,
        verified_at: None,
    }
}

fn list(all: &[&Seen]) -> Said<BTreeMap<String, Seen>> {
    Ok(all.iter().map(|one| (one.id.clone(), (*one).clone())).collect())
}

fn object(size: u64) -> Said<Option<ObjectSide>> {
    Ok(Some(ObjectSide {
        modified_at: Some(at(NOW)),
        size,
        version: None,
        etag: Some("x".to_owned()),
        checksums: BTreeMap::new(),
        etag_is_content: true,
    }))
}

/// Everything is as it should be: tonight's snapshot, its copy, the cache saved.
struct Scene {
    application: Application,
    active: Option<Region>,
    seen: Inventory,
    points: BTreeMap<String, RecoveryPoint>,
    before: BTreeSet<String>,
    open_runs: BTreeSet<String>,
    due: Due,
}

impl Scene {
    fn well() -> Scene {
        let (taken, copied) = ("2026-03-02T02:00:10Z", "2026-03-02T02:00:10Z");
        let (here, there) = (seen(EAST, 'a', taken), seen(WEST, 'b', copied));
        let saved = seen(EAST, 'c', taken);
        let cluster = |restorable| {
            Ok(Some(ClusterSide {
                status: "available".to_owned(),
                account: "123456789012".to_owned(),
                restorable,
            }))
        };
        let restorable = Some((at("2026-02-20T00:00:00Z"), at(NOW) - SignedDuration::from_mins(4)));
        let database = |cluster, points| DatabaseSide {
            cluster,
            points,
            automated: Ok(BTreeMap::new()),
            lag: Ok(None),
        };
        let group = || {
            let status = "available".to_owned();
            Ok(Some(GroupSide { status, global: None, members: BTreeMap::new() }))
        };
        let cache = |points| CacheSide { group: group(), points, automated: Ok(BTreeMap::new()) };
        let bucket =
            |to: &str| BucketSide { versioned: Ok(true), replicates_to: Ok(vec![to.to_owned()]) };
        let secret = |replicas: &[(&str, &str)]| {
            Ok(Some(SecretSide {
                primary: Some(EAST.to_owned()),
                changed_at: None,
                replicas: replicas
                    .iter()
                    .map(|(at, status)| ((*at).to_owned(), ((*status).to_owned(), String::new())))
                    .collect(),
            }))
        };
        let objects = || BTreeMap::from([("a".to_owned(), object(1))]);
        let quota = || Ok(Quota { used: 40, max: 100 });
        let seen = Inventory {
            read_at: at(NOW),
            quotas: [(region(EAST), quota()), (region(WEST), quota())].into(),
            databases: [
                (place("orders", EAST), database(cluster(restorable), list(&[&here]))),
                (place("orders", WEST), database(cluster(None), list(&[&there]))),
            ]
            .into(),
            caches: [
                (place("sessions", EAST), cache(list(&[&saved]))),
                (place("sessions", WEST), cache(list(&[]))),
                (place("pages", EAST), cache(list(&[]))),
            ]
            .into(),
            buckets: [
                (place("files", EAST), bucket("files-west")),
                (place("files", WEST), bucket("files-east")),
            ]
            .into(),
            secrets: [
                (place("password", EAST), secret(&[(WEST, "InSync")])),
                (place("password", WEST), secret(&[])),
            ]
            .into(),
            objects: [(place("state", EAST), objects()), (place("state", WEST), objects())].into(),
        };
        let points = [point("orders", &here), point("orders", &there), point("sessions", &saved)];
        let points: BTreeMap<_, _> =
            points.into_iter().map(|point| (point.id.clone(), point)).collect();
        let night = Some(at("2026-03-02T02:00:00Z"));
        Scene {
            application: shop(),
            active: Some(region(EAST)),
            seen,
            before: points.keys().cloned().collect(),
            points,
            open_runs: BTreeSet::new(),
            due: Due { snapshot: night, copy: night, cache: night },
        }
    }

    fn judge(&self) -> Judged {
        judge(
            &self.seen,
            &Known {
                application: &self.application,
                active: self.active.as_ref(),
                points: &self.points,
                before: &self.before,
                open_runs: &self.open_runs,
                due: self.due,
            },
        )
    }

    fn database(&mut self, at: &str) -> &mut DatabaseSide {
        self.seen.databases.get_mut(&place("orders", at)).unwrap()
    }

    fn points_in(&mut self, at: &str) -> &mut BTreeMap<String, Seen> {
        self.database(at).points.as_mut().unwrap()
    }

    fn cache(&mut self, at: &str) -> &mut CacheSide {
        self.seen.caches.get_mut(&place("sessions", at)).unwrap()
    }
}

fn dead<T>() -> Said<T> {
    Err("no answer from rds us-west-2".to_owned())
}

/// Goal: each trouble is one finding with its own id and says what it is, and nothing else is found.
/// Method: one change each to a scene in which all is well.
#[test]
fn each_difference_is_found_once() {
    type Change = fn(&mut Scene);
    let table: &[(&str, Change, &[&str], &str)] = &[
        ("all is well", |_| {}, &[], ""),
        (
            "one of ours that nobody wrote down",
            |scene| {
                let stray = seen(EAST, 'x', "2026-03-01T02:00:00Z");
                scene.points_in(EAST).insert(stray.id.clone(), stray);
            },
            &["uncatalogued/orders/us-east-1"],
            "muster-x00000000000-snapshot-1` exist in us-east-1",
        ),
        (
            "one that a run is just making",
            |scene| {
                let mut fresh = seen(EAST, 'x', "2026-03-01T02:00:00Z");
                fresh.status = "creating".to_owned();
                scene.points_in(EAST).insert(fresh.id.clone(), fresh);
                scene.open_runs.insert("x00000000000".to_owned());
            },
            &[],
            "",
        ),
        (
            "a stranger's",
            |scene| {
                let mut other = seen(EAST, 'x', "2026-03-01T02:00:00Z");
                other.maker = Maker::Somebody;
                scene.points_in(EAST).insert(other.id.clone(), other);
            },
            &[],
            "",
        ),
        (
            "a copy that somebody deleted",
            |scene| scene.points_in(WEST).clear(),
            &["missing-point/orders/us-west-2", "unprotected/orders/us-west-2"],
            "gone in us-west-2",
        ),
        (
            "one that was recorded while the lists were read",
            |scene| {
                let late = point("orders", &seen(EAST, 'x', "2026-03-02T02:00:00Z"));
                scene.points.insert(late.id.clone(), late);
            },
            &[],
            "",
        ),
        (
            "a deletion of ours whose answer was lost",
            |scene| {
                let mut old = point("orders", &seen(EAST, 'x', "2026-02-01T02:00:00Z"));
                old.marked_at = Some(at(NOW));
                scene.before.insert(old.id.clone());
                scene.points.insert(old.id.clone(), old);
            },
            &[],
            "",
        ),
        (
            "last night's copy did not come",
            |scene| scene.due.copy = Some(at("2026-03-02T03:00:00Z")),
            &["unprotected/orders/us-west-2"],
            "unprotected in us-west-2 since 2026-03-02T02:00:10Z",
        ),
        (
            "a copy that is not there yet protects nobody",
            |scene| {
                for one in scene.points_in(WEST).values_mut() {
                    one.status = "copying".to_owned();
                }
            },
            &["unprotected/orders/us-west-2"],
            "no recovery point in us-west-2 that could be restored",
        ),
        (
            "after a failover the sides have changed: the copy is due at home",
            |scene| {
                scene.active = Some(region(WEST));
                scene.due.copy = Some(at("2026-03-02T03:00:00Z"));
                let restorable = Some((at(NOW), at(NOW)));
                let Ok(Some(west)) = &mut scene.database(WEST).cluster else { unreachable!() };
                west.restorable = restorable;
                let saved = seen(WEST, 'd', "2026-03-02T02:00:10Z");
                scene.cache(WEST).points = list(&[&saved]);
                let saved = point("sessions", &saved);
                scene.points.insert(saved.id.clone(), saved);
            },
            &["unprotected/orders/us-east-1"],
            "since 2026-03-02T02:00:10Z",
        ),
        (
            "no restore to an instant",
            |scene| {
                let Ok(Some(east)) = &mut scene.database(EAST).cluster else { unreachable!() };
                east.restorable = None;
            },
            &["no-pitr/orders/us-east-1"],
            "cannot be restored to an instant",
        ),
        (
            "the nightly snapshot of the cache is missing",
            |scene| scene.due.cache = Some(at("2026-03-02T03:00:00Z")),
            &["unprotected/sessions/us-east-1"],
            "`sessions` is unprotected",
        ),
        (
            "a cache that is gone",
            |scene| scene.cache(WEST).group = Ok(None),
            &["cache-member/sessions"],
            "there is no replication group in us-west-2",
        ),
        (
            "a cache that is being deleted",
            |scene| {
                let Ok(Some(group)) = &mut scene.cache(EAST).group else { unreachable!() };
                group.status = "deleting".to_owned();
            },
            &["cache-member/sessions"],
            "it is deleting in us-east-1",
        ),
        (
            "a cache that is being saved serves on",
            |scene| {
                let Ok(Some(group)) = &mut scene.cache(EAST).group else { unreachable!() };
                group.status = "snapshotting".to_owned();
            },
            &[],
            "",
        ),
        (
            "a cache whose primary is on the other side",
            |scene| {
                let global = |role: &str| Some(("global".to_owned(), role.to_owned()));
                let Ok(Some(group)) = &mut scene.cache(EAST).group else { unreachable!() };
                group.global = global("SECONDARY");
                let Ok(Some(group)) = &mut scene.cache(WEST).group else { unreachable!() };
                group.global = global("PRIMARY");
            },
            &["cache-member/sessions"],
            "it is SECONDARY of `global` in us-east-1; it is PRIMARY",
        ),
        (
            "no versions",
            |scene| {
                scene.seen.buckets.get_mut(&place("files", WEST)).unwrap().versioned = Ok(false);
            },
            &["not-versioned/files/us-west-2"],
            "keeps no versions",
        ),
        (
            "no rule, or one that leads elsewhere",
            |scene| {
                let bucket = scene.seen.buckets.get_mut(&place("files", EAST)).unwrap();
                bucket.replicates_to = Ok(vec!["elsewhere".to_owned()]);
            },
            &["not-replicated/files/us-east-1"],
            "no rule that is enabled copies `files` from us-east-1 to `files-west`",
        ),
        (
            "no way back",
            |scene| {
                let bucket = scene.seen.buckets.get_mut(&place("files", WEST)).unwrap();
                bucket.replicates_to = Ok(Vec::new());
            },
            &["not-replicated/files/us-west-2"],
            "copies `files` back from us-west-2",
        ),
        (
            "a secret whose replica failed",
            |scene| {
                let Ok(Some(secret)) =
                    scene.seen.secrets.get_mut(&place("password", EAST)).unwrap()
                else {
                    unreachable!()
                };
                let failed = ("Failed".to_owned(), "name taken".to_owned());
                secret.replicas.insert(WEST.to_owned(), failed);
            },
            &["secret-not-in-sync/password"],
            "its replica in us-west-2 is Failed (name taken)",
        ),
        (
            "a secret without a replica",
            |scene| {
                scene.seen.secrets.insert(place("password", WEST), Ok(None));
            },
            &["secret-not-in-sync/password"],
            "there is none in us-west-2",
        ),
        (
            "an object that is missing",
            |scene| {
                let objects = scene.seen.objects.get_mut(&place("state", WEST)).unwrap();
                objects.insert("a".to_owned(), Ok(None));
            },
            &["object-missing/state"],
            "missing: `a` in us-west-2",
        ),
        (
            "an object that is another",
            |scene| {
                let objects = scene.seen.objects.get_mut(&place("state", WEST)).unwrap();
                objects.insert("a".to_owned(), object(2));
            },
            &["object-differs/state"],
            "not the same on both sides: `a`",
        ),
        (
            "four fifths of a quota",
            |scene| {
                scene.seen.quotas.insert(region(WEST), Ok(Quota { used: 80, max: 100 }));
            },
            &["snapshot-quota/us-west-2"],
            "us-west-2 has 80 of 100 manual cluster snapshots; 20 places are free",
        ),
    ];
    for (what, change, ids, said) in table {
        let mut scene = Scene::well();
        change(&mut scene);
        let judged = scene.judge();
        let found: Vec<&str> = judged.open.keys().map(String::as_str).collect();
        assert_eq!(found, *ids, "{what}: {:#?}", judged.open);
        assert_eq!(judged.unknown, BTreeSet::new(), "{what}");
        let messages: Vec<&str> = judged.open.values().map(|one| one.message.as_str()).collect();
        assert!(messages.is_empty() || messages.join("\n").contains(said), "{what}: {messages:?}");
        for id in judged.open.keys() {
            let kind = id.split('/').next().unwrap();
            assert!(KINDS.contains(&kind), "`{id}` would never be closed");
        }
    }
}

/// Goal: what cannot be read is neither well nor missing: it says so once for its region, and what
/// stands there goes on standing.
/// Method: a dead region, then one list of it alone.
#[test]
fn what_cannot_be_read_is_unknown_and_not_missing() {
    let mut scene = Scene::well();
    let side = scene.database(WEST);
    (side.cluster, side.points, side.automated, side.lag) = (dead(), dead(), dead(), dead());
    let cache = scene.cache(WEST);
    (cache.group, cache.points) = (dead(), dead());
    scene.seen.quotas.insert(region(WEST), dead());
    scene.seen.secrets.insert(place("password", WEST), dead());
    let bucket = scene.seen.buckets.get_mut(&place("files", WEST)).unwrap();
    (bucket.versioned, bucket.replicates_to) = (dead(), dead());
    scene.seen.objects.get_mut(&place("state", WEST)).unwrap().insert("a".to_owned(), dead());
    let judged = scene.judge();
    let found: Vec<&String> = judged.open.keys().collect();
    assert_eq!(found, ["inventory-unknown/us-west-2"]);
    let message = &judged.open["inventory-unknown/us-west-2"].message;
    assert!(message.ends_with("no answer from rds us-west-2"), "said once: {message}");
    let unknown: Vec<&str> = judged.unknown.iter().map(String::as_str).collect();
    assert_eq!(
        unknown,
        [
            "cache-member/sessions",
            "missing-point/orders/us-west-2",
            "missing-point/sessions/us-west-2",
            "no-pitr/orders/us-west-2",
            "not-replicated/files/us-west-2",
            "not-versioned/files/us-west-2",
            "object-differs/state",
            "object-missing/state",
            "secret-not-in-sync/password",
            "snapshot-quota/us-west-2",
            "uncatalogued/orders/us-west-2",
            "uncatalogued/sessions/us-west-2",
            "unprotected/orders/us-west-2",
        ]
    );
    assert_eq!(judged.unprotected, BTreeMap::new());
}

/// Goal: nothing that depends on the side is concluded before anybody has seen which it is.
#[test]
fn without_an_active_region_no_side_is_judged() {
    let mut scene = Scene::well();
    scene.active = None;
    let Ok(Some(east)) = &mut scene.database(EAST).cluster else { unreachable!() };
    east.restorable = None;
    scene.due.snapshot = Some(at(NOW));
    let judged = scene.judge();
    assert_eq!(judged.open, BTreeMap::new());
    assert!(judged.unknown.contains("no-pitr/orders/us-east-1"));
    assert!(judged.unknown.contains("unprotected/sessions/us-east-1"));
}
