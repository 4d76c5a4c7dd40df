//! What could be kept today of what was promised: the recovery point and the recovery time that each
//! component would reach, from what was measured and never from configuration alone (facts §0.1).

mod loss;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::{Application, Beside},
    name::{ComponentName, Region, StepId},
    value::{Span, words},
};
use muster_state::catalog::RecoveryPoint;

use super::{Inventory, readiness::recovery::Rehearsed};

words! {
    /// What happens to an application.
    Threat {
        /// Its region is lost, with everything in it.
        RegionLoss = "region-loss",
        /// Its data is deleted or spoilt. Replication spoils the replica too.
        Corruption = "corruption",
        /// Its account is lost or taken over.
        AccountLoss = "account-loss",
    }
}

words! {
    /// What a component is.
    Kind {
        /// An Aurora global database.
        Database = "database",
        /// A replicated bucket.
        Bucket = "bucket",
        /// A cache that nothing fills again by itself.
        Cache = "cache",
        /// A secret.
        Secret = "secret",
        /// Declared objects.
        Objects = "objects",
        /// What nobody can measure, and its owner answers for.
        Declared = "declared",
    }
}

/// Every threat, the likeliest first.
pub const THREATS: [Threat; 3] = [Threat::RegionLoss, Threat::Corruption, Threat::AccountLoss];

/// A failover or a restore that was measured longer ago was one of another system.
const REHEARSED_AGE_MAX: SignedDuration = SignedDuration::from_hours(24 * 92);

/// What could be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Achievable {
    /// At most so much is lost, or so long is needed.
    AtMost(Span),
    /// Nothing would be left: there is no way back.
    Nothing,
    /// Nobody has measured it.
    Unknown,
}

/// Whether a promise would be kept.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// It was measured to be so.
    Met,
    /// Nobody can say.
    Unknown,
    /// It was measured not to be so.
    Missed,
}

/// One figure with its reason.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Figure {
    /// What could be kept.
    pub achievable: Achievable,
    /// Why, in a sentence.
    pub because: String,
}

impl Figure {
    fn new(achievable: Achievable, because: impl Into<String>) -> Figure {
        Figure { achievable, because: because.into() }
    }

    fn unknown(because: impl Into<String>) -> Figure {
        Figure::new(Achievable::Unknown, because)
    }

    /// Compares it with what was promised.
    pub fn verdict(&self, promised: Span) -> Verdict {
        match self.achievable {
            Achievable::AtMost(span) if span <= promised => Verdict::Met,
            Achievable::AtMost(_) | Achievable::Nothing => Verdict::Missed,
            Achievable::Unknown => Verdict::Unknown,
        }
    }
}

/// What one threat would cost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cost {
    /// The threat.
    pub threat: Threat,
    /// How much data would be lost.
    pub loss: Figure,
    /// How long recovery would take.
    pub time: Figure,
}

/// Something that was carried out and took its time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Took {
    /// How long.
    pub took: Span,
    /// When it ended.
    pub at: Timestamp,
    /// The runbook and the run.
    pub run: String,
}

/// What earlier runs have measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// The last failover or failback that succeeded.
    pub failover: Option<Took>,
    /// The last restore test that succeeded.
    pub restore: Option<Took>,
    /// How long the steps of failovers and failbacks took the last time, by id and action.
    pub steps: BTreeMap<(StepId, String), Took>,
    /// The last failover that succeeded, for real.
    pub rehearsed: Option<Rehearsed>,
    /// For each bucket how long its last canary took to arrive.
    pub canaries: BTreeMap<ComponentName, Took>,
}

/// What is known about an application.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The application as it is configured.
    pub application: &'a Application,
    /// From where it is served, if anybody has seen it.
    pub active: Option<&'a Region>,
    /// The last inventory, if there is one.
    pub seen: Option<&'a Inventory>,
    /// The catalogue.
    pub points: &'a BTreeMap<String, RecoveryPoint>,
    /// What runs have measured.
    pub measured: &'a Measured,
    /// Now.
    pub now: Timestamp,
}

