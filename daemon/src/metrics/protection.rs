//! Figures of what protects the applications: quotas, how far back they can be restored, what could be
//! kept of what was promised. What could not be read is absent, never zero.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{name::Region, value::Span};
use muster_state::catalog::Tested;
use prometheus_client::registry::Registry;

use super::{gauge, secs, set};
use crate::{
    api::{
        Api,
        detection::all_detection,
        protection::{all_objectives, all_readiness},
        view::{
            detection::SeesView,
            objectives::{AchievableView, Kept},
            readiness::Stands,
        },
    },
    world::inventory::Quota,
};

/// A region and, where it is another than the application's own, the account.
type Seat = (Region, Option<String>);

pub(super) fn register(api: &Api, registry: &mut Registry) {
    looks(api, registry);
    restores(api, registry);
    objectives(api, registry);
    readiness(api, registry);
    detection(api, registry);
}

fn looks(api: &Api, registry: &mut Registry) {
    let now = api.intake().clock().now();
    let since = |at: Timestamp| secs(Span::between(at, now).secs());
    let age = gauge(registry, "inventory_age_seconds", "Since it was last asked what protects it");
    let pitr = gauge(
        registry,
        "pitr_lag_seconds",
        "How far the last instant that a cluster can be restored to is behind; absent when unknown",
    );
    let unprotected = gauge(
        registry,
        "unprotected_since_seconds",
        "Age of the newest usable point where schedules promise a newer one; absent while protected",
    );
    let bare = gauge(registry, "unprotected", "1 where a promised recovery point is missing");
    let mut quotas: BTreeMap<Seat, (Timestamp, Quota)> = BTreeMap::new();
    for name in api.intake().applications().keys() {
        let Some(look) = api.intake().looks().last(name) else { continue };
        let application = name.as_str();
        set(&age, [("application", application)], since(look.seen.read_at));
        for ((component, region), side) in &look.seen.databases {
            let pairs = [
                ("application", application),
                ("component", component.as_str()),
                ("region", region.as_str()),
            ];
            if let Ok(Some(cluster)) = &side.cluster
                && let Some((_, to)) = cluster.restorable
            {
                set(&pitr, pairs, since(to));
            }
        }
        for ((component, region), newest) in &look.judged.unprotected {
            let pairs = [
                ("application", application),
                ("component", component.as_str()),
                ("region", region.as_str()),
            ];
            set(&bare, pairs, 1);
            if let Some(newest) = newest {
                set(&unprotected, pairs, since(*newest));
            }
        }
        for (component, newest) in &look.judged.unprotected_vaults {
            let Some(vault) = look.seen.vaults.get(component) else { continue };
            let pairs = [
                ("application", application),
                ("component", component.as_str()),
                ("region", vault.region.as_str()),
                ("account", vault.account.as_str()),
            ];
            set(&bare, pairs, 1);
            if let Some(newest) = newest {
                set(&unprotected, pairs, since(*newest));
            }
        }
        // The newest reading of a region of an account is everybody's.
        let own = look.seen.quotas.iter().map(|(region, quota)| ((region.clone(), None), quota));
        let vaults = look.seen.vaults.values();
        let vaults =
            vaults.map(|side| ((side.region.clone(), Some(side.account.clone())), &side.quota));
        for (seat, quota) in own.chain(vaults) {
            let Ok(quota) = quota else { continue };
            let newest = quotas.entry(seat).or_insert((look.seen.read_at, *quota));
            if newest.0 < look.seen.read_at {
                *newest = (look.seen.read_at, *quota);
            }
        }
    }
    let used = gauge(registry, "snapshot_quota_used", "Manual cluster snapshots of a region");
    let max = gauge(registry, "snapshot_quota_max", "How many a region may have");
    for ((region, account), (_, quota)) in quotas {
        let of = |count| usize::try_from(count).unwrap_or(usize::MAX);
        for (gauge, count) in [(&used, of(quota.used)), (&max, of(quota.max))] {
            match &account {
                None => set(gauge, [("region", region.as_str())], count),
                Some(account) => {
                    set(gauge, [("region", region.as_str()), ("account", account)], count);
                }
            }
        }
    }
}

