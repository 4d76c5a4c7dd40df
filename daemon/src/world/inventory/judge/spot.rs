//! One component in one region of one account, held against the catalogue.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use muster_runbooks::name::{ComponentName, Region};
use muster_state::catalog::RecoveryPoint;

use super::{
    super::{Maker, Place, Said, Seen, VaultSide, points::usable},
    Judged, Known, few,
};

/// Where points of a component are looked for.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    component: &'a ComponentName,
    region: &'a Region,
    /// The account, where it is another than the application's own.
    vault: Option<&'a str>,
}

impl<'a> Spot<'a> {
    /// A region of the application's own account.
    pub(super) fn own((component, region): &'a Place) -> Spot<'a> {
        Spot { component, region, vault: None }
    }

    /// Another account that keeps copies.
    pub(super) fn vault(component: &'a ComponentName, side: &'a VaultSide) -> Spot<'a> {
        Spot { component, region: &side.region, vault: Some(&side.account) }
    }

    /// How ids of findings name it, without the component.
    pub(super) fn place(&self) -> String {
        match self.vault {
            None => self.region.to_string(),
            Some(account) => format!("{}/{account}", self.region),
        }
    }

    fn id(&self, kind: &str) -> String {
        format!("{kind}/{}/{}", self.component, self.place())
    }

    /// Whether a point of the catalogue belongs into the list of this place. A list shows one account.
    fn holds(&self, known: &Known<'_>, point: &RecoveryPoint) -> bool {
        let mut databases = known.application.databases.iter();
        let account = match self.vault {
            Some(account) => point.account == account,
            None => databases
                .find(|database| database.name == *self.component)
                .is_none_or(|database| database.is_own(self.region, &point.account)),
        };
        account && point.component == *self.component && point.region == *self.region
    }

    /// What is there and not in the catalogue, and the reverse.
    pub(super) fn catalogue(
        &self,
        known: &Known<'_>,
        points: &Said<BTreeMap<String, Seen>>,
        out: &mut Judged,
    ) {
        let (uncatalogued, missing) = (self.id("uncatalogued"), self.id("missing-point"));
        // Only a complete list shows that something is not there.
        let Some(points) = out.read(points, &[&uncatalogued, &missing]) else { return };
        let strays = points.values().filter(|one| {
            one.maker == Maker::Muster
                && one.status != "deleting"
                && !known.points.contains_key(&one.id)
                // A run is just making it.
                && !one.run.as_ref().is_some_and(|run| known.open_runs.contains(run))
        });
        let strays: Vec<String> = strays.map(|one| format!("`{}`", one.id)).collect();
        if !strays.is_empty() {
            out.open(
                uncatalogued,
                format!("{} exist in {self} and are in no catalogue", few(&strays)),
                "a run ended before it saw them: restore from them by hand or delete them; expiry leaves \
                 them alone",
            );
        }
        let gone = known.points.values().filter(|point| {
            self.holds(known, point)
                && known.before.contains(&point.id)
                && !points.contains_key(&point.id)
                // A deletion whose answer was lost; the next expiry writes it down.
                && point.marked_at.is_none()
        });
        let gone: Vec<String> = gone.map(|point| format!("`{}`", point.id)).collect();
        if !gone.is_empty() {
            out.open(
                missing,
                format!("{} are in the catalogue and gone in {self}", few(&gone)),
                "somebody deleted them behind Muster's back; look who did (CloudTrail), and take a new \
                 backup",
            );
        }
    }

    /// Opens a finding where what schedules promise is not there. Answers since when: the data of the
    /// newest usable point, or nothing in it when there is none at all.
    pub(super) fn unprotected(
        &self,
        known: &Known<'_>,
        points: &Said<BTreeMap<String, Seen>>,
        due: Option<Timestamp>,
        out: &mut Judged,
    ) -> Option<Option<Timestamp>> {
        let id = self.id("unprotected");
        let points = out.read(points, &[&id])?;
        let newest = usable(points.values(), known.points).first().copied();
        let name = self.component;
        let message = match (newest, due) {
            (None, _) => format!("`{name}` has no recovery point in {self} that could be restored"),
            (Some(newest), Some(due)) if newest < due => format!(
                "`{name}` is unprotected in {self} since {newest}, the data of the newest point there; the \
                 backup of {due} should have arrived"
            ),
            (Some(_), _) => return None,
        };
        out.open(
            id,
            message,
            "look at the last backups (`muster status`), and run `daily-backup` by hand",
        );
        Some(newest)
    }
}

impl fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vault {
            None => write!(f, "{}", self.region),
            Some(account) => write!(f, "{} of the account {account}", self.region),
        }
    }
}
