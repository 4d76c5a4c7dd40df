//! Recovery points in pages, newest data first: what the catalogue says, and what the last list showed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use jiff::Timestamp;
use muster_runbooks::{
    name::{ComponentName, Region},
    value::Span,
};
use muster_state::{
    catalog::{Hold, RecoveryPoint, Stamp, Tested},
    progress::ApplicationState,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Length, Verdict, application::age};
use crate::{
    inventory::Look,
    world::inventory::{Said, Seen},
};

/// A recovery point.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct PointView {
    /// Its identifier.
    pub id: String,
    /// The database or cache.
    pub component: String,
    /// Where it is.
    pub region: String,
    /// The account it is in.
    pub account: String,
    /// The instant that its data is from.
    pub data_at: Timestamp,
    /// How old the data is; nothing when the provider's clock is ahead of ours.
    pub age: Option<Length>,
    /// Whether a restore from it would keep the recovery point objective by itself.
    pub within_rpo: Verdict,
    /// What the provider last said of it: such as `available`; `missing` when it is gone; nothing when
    /// nobody has looked since it was made.
    pub status: Option<String>,
    /// When that was asked for.
    pub status_read_at: Option<Timestamp>,
    /// The point it was copied from.
    pub copied_from: Option<String>,
    /// The key it is encrypted with.
    pub key: Option<String>,
    /// Its size, if the provider says.
    pub size_gib: Option<u32>,
    /// Its tags, as the last list showed them.
    pub tags: BTreeMap<String, String>,
    /// The run that made it.
    pub made_by: String,
    /// When it was last restored and its data proven.
    pub verified_at: Option<Timestamp>,
    /// How its last restore test went; nothing when it was never tested.
    pub tested: Option<TestedView>,
    /// When it was marked for deletion.
    pub marked_at: Option<Timestamp>,
    /// What it was made for.
    pub purpose: String,
    /// Who keeps it from being deleted, and why.
    pub holds: Vec<PointHoldView>,
}

/// A hold on a recovery point.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct PointHoldView {
    /// What it is called.
    pub name: String,
    /// Who placed it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since_at: Timestamp,
}

/// How the restore test of a recovery point went. That it restores proves no data.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct TestedView {
    /// The run that tested it.
    pub run: String,
    /// Whether it came back as a cluster with an instance.
    pub restore: StampView,
    /// Whether checks that prove data passed.
    pub validation: StampView,
    /// Whether what was made for the test is gone.
    pub clean_up: StampView,
    /// From the promise of the restore until its instance was available.
    pub took: Option<Length>,
    /// What went wrong.
    pub because: Option<String>,
}

/// One part of a restore test.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct StampView {
    /// `succeeded`, `failed`, `not_done` or `pending`.
    pub status: String,
    /// When it came to that.
    pub at: Timestamp,
}

/// Which points.
#[derive(Clone, Debug, Default)]
pub struct Sieve {
    /// Only of this component.
    pub component: Option<ComponentName>,
    /// Only in this region.
    pub region: Option<Region>,
}

impl Sieve {
    fn lets(&self, point: &RecoveryPoint) -> bool {
        self.component.as_ref().is_none_or(|component| *component == point.component)
            && self.region.as_ref().is_none_or(|region| *region == point.region)
    }
}

/// The place of a point in the list: newest data first, then by identifier.
pub type Place = (Timestamp, String);

fn place(point: &RecoveryPoint) -> (Reverse<Timestamp>, &str) {
    (Reverse(point.data_time), &point.id)
}

/// The `limit` points behind a place, and the place of the last one if more follow. Looks at each point
/// once and keeps no more than a page of them.
pub fn page(
    state: &ApplicationState,
    sieve: &Sieve,
    after: Option<&Place>,
    limit: usize,
    view: impl Fn(&RecoveryPoint) -> PointView,
) -> (Vec<PointView>, Option<Place>) {
    let after = after.map(|(data_time, id)| (Reverse(*data_time), id.as_str()));
    let fits = |point: &&RecoveryPoint| {
        sieve.lets(point) && after.as_ref().is_none_or(|after| place(point) > *after)
    };
    let mut heap = BinaryHeap::with_capacity(limit + 2);
    for point in state.points.values().filter(fits) {
        let key = place(point);
        // Full, and behind the last that is kept: most points of a long list end here.
        if heap.len() > limit && heap.peek().is_some_and(|(last, _)| key >= *last) {
            continue;
        }
        heap.push((key, &point.id));
        if heap.len() > limit + 1 {
            heap.pop();
        }
    }
    let more = heap.len() > limit;
    let sorted = heap.into_sorted_vec();
    let kept: Vec<&RecoveryPoint> =
        sorted.iter().take(limit).filter_map(|(_, id)| state.points.get(*id)).collect();
    let next = kept.last().filter(|_| more).map(|last| (last.data_time, last.id.clone()));
    (kept.into_iter().map(view).collect(), next)
}

