//! What the last look showed of everything that protects an application: a sample, with the instant at
//! which it was asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    application::Application,
    name::{ComponentName, Region},
};
use muster_state::progress::ApplicationState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Length;
use crate::{
    inventory::Look,
    world::inventory::{
        CacheSide, DatabaseSide, Maker, ObjectSide, Place, Quota, Said, Same, Seen, VaultSide,
        points::usable,
    },
};

/// Everything that was seen.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct InventoryView {
    /// The application.
    pub application: String,
    /// When it was asked for; nothing while nobody has looked, and then everything else is empty.
    pub read_at: Option<Timestamp>,
    /// How many snapshots each region may still take.
    pub quotas: Vec<QuotaView>,
    /// Each component in each region.
    pub sides: Vec<SideView>,
    /// The declared objects.
    pub objects: Vec<ObjectView>,
}

/// The quota of manual cluster snapshots in a region.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct QuotaView {
    /// The region.
    pub region: String,
    /// The account, where it is another than the application's own.
    pub account: Option<String>,
    /// How many there are; nothing when it could not be read.
    pub used: Option<u64>,
    /// How many there may be.
    pub max: Option<u64>,
    /// Why it could not be read.
    pub unknown: Option<String>,
}

/// A component in a region. What does not apply to its kind, or could not be read, is left out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct SideView {
    /// The component.
    pub component: String,
    /// `database`, `vault`, `cache`, `bucket` or `secret`.
    pub kind: String,
    /// The region.
    pub region: String,
    /// The account of a vault.
    pub account: Option<String>,
    /// The status of the cluster, the replication group or the secret's replicas.
    pub status: Option<String>,
    /// The first instant that a cluster can be restored to.
    pub restorable_from_at: Option<Timestamp>,
    /// The last instant that a cluster can be restored to.
    pub restorable_to_at: Option<Timestamp>,
    /// How far that is behind the time of the look.
    pub restorable_behind: Option<Length>,
    /// The newest lag of a standby.
    pub lag: Option<Length>,
    /// The start of the minute that the lag is of.
    pub lag_at: Option<Timestamp>,
    /// How many snapshots there are by who made them: `muster`, `somebody`, `provider`.
    pub points: Option<BTreeMap<String, usize>>,
    /// The instant that the newest data is from which could be restored.
    pub newest_data_at: Option<Timestamp>,
    /// Whether it is unprotected there by what schedules promise.
    pub unprotected: bool,
    /// The data of the newest point there, while it is unprotected; nothing when there is none at all.
    pub unprotected_since_at: Option<Timestamp>,
    /// Whether a bucket keeps versions.
    pub versioned: Option<bool>,
    /// Where the enabled rules of a bucket copy to.
    pub replicates_to: Option<Vec<String>>,
    /// The role of each node of a cache.
    pub members: BTreeMap<String, String>,
    /// Why parts of it could not be read.
    pub unknown: Vec<String>,
}

/// A declared object.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ObjectView {
    /// The component.
    pub component: String,
    /// Its key.
    pub key: String,
    /// When its newest version was written, by region; a region where it is missing is left out.
    pub modified_at: BTreeMap<String, Timestamp>,
    /// Its size in bytes, by region.
    pub size: BTreeMap<String, u64>,
    /// `yes`, `no` or `unknown`: whether both sides hold the same.
    pub same: String,
    /// Why it could not be read, by region.
    pub unknown: BTreeMap<String, String>,
}

/// The view of the last look.
pub fn view(
    application: &Application,
    state: &ApplicationState,
    look: Option<&Look>,
) -> InventoryView {
    let name = application.name.to_string();
    let Some(look) = look else {
        return InventoryView {
            application: name,
            read_at: None,
            quotas: Vec::new(),
            sides: Vec::new(),
            objects: Vec::new(),
        };
    };
    let quota = |region: &Region, account: Option<&String>, quota: &Said<Quota>| QuotaView {
        region: region.to_string(),
        account: account.cloned(),
        used: quota.as_ref().ok().map(|quota| quota.used),
        max: quota.as_ref().ok().map(|quota| quota.max),
        unknown: quota.as_ref().err().cloned(),
    };
    let own = look.seen.quotas.iter().map(|(region, said)| quota(region, None, said));
    let vaults = look.seen.vaults.values();
    let vaults = vaults.map(|side| quota(&side.region, Some(&side.account), &side.quota));
    InventoryView {
        application: name,
        read_at: Some(look.seen.read_at),
        quotas: own.chain(vaults).collect(),
        sides: sides(state, look),
        objects: objects(application, look),
    }
}

fn sides(state: &ApplicationState, look: &Look) -> Vec<SideView> {
    let seen = &look.seen;
    let mut sides = Vec::new();
    for (place, side) in &seen.databases {
        sides.push(database(state, look, place, side));
    }
    for (name, side) in &seen.vaults {
        sides.push(vault(state, look, name, side));
    }
    for (place, side) in &seen.caches {
        sides.push(cache(state, look, place, side));
    }
    for (place, side) in &seen.buckets {
        let mut view = blank(look, place, "bucket");
        view.versioned = read(&side.versioned, &mut view.unknown).copied();
        view.replicates_to = read(&side.replicates_to, &mut view.unknown).cloned();
        sides.push(view);
    }
    for (place, side) in &seen.secrets {
        let mut view = blank(look, place, "secret");
        view.status = read(side, &mut view.unknown).map(|side| match side {
            None => "missing".to_owned(),
            Some(side) if side.replicas.is_empty() => match &side.primary {
                Some(primary) if primary != place.1.as_str() => format!("replica of {primary}"),
                Some(_) | None => "without a replica".to_owned(),
            },
            Some(side) => {
                let replicas = side.replicas.iter();
                let words = replicas.map(|(region, (status, _))| format!("{region} {status}"));
                words.collect::<Vec<_>>().join(", ")
            }
        });
        sides.push(view);
    }
    sides
}

