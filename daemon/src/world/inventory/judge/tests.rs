//! What differences mean, one at a time.

mod table;

use jiff::SignedDuration;
use muster_runbooks::{runbook::library::Library, schedule, value::Span};
use serde_json::json;

use super::{
    super::{
        BucketSide, ClusterSide, DatabaseSide, GroupSide, Maker, ObjectSide, SecretSide, Seen,
        ShardSide, VaultSide,
        takeover::{SetSide, Stay, Takeover, WorkloadSide},
    },
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
    RecoveryPoint::new(
        of.id.clone(),
        component.parse().unwrap(),
        of.region.clone(),
        of.account.clone(),
        of.data_time.unwrap(),
        of.run.as_ref().unwrap().parse().unwrap(),
    )
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

/// A shard with nodes in these zones.
fn shard(id: &str, zones: &[&str]) -> ShardSide {
    ShardSide {
        id: id.to_owned(),
        zones: zones.iter().map(|zone| Some((*zone).to_owned())).collect(),
    }
}

const NIGHTLY: &str =
    "- { id: nightly, runbook: daily-backup, application: shop, cron: \"0 2 * * *\" }";

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
                backup_window: None,
                maintenance_window: None,
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
            Ok(Some(GroupSide {
                status: "available".to_owned(),
                global: None,
                members: BTreeMap::new(),
                promotes: Some(true),
                multi_az: Some(true),
                shards: vec![shard("0001", &["1a", "1b"])],
            }))
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
            vaults: BTreeMap::new(),
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
            takeover: Takeover::default(),
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
            due: Due { snapshot: night, copy: night, cache: night, vault: night },
        }
    }

    fn judge(&self) -> Judged {
        let library = Library::shipped();
        let nightly = schedule::parse("schedules.yaml", NIGHTLY).unwrap();
        let schedules: Vec<_> =
            nightly.iter().map(|one| (one, library.get(&one.runbook).unwrap())).collect();
        judge(
            &self.seen,
            &Known {
                application: &self.application,
                active: self.active.as_ref(),
                points: &self.points,
                before: &self.before,
                open_runs: &self.open_runs,
                schedules: &schedules,
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

    /// A namespace on both sides, with these sets on one: how long their pods stay, and how many are wanted.
    fn workload<const N: usize>(&mut self, at: &str, sets: [(&str, Stay, u32); N]) {
        let web = json!({ "name": "web", "namespace": "shop", "contexts": {},
            "exports": { "buckets": {}, "prefix": "x" } });
        self.application.workloads = vec![serde_json::from_value(web).unwrap()];
        let sets = sets.map(|(name, stays, wanted)| {
            let set = SetSide { wanted, ready: wanted, images: BTreeSet::new(), stays };
            (name.to_owned(), set)
        });
        for region in [EAST, WEST] {
            self.seen.takeover.workloads.insert(place("web", region), Ok(WorkloadSide::default()));
        }
        let side = WorkloadSide { sets: sets.into() };
        self.seen.takeover.workloads.insert(place("web", at), Ok(side));
    }

    fn group(&mut self, at: &str) -> &mut GroupSide {
        self.cache(at).group.as_mut().unwrap().as_mut().unwrap()
    }
}

fn dead<T>() -> Said<T> {
    Err("no answer from rds us-west-2".to_owned())
}

/// Goal: each trouble is one finding with its own id and says what it is, and nothing else is found.
/// Method: one change each to a scene in which all is well.
#[test]
fn each_difference_is_found_once() {
    for (what, change, ids, said) in table::TABLE {
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
            "cache-zones/sessions/us-west-2",
            "engine-window-backup/orders/us-west-2",
            "engine-window-maintenance/orders/us-west-2",
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

/// Goal: for how long pods stay on a lost node is unknown where a namespace cannot be read, and where nobody can
/// look.
#[test]
fn a_namespace_that_cannot_be_read_is_unknown() {
    let mut scene = Scene::well();
    scene.workload(EAST, []);
    scene.seen.takeover.workloads.insert(place("web", EAST), dead());
    scene.seen.takeover.workloads.remove(&place("web", WEST));
    let judged = scene.judge();
    assert_eq!(judged.open, BTreeMap::new());
    let unknown = [EAST, WEST].map(|region| format!("{STAYS}/web/{region}"));
    assert_eq!(judged.unknown, BTreeSet::from(unknown));
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

/// Goal: whether a cache outlives a zone is never guessed: what is not said, or is just being changed, is
/// unknown, and what is known to be wrong is said nevertheless.
/// Method: one thing unsaid each, in a scene in which all is well; then one of them beside a switch that is off.
#[test]
fn what_a_cache_does_not_say_is_unknown() {
    let unsaid: [fn(&mut GroupSide); 6] = [
        |group| group.promotes = None,
        |group| group.multi_az = None,
        |group| group.shards.clear(),
        |group| group.shards[0].zones[1] = None,
        |group| group.status = "modifying".to_owned(),
        |group| group.status = "creating".to_owned(),
    ];
    let id = "cache-zones/sessions/us-east-1";
    for (place, change) in unsaid.iter().enumerate() {
        let mut scene = Scene::well();
        change(scene.group(EAST));
        let judged = scene.judge();
        assert!(!judged.open.contains_key(id), "{place}: {:#?}", judged.open);
        assert!(judged.unknown.contains(id), "{place}: {:?}", judged.unknown);
    }
    let mut scene = Scene::well();
    scene.group(EAST).shards[0].zones[1] = None;
    scene.group(EAST).promotes = Some(false);
    assert!(scene.judge().open[id].message.ends_with("itself: automatic failover is off"));

    // Nobody has looked there: it was declared a moment ago.
    let mut scene = Scene::well();
    scene.application.caches[1].replication_groups.insert(WEST.to_owned(), "pages".to_owned());
    assert!(scene.judge().unknown.contains("cache-zones/pages/us-west-2"));
}

const VAULT: &str = "999988887777";

/// Tonight's copy in the vault, in the catalogue too.
fn vaulted() -> (Scene, Seen) {
    let mut scene = Scene::well();
    let vault = json!({
        "account": VAULT, "region": WEST, "role": format!("arn:aws:iam::{VAULT}:role/muster-vault"),
        "key": format!("arn:aws:kms:{WEST}:{VAULT}:key/a"),
    });
    scene.application.databases[0].vault = serde_json::from_value(vault).unwrap();
    let mut kept = seen(WEST, 'd', "2026-03-02T02:00:10Z");
    kept.id = kept.id.replace("123456789012", VAULT);
    kept.account = VAULT.to_owned();
    let known = point("orders", &kept);
    scene.before.insert(known.id.clone());
    scene.points.insert(known.id.clone(), known);
    in_vault(&mut scene, list(&[&kept]), 40);
    (scene, kept)
}

fn in_vault(scene: &mut Scene, points: Said<BTreeMap<String, Seen>>, used: u64) {
    let quota = if points.is_ok() { Ok(Quota { used, max: 100 }) } else { dead() };
    let side = VaultSide { region: region(WEST), account: VAULT.to_owned(), points, quota };
    scene.seen.vaults.insert("orders".parse().unwrap(), side);
}

/// Goal: another account is judged by itself: what is missing there is not missing here, nor the other way
/// round, and what cannot be read is neither.
/// Method: the same region with a vault in it; each thing that can be wrong there.
#[test]
fn the_vault_is_a_place_of_its_own() {
    let ids = |scene: &Scene| scene.judge().open.into_keys().collect::<Vec<_>>();
    let (mut scene, kept) = vaulted();
    assert_eq!(ids(&scene), [""; 0], "all is well");

    in_vault(&mut scene, list(&[]), 0);
    let missing = [
        format!("missing-point/orders/{WEST}/{VAULT}"),
        format!("unprotected/orders/{WEST}/{VAULT}"),
    ];
    assert_eq!(ids(&scene), missing);
    let judged = scene.judge();
    assert_eq!(judged.unprotected_vaults.values().collect::<Vec<_>>(), [&None]);
    assert!(judged.unprotected.is_empty(), "the side itself is protected: {judged:#?}");
    assert!(judged.open[&missing[1]].message.contains(VAULT), "{judged:#?}");

    let stray = Seen { id: kept.id.replace("muster-d", "muster-x"), run: None, ..kept.clone() };
    in_vault(&mut scene, list(&[&kept, &stray]), 97);
    let found =
        [format!("snapshot-quota/{WEST}/{VAULT}"), format!("uncatalogued/orders/{WEST}/{VAULT}")];
    assert_eq!(ids(&scene), found);

    in_vault(&mut scene, list(&[&kept]), 40);
    scene.due.vault = Some(at("2026-03-02T03:00:00Z"));
    assert_eq!(
        ids(&scene),
        [format!("unprotected/orders/{WEST}/{VAULT}")],
        "tonight's did not come"
    );

    in_vault(&mut scene, dead(), 0);
    let judged = scene.judge();
    let unknown = format!("inventory-unknown/{WEST}/{VAULT}");
    assert_eq!(judged.open.keys().collect::<Vec<_>>(), [&unknown]);
    for kind in ["missing-point", "uncatalogued", "unprotected"] {
        assert!(judged.unknown.contains(&format!("{kind}/orders/{WEST}/{VAULT}")), "{kind}");
    }

    // A vault that was taken out of the file is nobody's to look into.
    scene.application.databases[0].vault = None;
    scene.seen.vaults.clear();
    assert_eq!(ids(&scene), [""; 0]);
}
