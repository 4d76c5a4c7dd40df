//! What the checklist makes of what was seen.

use std::collections::BTreeMap;

use muster_runbooks::{
    application::Application, name::RunbookName, plan::Binding, request::Manner,
    runbook::library::Library, value::Span,
};
use serde_json::{Value, json};

use super::{
    super::{
        BucketSide, ClusterSide, DatabaseSide, Inventory, Lag, Maker, Place, Quota, SecretSide,
        Seen,
        objectives::{Measured, Took},
        takeover::{
            Engine, GlobalSide, InstanceSide, MemberSide, RecordSide, SetSide, Stay, TrafficSide,
            WorkerSide, WorkloadSide,
        },
    },
    recovery::{Proof, predict},
    *,
};
use crate::{config::Home, world::version::Path};

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";
const OLD: &str = "arn:aws:rds:us-east-1:123456789012:cluster:orders-east";
const NEW: &str = "arn:aws:rds:us-west-2:123456789012:cluster:orders-west";
const NOW: &str = "2026-03-03T02:10:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn file() -> Value {
    json!({
        "name": "shop", "title": "Shop", "home": EAST, "standby": WEST,
        "objectives": { "rto": "15m", "rpo": "5m" },
        "databases": [{ "name": "orders", "global_cluster": "orders", "clusters": { EAST: OLD, WEST: NEW } }],
        "buckets": [{ "name": "files", "buckets": { EAST: "files-east", WEST: "files-west" } }],
        "workloads": [{ "name": "web", "namespace": "shop", "contexts": { EAST: "east", WEST: "west" },
            "clusters": { EAST: "1", WEST: "2" }, "workers": ["cronjob/nightly"],
            "exports": { "buckets": {}, "prefix": "x" } }],
        "caches": [{ "name": "sessions", "replication_groups": {}, "rebuildable": true }],
        "secrets": [{ "name": "password", "secret": "shop/database" }],
        "traffic": {
            "name": "shop.example", "zone": "Z0123456789", "primary": EAST,
            "marker": { "region": WEST, "bucket": "traffic", "key": "standby-serves" },
            "answers": { EAST: ["192.0.2.10"], WEST: ["198.51.100.10"] },
        },
        "probes": { EAST: "https://east.example/health", WEST: "https://west.example/health" },
        "observers": [
            { "name": "one", "domain": "a", "sees": {}, "control": "https://one.example" },
            { "name": "two", "domain": "b", "sees": {}, "control": "https://two.example" },
        ],
        "attested": ByHand::ALL.map(|what| json!({
            "what": what, "by": "ops", "until": "2026-03-03", "because": "looked",
        })),
    })
}

/// A look at everything, all of it as it should be.
struct Scene {
    application: Application,
    active: Option<Region>,
    seen: Inventory,
    judged: Judged,
    points: BTreeMap<String, muster_state::catalog::RecoveryPoint>,
    measured: Measured,
    peaks: BTreeMap<ComponentName, Peak>,
    actor: Actor,
}

fn place(name: &str, at: &str) -> Place {
    (name.parse().unwrap(), at.parse().unwrap())
}

fn member() -> MemberSide {
    let connected = || Some("connected".to_owned());
    let instance =
        InstanceSide { class: "db.r6g.large".to_owned(), status: "available".to_owned() };
    MemberSide {
        engine: Ok(Some(Engine {
            name: "aurora-postgresql".to_owned(),
            version: "16.4".to_owned(),
        })),
        global: Ok(Some(GlobalSide {
            writer: Some(OLD.to_owned()),
            moving: None,
            members: [(OLD.to_owned(), connected()), (NEW.to_owned(), connected())].into(),
        })),
        instances: Ok([("one".to_owned(), instance)].into()),
        settings: Ok(BTreeMap::new()),
    }
}

fn database(region: &str) -> DatabaseSide {
    let id = format!("arn:aws:rds:{region}:123456789012:cluster-snapshot:night");
    let night = Seen {
        id: id.clone(),
        region: region.parse().unwrap(),
        account: "123456789012".to_owned(),
        maker: Maker::Muster,
        run: None,
        status: "available".to_owned(),
        data_time: Some(at("2026-03-03T02:00:00Z")),
        copied_from: None,
        key: None,
        size_gib: None,
        tags: BTreeMap::new(),
    };
    DatabaseSide {
        cluster: Ok(Some(ClusterSide {
            status: "available".to_owned(),
            account: "123456789012".to_owned(),
            restorable: None,
            backup_window: None,
            maintenance_window: None,
        })),
        points: Ok([(id, night)].into()),
        automated: Ok(BTreeMap::new()),
        lag: Ok(Some(Lag { at: at("2026-03-03T02:09:00Z"), lag: Span::from_secs(1) })),
    }
}