/// What restore tests have shown of each component in each region.
fn restores(api: &Api, registry: &mut Registry) {
    let now = api.intake().clock().now();
    let proven = gauge(
        registry,
        "restore_proven_age_seconds",
        "Since a restore was last proven by its data; absent when none ever was",
    );
    let well = gauge(
        registry,
        "restore_test_well",
        "1 if the last restore test restored, failed no check and left nothing behind, 0 if not",
    );
    let took = gauge(
        registry,
        "restore_test_seconds",
        "How long the last restore test took until an instance answered; absent if it did not",
    );
    api.intake().known(|known| {
        for (name, state) in &known.applications {
            let mut places: BTreeMap<_, (Option<Timestamp>, Option<&Tested>)> = BTreeMap::new();
            for point in state.points.values() {
                let (component, region) = (point.component.as_str(), point.region.as_str());
                let (verified_at, last) = places.entry((component, region)).or_default();
                *verified_at = point.verified_at.max(*verified_at);
                let tested = point.tested.as_deref().into_iter().chain(*last);
                *last = tested.max_by_key(|tested| tested.restore.at);
            }
            for ((component, region), (verified_at, last)) in places {
                let pairs =
                    [("application", name.as_str()), ("component", component), ("region", region)];
                if let Some(at) = verified_at {
                    set(&proven, pairs, secs(Span::between(at, now).secs()));
                }
                let Some(last) = last else { continue };
                set(&well, pairs, usize::from(last.is_well()));
                if let Some(length) = last.took {
                    set(&took, pairs, secs(length.secs()));
                }
            }
        }
    });
}

fn objectives(api: &Api, registry: &mut Registry) {
    let verdicts = gauge(
        registry,
        "objective_verdict",
        "1 for whether an objective would be kept: met, missed or unknown",
    );
    let achievable = gauge(
        registry,
        "objective_achievable_seconds",
        "What could be kept; absent when it is unknown or there is no way back",
    );
    for view in all_objectives(api) {
        for threat in &view.threats {
            let figures: [(&str, &AchievableView); 2] =
                [("rpo", &threat.rpo), ("rto", &threat.rto)];
            for (objective, figure) in figures {
                let labels = [
                    ("application", view.application.as_str()),
                    ("threat", threat.threat.as_str()),
                    ("objective", objective),
                ];
                for verdict in [Kept::Met, Kept::Missed, Kept::Unknown] {
                    let [application, threat, objective] = labels;
                    let pairs = [application, threat, objective, ("verdict", verdict.word())];
                    set(&verdicts, pairs, usize::from(figure.verdict == verdict));
                }
                if let Some(length) = &figure.achievable {
                    set(&achievable, labels, secs(length.secs));
                }
            }
        }
    }
}

fn detection(api: &Api, registry: &mut Registry) {
    let stands = gauge(
        registry,
        "active_region_stands",
        "1 for how the active region stands, as those who watch say: unasked, well, suspected, lost, disagree or unknown",
    );
    let sees = gauge(
        registry,
        "observers",
        "How many observers see the active region so: healthy, unknown or lost",
    );
    for view in all_detection(api).into_iter().filter(|view| view.asked_at.is_some()) {
        let application = view.application.as_str();
        for standing in ["unasked", "well", "suspected", "lost", "disagree", "unknown"] {
            let is_so = usize::from(view.standing == standing);
            set(&stands, [("application", application), ("standing", standing)], is_so);
        }
        for kind in [SeesView::Healthy, SeesView::Unknown, SeesView::Lost] {
            let count = view.observers.iter().filter(|one| one.sees == kind).count();
            set(&sees, [("application", application), ("sees", kind.word())], count);
        }
    }
}

fn readiness(api: &Api, registry: &mut Registry) {
    let points = gauge(
        registry,
        "readiness_points",
        "How many points of the takeover checklist stand so: pass, unknown or fail",
    );
    let expected = gauge(
        registry,
        "failover_expected_seconds",
        "How long a failover would take by what its steps took before, and by their budgets",
    );
    for view in all_readiness(api) {
        let application = view.application.as_str();
        for stands in [Stands::Pass, Stands::Unknown, Stands::Fail] {
            let count = view.points.iter().filter(|point| point.stands == stands).count();
            set(&points, [("application", application), ("stands", stands.word())], count);
        }
        for one in &view.recovery {
            let pairs = [("application", application), ("manner", one.manner.as_str())];
            set(&expected, pairs, secs(one.expected.secs));
        }
    }
}
