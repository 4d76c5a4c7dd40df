//! What evidence promises.

use serde_json::json;

use super::{
    super::{
        BucketSide, CacheSide, ClusterSide, DatabaseSide, Lag, Maker, ObjectSide, Quota, Said,
        SecretSide, Seen, VaultSide,
    },
    *,
};

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";
const NOW: &str = "2026-03-03T02:01:00Z";

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
        "caches": [{ "name": "sessions", "replication_groups": { EAST: "sessions" } }],
        "secrets": [{ "name": "password", "secret": "shop/database" }],
        "objects": [{ "name": "state", "buckets": { EAST: "state-east", WEST: "state-west" }, "keys": ["a"] }],
    }))
    .unwrap()
}

fn nights(region: &str, account: &str, days: &[&str]) -> BTreeMap<String, Seen> {
    let night = |day: &&str| Seen {
        id: format!("arn:aws:rds:{region}:{account}:cluster-snapshot:{day}"),
        region: region.parse().unwrap(),
        account: account.to_owned(),
        maker: Maker::Muster,
        run: None,
        status: "available".to_owned(),
        data_time: Some(at(&format!("2026-03-{day}T02:00:00Z"))),
        copied_from: None,
        key: None,
        size_gib: None,
        tags: BTreeMap::new(),
    };
    days.iter().map(night).map(|one| (one.id.clone(), one)).collect()
}

struct Scene {
    application: Application,
    active: Option<Region>,
    seen: Option<Inventory>,
    points: BTreeMap<String, RecoveryPoint>,
    measured: Measured,
}

impl Scene {
    /// Configured as well as can be, backed up three nights, and nothing measured.
    fn configured() -> Scene {
        let key = |name: &str, at: &str| (name.parse().unwrap(), at.parse().unwrap());
        let days = ["01", "02", "03"];
        let database = |region: &str, restorable| DatabaseSide {
            cluster: Ok(Some(ClusterSide {
                status: "available".to_owned(),
                account: "123456789012".to_owned(),
                restorable,
                backup_window: None,
                maintenance_window: None,
            })),
            points: Ok(nights(region, "123456789012", &days)),
            automated: Ok(BTreeMap::new()),
            lag: Ok(None),
        };
        let bucket =
            |to: &str| BucketSide { versioned: Ok(true), replicates_to: Ok(vec![to.to_owned()]) };
        let object = || {
            Ok(Some(ObjectSide {
                modified_at: Some(at("2026-03-03T01:00:00Z")),
                size: 1,
                version: None,
                etag: Some("x".to_owned()),
                checksums: BTreeMap::new(),
                etag_is_content: true,
            }))
        };
        let objects = || BTreeMap::from([("a".to_owned(), object())]);
        let in_sync = (WEST.to_owned(), ("InSync".to_owned(), String::new()));
        let secret = SecretSide {
            primary: Some(EAST.to_owned()),
            changed_at: None,
            replicas: [in_sync].into(),
        };
        let mut seen = Inventory::empty(at(NOW));
        seen.databases = [
            (key("orders", EAST), database(EAST, None)),
            (key("orders", WEST), database(WEST, None)),
        ]
        .into();
        seen.buckets = [
            (key("files", EAST), bucket("files-west")),
            (key("files", WEST), bucket("files-east")),
        ]
        .into();
        let saved = nights(EAST, "123456789012", &["02", "03"]);
        let cache =
            CacheSide { group: Ok(None), points: Ok(saved), automated: Ok(BTreeMap::new()) };
        seen.caches = [(key("sessions", EAST), cache)].into();
        seen.secrets = [(key("password", EAST), Ok(Some(secret)))].into();
        seen.objects = [(key("state", EAST), objects()), (key("state", WEST), objects())].into();
        Scene {
            application: shop(),
            active: Some(EAST.parse().unwrap()),
            seen: Some(seen),
            points: BTreeMap::new(),
            measured: Measured::default(),
        }
    }