/// What each component would lose to each threat. A cache that fills itself again loses nothing that
/// anybody misses, and is left out.
pub fn components(known: &Evidence<'_>) -> Vec<(ComponentName, Kind, Vec<Cost>)> {
    let application = known.application;
    let databases = application.databases.iter().map(|one| (&one.name, Kind::Database));
    let buckets = application.buckets.iter().map(|one| (&one.name, Kind::Bucket));
    let caches = application.caches.iter().filter(|cache| !cache.rebuildable);
    let caches = caches.map(|one| (&one.name, Kind::Cache));
    let secrets = application.secrets.iter().map(|one| (&one.name, Kind::Secret));
    let objects = application.objects.iter().map(|one| (&one.name, Kind::Objects));
    let all = databases.chain(buckets).chain(caches).chain(secrets).chain(objects);
    let costs = |name: &ComponentName, kind: Kind| {
        THREATS.map(|threat| Cost {
            threat,
            loss: loss::of(known, name, kind, threat),
            time: time(known, threat),
        })
    };
    let measured = all.map(|(name, kind)| (name.clone(), kind, costs(name, kind).into()));
    let declared = Beside::ALL.into_iter().filter_map(|beside| {
        let name = beside.word().parse().ok()?;
        let cost = Cost {
            threat: Threat::RegionLoss,
            loss: declared(application, beside),
            time: time(known, Threat::RegionLoss),
        };
        Some((name, Kind::Declared, vec![cost]))
    });
    measured.chain(declared).collect()
}

/// What the owner answers for. Without a word of his nobody knows that there is none of it.
fn declared(application: &Application, beside: Beside) -> Figure {
    match application.losses.iter().find(|loss| loss.of == beside) {
        Some(loss) => Figure::new(
            Achievable::AtMost(loss.at_most),
            format!("declared, not measured: {}", loss.because),
        ),
        None => Figure::unknown(format!(
            "nobody has declared what is lost of {beside}; say so under `losses`, also if there are none"
        )),
    }
}

/// What the application as a whole would lose: the worst of its components. What is missed by one is
/// missed; what one does not know nobody knows.
pub fn worst<'a>(
    costs: impl Iterator<Item = (&'a ComponentName, &'a Figure)>,
    promised: Span,
) -> Figure {
    let bound = |figure: &Figure| match figure.achievable {
        Achievable::AtMost(span) => span,
        Achievable::Nothing => Span::from_secs(u32::MAX),
        Achievable::Unknown => Span::default(),
    };
    let weight = |figure: &Figure| (figure.verdict(promised), bound(figure));
    // Of two that are as bad the first one is named: databases come before what stands beside them.
    let worst =
        costs.reduce(|worst, next| if weight(next.1) > weight(worst.1) { next } else { worst });
    match worst {
        None => Figure::unknown("it has no component that could be lost"),
        Some((name, figure)) => {
            Figure::new(figure.achievable, format!("`{name}`: {}", figure.because))
        }
    }
}

fn time(known: &Evidence<'_>, threat: Threat) -> Figure {
    let (took, what) = match threat {
        Threat::RegionLoss => (&known.measured.failover, "failover"),
        Threat::Corruption => (&known.measured.restore, "restore test"),
        Threat::AccountLoss => {
            return Figure::unknown("nobody has ever rebuilt it in another account");
        }
    };
    match took {
        Some(took) if known.now.duration_since(took.at) <= REHEARSED_AGE_MAX => Figure::new(
            Achievable::AtMost(took.took),
            format!(
                "the last {what}, {}, took {} until it ended at {}",
                took.run, took.took, took.at
            ),
        ),
        Some(took) => Figure::unknown(format!(
            "the last {what}, {}, ended at {}, too long ago to say anything about today",
            took.run, took.at
        )),
        None => Figure::unknown(format!("no {what} was ever measured")),
    }
}

#[cfg(test)]
mod tests;