fn blank(look: &Look, place: &Place, kind: &str) -> SideView {
    let unprotected = look.judged.unprotected.get(place);
    SideView {
        component: place.0.to_string(),
        kind: kind.to_owned(),
        region: place.1.to_string(),
        unprotected: unprotected.is_some(),
        unprotected_since_at: unprotected.copied().flatten(),
        ..SideView::default()
    }
}

fn read<'a, T>(said: &'a Said<T>, unknown: &mut Vec<String>) -> Option<&'a T> {
    match said {
        Ok(value) => Some(value),
        Err(why) => {
            if !unknown.contains(why) {
                unknown.push(why.clone());
            }
            None
        }
    }
}

fn database(state: &ApplicationState, look: &Look, place: &Place, side: &DatabaseSide) -> SideView {
    let mut view = blank(look, place, "database");
    if let Some(cluster) = read(&side.cluster, &mut view.unknown) {
        let status = cluster.as_ref().map_or("missing", |cluster| cluster.status.as_str());
        view.status = Some(status.to_owned());
        if let Some((from, to)) = cluster.as_ref().and_then(|cluster| cluster.restorable) {
            view.restorable_from_at = Some(from);
            view.restorable_to_at = Some(to);
            view.restorable_behind = Some(Length::between(to, look.seen.read_at));
        }
    }
    if let Some(Some(sample)) = read(&side.lag, &mut view.unknown) {
        view.lag = Some(sample.lag.into());
        view.lag_at = Some(sample.at);
    }
    points(state, &mut view, &side.points, &side.automated);
    view
}

fn vault(
    state: &ApplicationState,
    look: &Look,
    name: &ComponentName,
    side: &VaultSide,
) -> SideView {
    let unprotected = look.judged.unprotected_vaults.get(name);
    let mut view = SideView {
        component: name.to_string(),
        kind: "vault".to_owned(),
        region: side.region.to_string(),
        account: Some(side.account.clone()),
        unprotected: unprotected.is_some(),
        unprotected_since_at: unprotected.copied().flatten(),
        ..SideView::default()
    };
    // The provider takes none by itself there.
    points(state, &mut view, &side.points, &Ok(BTreeMap::new()));
    view
}

fn cache(state: &ApplicationState, look: &Look, place: &Place, side: &CacheSide) -> SideView {
    let mut view = blank(look, place, "cache");
    if let Some(group) = read(&side.group, &mut view.unknown) {
        let status = group.as_ref().map_or("missing", |group| group.status.as_str());
        view.status = Some(status.to_owned());
        view.members = group.as_ref().map(|group| group.members.clone()).unwrap_or_default();
    }
    points(state, &mut view, &side.points, &side.automated);
    view
}

fn points(
    state: &ApplicationState,
    view: &mut SideView,
    manual: &Said<BTreeMap<String, Seen>>,
    automated: &Said<BTreeMap<String, Seen>>,
) {
    let manual = read(manual, &mut view.unknown);
    let automated = read(automated, &mut view.unknown);
    let (Some(manual), Some(automated)) = (manual, automated) else { return };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for one in manual.values().chain(automated.values()) {
        let maker = match one.maker {
            Maker::Muster => "muster",
            Maker::Somebody => "somebody",
            Maker::Provider => "provider",
        };
        *counts.entry(maker.to_owned()).or_default() += 1;
    }
    view.points = Some(counts);
    view.newest_data_at = usable(manual.values(), &state.points).first().copied();
}

fn objects(application: &Application, look: &Look) -> Vec<ObjectView> {
    let sides = [&application.home, &application.standby];
    let keys =
        application.objects.iter().flat_map(|one| one.keys.iter().map(move |key| (&one.name, key)));
    let view = |(name, key): (&ComponentName, &String)| {
        let mut view = ObjectView {
            component: name.to_string(),
            key: key.clone(),
            modified_at: BTreeMap::new(),
            size: BTreeMap::new(),
            same: "unknown".to_owned(),
            unknown: BTreeMap::new(),
        };
        let mut found: Vec<&ObjectSide> = Vec::new();
        for region in sides {
            let place: Place = (name.clone(), region.clone());
            match look.seen.objects.get(&place).and_then(|objects| objects.get(key)) {
                Some(Ok(Some(object))) => {
                    view.modified_at.extend(object.modified_at.map(|at| (region.to_string(), at)));
                    view.size.insert(region.to_string(), object.size);
                    found.push(object);
                }
                Some(Err(why)) => {
                    view.unknown.insert(region.to_string(), why.clone());
                }
                Some(Ok(None)) | None => {}
            }
        }
        if let [one, other] = found[..] {
            view.same = match one.same(other) {
                Same::Yes => "yes",
                Same::No => "no",
                Same::Unknown => "unknown",
            }
            .to_owned();
        }
        view
    };
    keys.map(view).collect()
}