    fn database(&mut self, region: &str) -> &mut DatabaseSide {
        let key = ("orders".parse().unwrap(), region.parse().unwrap());
        self.seen.as_mut().unwrap().databases.get_mut(&key).unwrap()
    }

    /// The verdict, the figure and the reason of a component's loss.
    fn loss(&self, component: &str, threat: Threat) -> (Verdict, Achievable, String) {
        self.figure(component, threat, |cost| cost.loss, Span::from_mins(5))
    }

    fn time(&self, threat: Threat) -> (Verdict, Achievable, String) {
        self.figure("orders", threat, |cost| cost.time, Span::from_mins(15))
    }

    fn figure(
        &self,
        component: &str,
        threat: Threat,
        pick: fn(Cost) -> Figure,
        promised: Span,
    ) -> (Verdict, Achievable, String) {
        let all = components(&Evidence {
            application: &self.application,
            active: self.active.as_ref(),
            seen: self.seen.as_ref(),
            points: &self.points,
            measured: &self.measured,
            now: at(NOW),
        });
        let (_, _, costs) =
            all.into_iter().find(|(name, ..)| name.as_str() == component).expect("a component");
        let cost = costs.into_iter().find(|cost| cost.threat == threat).expect("every threat");
        let figure = pick(cost);
        (figure.verdict(promised), figure.achievable, figure.because)
    }
}

fn lag(at_text: &str, secs: u32) -> Said<Option<Lag>> {
    Ok(Some(Lag { at: at(at_text), lag: Span::from_secs(secs) }))
}

fn took(mins: u32, ended_at: &str) -> Took {
    Took { took: Span::from_mins(mins), at: at(ended_at), run: "a run".to_owned() }
}

/// Goal: configuration alone is never green, however complete it is, and daily copies never keep minutes,
/// not even a minute after the newest was made (facts §0.1).
/// Method: everything configured and nothing measured; then each measurement by itself.
#[test]
fn what_a_region_loss_takes_is_measured_or_unknown() {
    use Achievable::{AtMost, Nothing, Unknown};
    let region = Threat::RegionLoss;
    let mut scene = Scene::configured();
    let (verdict, figure, because) = scene.loss("orders", region);
    assert_eq!((verdict, figure), (Verdict::Unknown, Unknown));
    assert!(because.contains("that it is configured says nothing"), "{because}");

    scene.database(WEST).lag = lag("2026-03-03T02:00:00Z", 2);
    let (verdict, figure, _) = scene.loss("orders", region);
    assert_eq!((verdict, figure), (Verdict::Met, AtMost(Span::from_secs(62))));
    scene.database(WEST).lag = lag("2026-03-03T01:55:00Z", 2);
    assert_eq!(scene.loss("orders", region).0, Verdict::Missed, "the sample's age counts");

    // Without a cluster there, copies are all there is: made a minute ago, and a day apart.
    scene.database(WEST).cluster = Ok(None);
    let (verdict, figure, because) = scene.loss("orders", region);
    assert_eq!((verdict, figure), (Verdict::Missed, AtMost(Span::from_hours(24))), "{because}");
    scene.database(WEST).points = Ok(nights(WEST, "1", &["03"]));
    let (verdict, _, because) = scene.loss("orders", region);
    assert_eq!(verdict, Verdict::Unknown, "one young copy is no promise: {because}");
    scene.database(WEST).points = Ok(nights(WEST, "1", &["02"]));
    assert_eq!(scene.loss("orders", region).0, Verdict::Missed, "one old copy is an answer");
    scene.database(WEST).points = Ok(BTreeMap::new());
    assert_eq!(scene.loss("orders", region).1, Nothing);
    scene.database(WEST).points = Err("no answer".to_owned());
    let (verdict, _, because) = scene.loss("orders", region);
    assert_eq!((verdict, because.as_str()), (Verdict::Unknown, "no answer"));
}