impl Scene {
    fn ready() -> Scene {
        let application: Application = serde_json::from_value(file()).unwrap();
        let mut seen = Inventory::empty(at(NOW));
        let images = ["app@sha256:5f".to_owned()].into();
        let set = SetSide { wanted: 3, ready: 3, images, stays: Stay::For(Span::from_secs(60)) };
        for region in [EAST, WEST] {
            seen.databases.insert(place("orders", region), database(region));
            seen.takeover.members.insert(place("orders", region), member());
            let web = WorkloadSide { sets: [("deployment/web".to_owned(), set.clone())].into() };
            seen.takeover.workloads.insert(place("web", region), Ok(web));
            let wanted = u32::from(region == EAST);
            let nightly = WorkerSide { wanted, is_remembered: false };
            let workers = [("cronjob/nightly".to_owned(), nightly)].into();
            seen.takeover.workers.insert(place("web", region), Ok(workers));
            seen.takeover.probes.insert(region.parse().unwrap(), Ok(200));
            let rules = BucketSide { versioned: Ok(true), replicates_to: Ok(vec!["x".to_owned()]) };
            seen.buckets.insert(place("files", region), rules);
            seen.quotas.insert(region.parse().unwrap(), Ok(Quota { used: 3, max: 100 }));
        }
        let secret = SecretSide {
            primary: Some(EAST.to_owned()),
            changed_at: None,
            replicas: BTreeMap::new(),
        };
        seen.secrets.insert(place("password", EAST), Ok(Some(secret)));
        let record =
            |id: &str, is_primary| RecordSide { id: id.to_owned(), is_primary, is_guarded: true };
        seen.takeover.traffic = Some(TrafficSide {
            marker: Ok(false),
            records: Ok(vec![record("east", true), record("west", false)]),
        });
        seen.takeover.observers = ["one", "two"].map(|name| (name.parse().unwrap(), Ok(()))).into();
        let arrived =
            Took { took: Span::from_secs(20), at: at("2026-03-03T02:05:00Z"), run: "x".to_owned() };
        let mut point = muster_state::catalog::RecoveryPoint::new(
            "arn:aws:rds:us-west-2:123456789012:cluster-snapshot:night".to_owned(),
            "orders".parse().unwrap(),
            WEST.parse().unwrap(),
            "123456789012".to_owned(),
            at("2026-03-03T02:00:00Z"),
            "r00000000001".parse().unwrap(),
        );
        point.verified_at = Some(at("2026-03-01T12:00:00Z"));
        Scene {
            application,
            active: Some(EAST.parse().unwrap()),
            seen,
            judged: Judged::default(),
            points: [(point.id.clone(), point)].into(),
            measured: Measured {
                canaries: [("files".parse().unwrap(), arrived)].into(),
                ..Measured::default()
            },
            peaks: [(
                "web".parse().unwrap(),
                Peak {
                    at: at(NOW),
                    region: EAST.parse().unwrap(),
                    sets: [("deployment/web".to_owned(), 9)].into(),
                },
            )]
            .into(),
            actor: Actor {
                lease: Lease::Held { epoch: 3, acts_until: at(NOW) },
                shipped: Some(Shipped { end: 9, behind_since: None }),
                runs_in: Some(Home::Elsewhere),
                pages: Some(Kept { pages: 3, copies: 2, troubles: Vec::new() }),
            },
        }
    }