/// The view of a point.
pub fn view(
    point: &RecoveryPoint,
    state: &ApplicationState,
    look: Option<&Look>,
    rpo: Span,
    now: Timestamp,
) -> PointView {
    let listed = look.and_then(|look| {
        let (list, place) = list(look, point)?;
        Some((look.seen.read_at, list, place))
    });
    let seen = listed.as_ref().and_then(|(_, list, _)| list.get(&point.id));
    let is_gone = seen.is_none()
        && listed.as_ref().is_some_and(|(.., place)| {
            let id = format!("missing-point/{}/{place}", point.component);
            state.findings.contains_key(&id)
        });
    let status = seen.map(|seen| seen.status.clone()).or(is_gone.then(|| "missing".to_owned()));
    let age = age(point.data_time, now);
    let within_rpo = match &age {
        Some(age) if age.secs <= rpo.secs() => Verdict::Yes,
        Some(_) => Verdict::No,
        None => Verdict::Unknown,
    };
    PointView {
        id: point.id.clone(),
        component: point.component.to_string(),
        region: point.region.to_string(),
        account: point.account.clone(),
        data_at: point.data_time,
        age,
        within_rpo,
        status_read_at: status.as_ref().and(listed.as_ref()).map(|(read_at, ..)| *read_at),
        status,
        copied_from: point.copied_from.clone(),
        key: point.key.clone(),
        size_gib: point.size_gib,
        tags: seen.map(|seen| seen.tags.clone()).unwrap_or_default(),
        made_by: point.made_by.to_string(),
        verified_at: point.verified_at,
        tested: point.tested.as_deref().map(tested),
        marked_at: point.marked_at,
        purpose: point.purpose.to_string(),
        holds: holds(point),
    }
}

fn tested(tested: &Tested) -> TestedView {
    let stamp = |stamp: Stamp| StampView { status: stamp.status.to_string(), at: stamp.at };
    TestedView {
        run: tested.run.to_string(),
        restore: stamp(tested.restore),
        validation: stamp(tested.validation),
        clean_up: stamp(tested.clean_up),
        took: tested.took.map(Length::from),
        because: tested.because.clone(),
    }
}

/// Who holds a point.
pub(super) fn holds(point: &RecoveryPoint) -> Vec<PointHoldView> {
    let view = |hold: &Hold| PointHoldView {
        name: hold.name.clone(),
        by: hold.by.clone(),
        reason: hold.reason.clone(),
        since_at: hold.at,
    };
    point.holds.iter().map(view).collect()
}

/// The list that a point would be in, and what findings call its place. A list shows one account: what
/// lies in another that nobody looked into has none.
fn list<'a>(look: &'a Look, point: &RecoveryPoint) -> Option<(&'a BTreeMap<String, Seen>, String)> {
    if let Some(vault) = look.seen.vaults.get(&point.component)
        && vault.account == point.account
    {
        let place = format!("{}/{}", vault.region, vault.account);
        return Some((vault.points.as_ref().ok()?, place));
    }
    let spot = (point.component.clone(), point.region.clone());
    let database = look.seen.databases.get(&spot);
    let cluster = database.and_then(|side| side.cluster.as_ref().ok()?.as_ref());
    if cluster.is_some_and(|cluster| cluster.account != point.account) {
        return None;
    }
    let caches = || look.seen.caches.get(&spot).map(|side| &side.points);
    let said: &Said<_> = database.map(|side| &side.points).or_else(caches)?;
    Some((said.as_ref().ok()?, point.region.to_string()))
}

#[cfg(test)]
mod tests {
    use muster_state::catalog::Finding;

    use super::*;
    use crate::world::inventory::{
        DatabaseSide, Inventory, Maker, Quota, VaultSide, judge::Judged, objectives::Measured,
    };

    fn state(points: &[(&str, &str, &str)]) -> ApplicationState {
        let points = points.iter().map(|(id, component, at)| {
            let point = RecoveryPoint::new(
                (*id).to_owned(),
                component.parse().unwrap(),
                "us-east-1".parse().unwrap(),
                "123456789012".to_owned(),
                at.parse().unwrap(),
                "r00000000001".parse().unwrap(),
            );
            (point.id.clone(), point)
        });
        ApplicationState { points: points.collect(), ..ApplicationState::default() }
    }