/// Goal: what deletes data deletes the replica too; only points and restorable times count against it.
#[test]
fn what_corruption_takes() {
    let mut scene = Scene::configured();
    scene.database(WEST).lag = lag("2026-03-03T02:00:00Z", 2);
    let (verdict, figure, _) = scene.loss("orders", Threat::Corruption);
    let day = Achievable::AtMost(Span::from_hours(24));
    assert_eq!((verdict, figure), (Verdict::Missed, day), "points a day apart");
    let Ok(Some(cluster)) = &mut scene.database(EAST).cluster else { unreachable!() };
    cluster.restorable = Some((at("2026-02-17T00:00:00Z"), at("2026-03-03T01:57:00Z")));
    let (verdict, figure, _) = scene.loss("orders", Threat::Corruption);
    assert_eq!((verdict, figure), (Verdict::Met, Achievable::AtMost(Span::from_mins(4))));
}

/// Goal: a copy in the same account survives nothing that takes the account, and a copy in another one
/// counts for what was seen of it there.
/// Method: none, one that only the catalogue knows, and a vault that is full, empty and silent.
#[test]
fn what_the_loss_of_the_account_takes() {
    let mut scene = Scene::configured();
    let (verdict, figure, because) = scene.loss("orders", Threat::AccountLoss);
    assert_eq!((verdict, figure), (Verdict::Missed, Achievable::Nothing), "{because}");
    assert!(because.contains("123456789012"), "{because}");
    let point: RecoveryPoint = serde_json::from_value(json!({
        "id": "arn:aws:rds:us-west-2:210987654321:cluster-snapshot:03",
        "component": "orders", "region": WEST, "account": "210987654321",
        "data_time": "2026-03-03T02:00:00Z", "copied_from": null, "key": null,
        "size_gib": null, "source_resource": null, "made_by": "r00000000001",
        "marked_at": null, "verified_at": null,
    }))
    .unwrap();
    scene.points.insert(point.id.clone(), point);
    let (verdict, _, because) = scene.loss("orders", Threat::AccountLoss);
    assert_eq!(verdict, Verdict::Unknown, "nobody looks there: {because}");

    let vault = json!({
        "account": "210987654321", "region": WEST, "role": "arn:aws:iam::210987654321:role/muster-vault",
        "key": "arn:aws:kms:us-west-2:210987654321:key/a",
    });
    scene.application.databases[0].vault = serde_json::from_value(vault).unwrap();
    assert_eq!(scene.loss("orders", Threat::AccountLoss).0, Verdict::Unknown, "not looked yet");
    let loss = |scene: &mut Scene, points| {
        let side = VaultSide {
            region: WEST.parse().unwrap(),
            account: "210987654321".to_owned(),
            points,
            quota: Ok(Quota { used: 2, max: 100 }),
        };
        let name = "orders".parse().unwrap();
        scene.seen.as_mut().unwrap().vaults.insert(name, side);
        let (verdict, figure, _) = scene.loss("orders", Threat::AccountLoss);
        (verdict, figure)
    };
    let day = Achievable::AtMost(Span::from_hours(24));
    let full = nights(WEST, "210987654321", &["02", "03"]);
    assert_eq!(loss(&mut scene, Ok(full)), (Verdict::Missed, day), "a day apart");
    let empty = Ok(BTreeMap::new());
    assert_eq!(loss(&mut scene, empty), (Verdict::Missed, Achievable::Nothing));
    let silent = Err("sts us-west-2 refused AssumeRole".to_owned());
    assert_eq!(loss(&mut scene, silent), (Verdict::Unknown, Achievable::Unknown));
}

