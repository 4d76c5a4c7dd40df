//! What a complete listing of one place showed: with a page missing it is none (facts §2).

use std::collections::{BTreeMap, BTreeSet};

use muster_state::{
    call::Call,
    catalog::{Judged, RecoveryPoint},
};

use super::{Place, points};

/// Everything that lies in a place, by its ARN, whosever it is.
#[derive(Debug, Default)]
pub(super) struct Listing {
    present: BTreeMap<String, Item>,
}

/// What a listing says of one thing.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Whether it can be restored, and is certainly one of ours, as far as a listing shows that.
    pub(super) is_sound: bool,
    /// Whether it is being deleted.
    pub(super) is_going: bool,
    /// What it was made of, by an identifier that no other thing ever has; `None` where its kind has none.
    pub(super) source: Option<String>,
}

impl Item {
    /// Whether it is certainly the one that the catalogue means.
    pub(super) fn is(&self, point: &RecoveryPoint) -> bool {
        self.is_sound && self.source == point.source_resource
    }
}

impl FromIterator<(String, Item)> for Listing {
    fn from_iter<T: IntoIterator<Item = (String, Item)>>(items: T) -> Listing {
        Listing { present: items.into_iter().collect() }
    }
}

impl Listing {
    /// How many things there are.
    pub(super) fn len(&self) -> usize {
        self.present.len()
    }

    /// Whether something bears an ARN.
    pub(super) fn holds(&self, id: &str) -> bool {
        self.present.contains_key(id)
    }

    /// The same, and nobody is deleting it.
    pub(super) fn is_left(&self, id: &str) -> bool {
        self.present.get(id).is_some_and(|item| !item.is_going)
    }

    /// The catalogue's points of the component in a place, against what is really there and ours.
    pub(super) fn judge(&self, call: &Call, place: &Place<'_>) -> Judged {
        let points = points(call, place);
        let is_proven = |point: &&&RecoveryPoint| {
            self.present.get(&point.id).is_some_and(|item| item.is(point))
        };
        let proven: BTreeSet<&str> =
            points.iter().filter(is_proven).map(|point| point.id.as_str()).collect();
        let is_proven = |id: &str| proven.contains(id);
        let judged = call.judge(&points, &is_proven, place.retention(), call.asked_at);
        if place.is_final() { judged.without_a_role() } else { judged }
    }
}