    fn look<T>(&self, look: impl FnOnce(&Ready<'_>) -> T) -> T {
        let known = Evidence {
            application: &self.application,
            active: self.active.as_ref(),
            seen: Some(&self.seen),
            points: &self.points,
            measured: &self.measured,
            now: at(NOW),
        };
        look(&Ready { known: &known, judged: &self.judged, peaks: &self.peaks, actor: &self.actor })
    }

    fn stands(&self, id: &str) -> (Standing, String) {
        let points = self.look(checklist);
        let found = points.into_iter().find(|point| point.id == id);
        let found = found.unwrap_or_else(|| panic!("no point {id}"));
        (found.standing, found.saw)
    }

    fn standby(&mut self) -> &mut MemberSide {
        self.seen.takeover.members.get_mut(&place("orders", WEST)).unwrap()
    }

    fn worker(&mut self, at: &str) -> &mut WorkerSide {
        let workers = self.seen.takeover.workers.get_mut(&place("web", at)).unwrap();
        workers.as_mut().unwrap().get_mut("cronjob/nightly").unwrap()
    }

    fn path(&self) -> Open {
        self.look(|ready| path(ready.known, &self.application.databases[0]).0)
    }
}

/// One thing that is changed, the point that must fall, and what it falls to.
type Break = (&'static str, Standing, fn(&mut Scene));

const BREAKS: &[Break] = &[
    ("global-member/orders", Standing::Fail, |it| {
        let global = it.standby().global.as_mut().unwrap().as_mut().unwrap();
        global.members.insert(NEW.to_owned(), Some("pending-resync".to_owned()));
    }),
    ("global-member/orders", Standing::Unknown, |it| {
        let global = it.standby().global.as_mut().unwrap().as_mut().unwrap();
        global.members.insert(NEW.to_owned(), None);
    }),
    ("global-member/orders", Standing::Fail, |it| it.standby().global = Ok(None)),
    ("standby-instance/orders", Standing::Fail, |it| {
        it.standby().instances = Ok(BTreeMap::new());
    }),
    ("standby-instance/orders", Standing::Fail, |it| {
        let small =
            InstanceSide { class: "db.t4g.medium".to_owned(), status: "available".to_owned() };
        it.standby().instances = Ok([("one".to_owned(), small)].into());
    }),
    ("standby-instance/orders", Standing::Unknown, |it| {
        it.standby().instances = Err("no answer".to_owned());
    }),
    ("parameters/orders", Standing::Fail, |it| {
        it.standby().settings = Ok([("work_mem".to_owned(), "9".to_owned())].into());
    }),
    ("rpo-lock/orders", Standing::Fail, |it| {
        it.standby().settings = Ok([("rds.global_db_rpo".to_owned(), "20".to_owned())].into());
    }),
    ("replication-lag/orders", Standing::Unknown, |it| {
        it.seen.databases.get_mut(&place("orders", WEST)).unwrap().lag = Ok(None);
    }),
    ("replication-lag/orders", Standing::Fail, |it| {
        let late = Lag { at: at("2026-03-03T02:09:00Z"), lag: Span::from_mins(6) };
        it.seen.databases.get_mut(&place("orders", WEST)).unwrap().lag = Ok(Some(late));
    }),
    ("copy/orders", Standing::Fail, |it| {
        it.judged.unprotected.insert(place("orders", WEST), None);
    }),
    ("restore-proof/orders", Standing::Unknown, |it| it.points.clear()),
    ("snapshot-quota", Standing::Fail, |it| {
        it.seen.quotas.insert(WEST.parse().unwrap(), Ok(Quota { used: 99, max: 100 }));
    }),
    ("secret/password", Standing::Unknown, |it| {
        it.judged.unknown.insert("secret-not-in-sync/password".to_owned());
    }),
    ("cache-zones/sessions", Standing::Unknown, |it| {
        it.application.caches[0].replication_groups.insert(EAST.to_owned(), "one".to_owned());
        it.judged.unknown.insert("cache-zones/sessions/us-east-1".to_owned());
    }),
    ("cache-zones/sessions", Standing::Pass, |it| {
        it.application.caches[0].replication_groups.insert(EAST.to_owned(), "one".to_owned());
    }),
    ("bucket-arrival/files", Standing::Unknown, |it| it.measured.canaries.clear()),
    ("workload/web", Standing::Fail, |it| {
        it.seen.takeover.workloads.insert(place("web", WEST), Ok(WorkloadSide::default()));
    }),
    ("workload/web", Standing::Fail, |it| {
        let sides = it.seen.takeover.workloads.get_mut(&place("web", WEST)).unwrap();
        sides.as_mut().unwrap().sets.values_mut().next().unwrap().images =
            ["old".to_owned()].into();
    }),
    ("workload/web", Standing::Fail, |it| {
        let sides = it.seen.takeover.workloads.get_mut(&place("web", WEST)).unwrap();
        sides.as_mut().unwrap().sets.values_mut().next().unwrap().ready = 2;
    }),
    ("workload/web", Standing::Unknown, |it| {
        it.seen.takeover.workloads.insert(place("web", WEST), Err("no answer".to_owned()));
    }),
    ("workers/web", Standing::Fail, |it| it.worker(WEST).wanted = 1),
    ("workers/web", Standing::Fail, |it| {
        *it.worker(EAST) = WorkerSide { wanted: 0, is_remembered: true };
    }),
    ("workers/web", Standing::Fail, |it| {
        it.seen.takeover.workers.insert(place("web", WEST), Ok(BTreeMap::new()));
    }),
    ("workers/web", Standing::Unknown, |it| {
        it.seen.takeover.workers.insert(place("web", WEST), Err("no answer".to_owned()));
    }),
    ("full-strength/web", Standing::Fail, |it| it.application.workloads[0].clusters.clear()),
    ("full-strength/web", Standing::Unknown, |it| it.peaks.clear()),
    ("traffic-marker", Standing::Unknown, |it| {
        it.seen.takeover.traffic.as_mut().unwrap().marker = Err("AccessDenied".to_owned());
    }),
    ("traffic-marker", Standing::Fail, |it| {
        it.seen.takeover.traffic.as_mut().unwrap().marker = Ok(true);
    }),
    ("traffic-records", Standing::Fail, |it| {
        it.seen.takeover.traffic.as_mut().unwrap().records.as_mut().unwrap().pop();
    }),
    ("traffic-records", Standing::Fail, |it| {
        let records = it.seen.takeover.traffic.as_mut().unwrap().records.as_mut().unwrap();
        records[0].is_guarded = false;
    }),
    ("standby-probe", Standing::Unknown, |it| {
        it.seen.takeover.probes.insert(WEST.parse().unwrap(), Ok(503));
    }),
    ("standby-probe", Standing::Fail, |it| {
        it.seen.takeover.probes.insert(WEST.parse().unwrap(), Err("no answer".to_owned()));
    }),
    ("observers", Standing::Fail, |it| {
        it.seen.takeover.observers.insert("two".parse().unwrap(), Err("no answer".to_owned()));
    }),
    ("muster-home", Standing::Fail, |it| {
        it.actor.runs_in = Some(Home::Region(EAST.parse().unwrap()));
    }),
    ("muster-home", Standing::Unknown, |it| it.actor.runs_in = None),
    ("lease", Standing::Fail, |it| it.actor.lease = Lease::NotConfigured),
    ("shipped-log", Standing::Fail, |it| it.actor.shipped = None),
    ("by-hand", Standing::Unknown, |it| it.actor.pages = None),
    ("by-hand", Standing::Fail, |it| it.actor.pages.as_mut().unwrap().copies = 0),
    ("by-hand", Standing::Fail, |it| {
        let trouble = ("s3://pages/by-hand in us-west-2: no answer".to_owned(), at(NOW));
        it.actor.pages.as_mut().unwrap().troubles.push(trouble);
    }),
    ("shipped-log", Standing::Fail, |it| {
        it.actor.shipped.as_mut().unwrap().behind_since = Some(at("2026-03-03T02:08:00Z"));
    }),
    ("certificates", Standing::Unknown, |it| {
        it.application.attested.retain(|word| word.what != ByHand::Certificates);
    }),
    ("capacity", Standing::Unknown, |it| {
        it.application.attested[1].until = "2026-03-02".parse().unwrap();
    }),
];

/// Goal: every point passes when everything is as it should be, and each thing that is not makes its own
/// point fall, to `fail` where it was seen and to `unknown` where it could not be read.
/// Method: one sound scene, and each break by itself; all other points must stay as they are.
#[test]
fn each_thing_that_is_missing_is_told() {
    let sound = Scene::ready().look(checklist);
    for point in &sound {
        assert_eq!(point.standing, Standing::Pass, "{} {}", point.id, point.saw);
    }
    assert_eq!(verdict(&sound), Standing::Pass);
    for (id, standing, break_it) in BREAKS {
        let mut scene = Scene::ready();
        break_it(&mut scene);
        let (now, saw) = scene.stands(id);
        assert_eq!(now, *standing, "{id}: {saw}");
        let points = scene.look(checklist);
        assert_eq!(verdict(&points), *standing);
        // A parameter that only one side has is told twice: it differs, whatever it is.
        let fallen = points.iter().filter(|point| point.standing != Standing::Pass);
        assert!(
            fallen.clone().all(|point| point.id == *id),
            "{id}: {:?}",
            fallen.collect::<Vec<_>>()
        );
    }
}

/// Goal: nobody knows which side takes over while nobody has seen where the application is.
#[test]
fn without_an_active_region_nothing_is_known() {
    let mut scene = Scene::ready();
    scene.active = None;
    assert_eq!(scene.stands("active-region").0, Standing::Unknown);
    assert_eq!(scene.path(), Open::Unknown);
}

/// Goal: the way that is open is the one that versions, connection and the file leave.
#[test]
fn which_way_is_open() {
    let version = |it: &mut Scene, version: &str| {
        it.standby().engine =
            Ok(Some(Engine { name: "aurora-postgresql".to_owned(), version: version.to_owned() }));
    };
    let mut scene = Scene::ready();
    assert_eq!(scene.path(), Open::Way(Path::Switchover));
    version(&mut scene, "16.4.2");
    assert_eq!(scene.path(), Open::Way(Path::Detach));
    version(&mut scene, "15.4");
    assert_eq!(scene.path(), Open::Closed);
    let mut scene = Scene::ready();
    let east = place("orders", EAST);
    scene.seen.takeover.members.get_mut(&east).unwrap().engine = Err("no answer".to_owned());
    assert_eq!(scene.path(), Open::Way(Path::Failover));
    scene.standby().engine = Err("no answer".to_owned());
    assert_eq!(scene.path(), Open::Unknown);
    let mut scene = Scene::ready();
    let must_not = [(WEST.to_owned(), muster_runbooks::application::Promotion::MustNot)];
    scene.application.databases[0].promotion = must_not.into();
    assert_eq!(scene.path(), Open::Closed);
}

fn plan(application: &Application) -> muster_runbooks::plan::Plan {
    let library = Library::shipped();
    let name: RunbookName = "region-failover".parse().unwrap();
    let request = muster_runbooks::request::Request {
        runbook: name.clone(),
        application: Some(application.name.clone()),
        inputs: BTreeMap::new(),
        trigger: muster_runbooks::request::Trigger::Person { name: "olga".to_owned() },
        mode: muster_runbooks::request::Mode::Live,
        manner: Manner::Graceful,
        reason: "a test".to_owned(),
        dedupe_key: None,
        symptom_at: None,
        not_after: None,
    };
    let binding = Binding {
        application: application.clone(),
        active: EAST.parse().unwrap(),
        standby: WEST.parse().unwrap(),
    };
    let runbook = library.get(&name).unwrap();
    muster_runbooks::plan::Plan::make(runbook, &request, Some(binding)).unwrap()
}

/// Goal: what was measured takes the place of a budget, in the manner that it was measured in, and what
/// is expected is never more than what is allowed.
#[test]
fn how_long_it_would_take() {
    let mut scene = Scene::ready();
    let plan = plan(&scene.application);
    let forced = |scene: &Scene| predict(&plan, Manner::Forced, &scene.measured);
    let before = forced(&scene);
    assert_eq!(before.measured(), 0);
    assert!(before.expected <= before.at_most, "{before:?}");
    let took = |secs| Took { took: Span::from_secs(secs), at: at(NOW), run: "r".to_owned() };
    let key = |action: &str| ("promote-database-orders".parse().unwrap(), action.to_owned());
    scene.measured.steps.insert(key("switchover-database"), took(60));
    assert_eq!(forced(&scene), before, "a switchover says nothing about a failover");
    scene.measured.steps.insert(key("failover-database"), took(150));
    let after = forced(&scene);
    assert_eq!(after.measured(), 1);
    let saved = before.expected.secs() - after.expected.secs();
    assert_eq!(saved, 30, "a budget of three minutes, and half a minute less measured");
    assert_eq!(after.at_most, before.at_most);
}

/// Goal: what has changed since a failover was carried out is named, and which side was which is no change.
#[test]
fn what_changed_since_it_was_proven() {
    let application = Scene::ready().application;
    let then = Proof::of(&plan(&application));
    assert_eq!(then.changes(&Proof::of(&plan(&application))), Vec::<String>::new());
    let mut other = file();
    other["objectives"]["rto"] = json!("10m");
    other["databases"][0]["retention"] = json!({ "keep_for": "72h" });
    other["secrets"].as_array_mut().unwrap().push(json!({ "name": "key", "secret": "shop/key" }));
    let other: Application = serde_json::from_value(other).unwrap();
    assert_eq!(
        then.changes(&Proof::of(&plan(&other))),
        [
            "objectives.rto is another",
            "databases.orders.retention.keep_for is another",
            "secrets.key is new",
        ]
    );
}