/// Goal: what stands beside the databases is measured too, or unknown.
#[test]
fn what_stands_beside_the_databases() {
    let mut scene = Scene::configured();
    let region = Threat::RegionLoss;
    let (verdict, _, because) = scene.loss("files", region);
    assert_eq!(verdict, Verdict::Unknown, "a rule alone: {because}");
    scene.measured.canaries = [("files".parse().unwrap(), took(2, "2026-03-03T01:45:00Z"))].into();
    assert_eq!(scene.loss("files", region).0, Verdict::Met);
    scene.measured.canaries = [("files".parse().unwrap(), took(2, "2026-03-03T00:45:00Z"))].into();
    assert_eq!(scene.loss("files", region).0, Verdict::Unknown, "an hour ago");
    assert_eq!(scene.loss("files", Threat::Corruption).0, Verdict::Unknown);

    assert_eq!(scene.loss("sessions", region).1, Achievable::Nothing);
    assert_eq!(scene.loss("sessions", Threat::Corruption).0, Verdict::Missed, "a day apart");
    assert_eq!(scene.loss("password", region).0, Verdict::Met);
    assert_eq!(scene.loss("state", region).0, Verdict::Met);

    let seen = scene.seen.as_mut().unwrap();
    let Ok(Some(secret)) = seen.secrets.values_mut().next().unwrap() else { unreachable!() };
    secret.replicas.insert(WEST.to_owned(), ("Failed".to_owned(), String::new()));
    let west = ("state".parse().unwrap(), WEST.parse().unwrap());
    let object = seen.objects.get_mut(&west).unwrap().get_mut("a").unwrap();
    let Ok(Some(found)) = object else { unreachable!() };
    found.size = 2;
    let (verdict, _, because) = scene.loss("password", region);
    assert_eq!(verdict, Verdict::Unknown, "{because}");
    let hour = Achievable::AtMost(Span::from_mins(61));
    assert_eq!(scene.loss("state", region).1, hour, "what is there is as old as its last writing");
}

/// Goal: minutes are those of a run that was carried out, and not of one that is long ago.
#[test]
fn recovery_takes_as_long_as_it_took() {
    let mut scene = Scene::configured();
    for threat in THREATS {
        assert_eq!(scene.time(threat).0, Verdict::Unknown, "{threat}");
    }
    scene.measured.failover = Some(took(9, "2026-02-01T00:00:00Z"));
    scene.measured.restore = Some(took(42, "2026-03-01T00:00:00Z"));
    assert_eq!(scene.time(Threat::RegionLoss).0, Verdict::Met);
    assert_eq!(scene.time(Threat::Corruption).0, Verdict::Missed);
    scene.measured.failover = Some(took(9, "2025-11-01T00:00:00Z"));
    assert_eq!(scene.time(Threat::RegionLoss).0, Verdict::Unknown, "last year");
}

/// Goal: without a look, and without knowing the side, every figure is unknown.
#[test]
fn nobody_knows_before_somebody_looks() {
    let unseen = Scene { seen: None, ..Scene::configured() };
    let unlocated = Scene { active: None, ..Scene::configured() };
    for scene in [unseen, unlocated] {
        for component in ["orders", "files", "sessions", "password", "state"] {
            for threat in THREATS {
                let (verdict, _, because) = scene.loss(component, threat);
                assert_eq!(verdict, Verdict::Unknown, "{component} {threat}: {because}");
            }
        }
    }
}

/// Goal: an application is as well off as the worst of its components, and what one does not know
/// nobody knows.
#[test]
fn the_worst_decides() {
    let names: Vec<ComponentName> = ["a", "b", "c"].map(|name| name.parse().unwrap()).into();
    let promised = Span::from_mins(5);
    let (good, bad) =
        (Achievable::AtMost(Span::from_mins(1)), Achievable::AtMost(Span::from_mins(9)));
    let table: &[(&[Achievable], &str)] = &[
        (&[good, good], "`a`|`b`"),
        (&[good, Achievable::Unknown, good], "`b`"),
        (&[bad, Achievable::Unknown, good], "`a`"),
        (&[bad, Achievable::Nothing, Achievable::Unknown], "`b`"),
        (&[], "it has no component"),
    ];
    for (figures, who) in table {
        let figures: Vec<Figure> = figures.iter().map(|one| Figure::new(*one, "because")).collect();
        let figure = worst(names.iter().zip(&figures), promised);
        let mut who = who.split('|');
        assert!(who.any(|who| figure.because.starts_with(who)), "{figure:?}");
    }
}