    /// Goal: the points of two accounts in one region are told apart: each has the status that the list of
    /// its own account shows, and none from a list that shows another.
    /// Method: the same region with a vault: seen, gone with a finding, not read, and not looked into.
    #[test]
    fn a_point_has_the_status_that_its_own_account_shows() {
        let mut state = state(&[
            ("own", "main", "2026-03-01T02:00:00Z"),
            ("kept", "main", "2026-03-01T02:00:00Z"),
        ]);
        state.points.get_mut("kept").unwrap().account = "999988887777".to_owned();
        let now: Timestamp = "2026-03-01T03:00:00Z".parse().unwrap();
        let seen = |id: &str, account: &str| Seen {
            id: id.to_owned(),
            region: "us-east-1".parse().unwrap(),
            account: account.to_owned(),
            maker: Maker::Muster,
            run: None,
            status: format!("available in {account}"),
            data_time: None,
            copied_from: None,
            key: None,
            size_gib: None,
            tags: BTreeMap::new(),
        };
        let list = |one: Seen| BTreeMap::from([(one.id.clone(), one)]);
        let mut inventory = Inventory::empty(now);
        let side = DatabaseSide {
            cluster: Err("unread".to_owned()),
            points: Ok(list(seen("own", "123456789012"))),
            automated: Ok(BTreeMap::new()),
            lag: Ok(None),
        };
        let (main, east) = ("main".parse().unwrap(), "us-east-1".parse::<Region>().unwrap());
        inventory.databases.insert((main, east.clone()), side);
        let mut look = Look {
            seen: inventory,
            judged: Judged::default(),
            measured: Measured::default(),
            checklist: Vec::new(),
        };
        let status = |state: &ApplicationState, look: &Look, id: &str| {
            let point = &state.points[id];
            view(point, state, Some(look), Span::from_mins(5), now).status
        };
        let vault = |look: &mut Look, points| {
            let side = VaultSide {
                region: east.clone(),
                account: "999988887777".to_owned(),
                points,
                quota: Ok(Quota { used: 0, max: 100 }),
            };
            look.seen.vaults.insert("main".parse().unwrap(), side);
        };
        vault(&mut look, Ok(list(seen("kept", "999988887777"))));
        for (id, account) in [("own", "123456789012"), ("kept", "999988887777")] {
            let said = status(&state, &look, id).unwrap();
            assert_eq!(said, format!("available in {account}"));
        }
        vault(&mut look, Err("closed".to_owned()));
        assert_eq!(status(&state, &look, "kept"), None, "nobody knows");
        vault(&mut look, Ok(BTreeMap::new()));
        assert_eq!(status(&state, &look, "kept"), None, "not for long enough");
        let finding = Finding {
            id: "missing-point/main/us-east-1/999988887777".to_owned(),
            message: "gone".to_owned(),
            hint: "look".to_owned(),
        };
        state.findings.insert(finding.id.clone(), (now, finding));
        assert_eq!(status(&state, &look, "kept").as_deref(), Some("missing"));
        assert!(status(&state, &look, "own").unwrap().starts_with("available"));
    }

    /// Goal: pages are whole, in order and without overlap, whatever their length, points of the same
    /// instant included.
    /// Method: every length over a list with ties, compared with the list sorted at once.
    #[test]
    fn pages_make_the_whole_list() {
        let state = state(&[
            ("a", "orders", "2026-03-01T02:00:00Z"),
            ("b", "orders", "2026-03-03T02:00:00Z"),
            ("c", "users", "2026-03-02T02:00:00Z"),
            ("d", "orders", "2026-03-02T02:00:00Z"),
            ("e", "orders", "2026-03-02T02:00:00Z"),
        ]);
        let now = "2026-03-03T03:00:00Z".parse().unwrap();
        let show = |point: &RecoveryPoint| view(point, &state, None, Span::from_mins(5), now);
        let all = |sieve: &Sieve, limit: usize| {
            let (mut ids, mut after) = (Vec::new(), None);
            loop {
                let (items, next) = page(&state, sieve, after.as_ref(), limit, show);
                assert!(items.len() <= limit);
                ids.extend(items.into_iter().map(|point| point.id));
                match next {
                    Some(next) => after = Some(next),
                    None => return ids.concat(),
                }
            }
        };
        for limit in 1..=6 {
            assert_eq!(all(&Sieve::default(), limit), "bcdea", "{limit} at a time");
            let orders = Sieve { component: Some("orders".parse().unwrap()), region: None };
            assert_eq!(all(&orders, limit), "bdea", "{limit} at a time");
            let west = Sieve { component: None, region: Some("us-west-2".parse().unwrap()) };
            assert_eq!(all(&west, limit), "");
        }
    }
}
