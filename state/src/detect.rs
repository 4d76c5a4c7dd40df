//! Whether a region is lost, out of what those who watch it say: one vote per failure domain, a quorum, and
//! a window without a break. Nobody's clock is believed but ours, and ours only while it runs evenly.

mod follow;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{application::detection::Detection, name::ComponentName, value::words};

pub use follow::{Follow, follow, proposed};

/// How often everybody is asked.
pub const ASKS_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// Nobody was asked for so long: what was seen before says nothing about the time between. A clock that
/// jumps looks the same from here, and must not fill the window.
const GAP_MAX: SignedDuration = SignedDuration::from_secs(45);

/// Too few could tell for so long: monitoring is lost, and that is said.
pub const BLIND_AFTER: SignedDuration = SignedDuration::from_secs(30);

words! {
    /// What one observer, or one failure domain, says about a region. The order decides between several
    /// observers of a domain.
    Sees {
        /// It cannot tell, or does not answer.
        Unknown = "unknown",
        /// Nothing of it is left.
        Lost = "lost",
        /// It serves.
        Healthy = "healthy",
    }
}

/// What one observer says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vote {
    /// Who.
    pub observer: ComponentName,
    /// What fails together with it.
    pub domain: String,
    /// What it sees.
    pub sees: Sees,
    /// Since when it sees the region lost, as far as it knows.
    pub since: Option<Timestamp>,
    /// In a few words, why.
    pub why: String,
}

impl std::fmt::Display for Vote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}, {}", self.observer, self.domain, self.sees, self.why)
    }
}

words! {
    /// What the observers say together.
    Verdict {
        /// A quorum of failure domains sees nothing of it, and nobody sees it well.
        Lost = "lost",
        /// Somebody sees it well and nobody sees it lost.
        Healthy = "healthy",
        /// They contradict each other.
        Disagree = "disagree",
        /// Too few can tell.
        Unknown = "unknown",
    }
}

/// Counts the votes, one of each failure domain: there, whoever sees it well outweighs who sees it lost, and
/// silence weighs nothing.
pub fn verdict(votes: &[Vote], quorum: u32) -> Verdict {
    let domains = domains(votes);
    let count = |what| domains.values().filter(|sees| **sees == what).count();
    match (count(Sees::Lost), count(Sees::Healthy)) {
        (0, 0) => Verdict::Unknown,
        (0, _) => Verdict::Healthy,
        (lost, 0) if lost >= quorum.max(1) as usize => Verdict::Lost,
        (_, 0) => Verdict::Unknown,
        (_, _) => Verdict::Disagree,
    }
}

fn domains(votes: &[Vote]) -> BTreeMap<&str, Sees> {
    let mut domains: BTreeMap<&str, Sees> = BTreeMap::new();
    for vote in votes {
        let sees = domains.entry(&vote.domain).or_insert(vote.sees);
        *sees = vote.sees.max(*sees);
    }
    domains
}

/// How a region stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Standing {
    /// Nobody has been asked.
    #[default]
    Unasked,
    /// Somebody sees it well, and nobody sees it lost.
    Well,
    /// A quorum sees it lost, and not yet for the whole window.
    Suspected {
        /// Since when they have said so.
        since: Timestamp,
        /// When it began.
        symptom_at: Timestamp,
    },
    /// A quorum has seen it lost for the whole window.
    Lost {
        /// Since when that is so.
        since: Timestamp,
        /// When it began.
        symptom_at: Timestamp,
        /// Since when it is well again, if it is.
        well_since: Option<Timestamp>,
    },
    /// Too few can tell, or they contradict each other.
    Unclear {
        /// Since when.
        since: Timestamp,
        /// Which of the two.
        verdict: Verdict,
    },
}

impl Standing {
    /// Whether too few could tell for so long that somebody must hear of it.
    pub fn is_blind(&self, now: Timestamp) -> bool {
        matches!(self, Standing::Unclear { since, .. } if now.duration_since(*since) >= BLIND_AFTER)
    }
}

/// Follows one region of one application.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    standing: Standing,
    asked_at: Option<Timestamp>,
    /// When somebody last saw it well: no symptom is older.
    well_at: Option<Timestamp>,
    votes: Vec<Vote>,
}

impl Detector {
    /// How the region stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// What was said last.
    pub fn votes(&self) -> &[Vote] {
        &self.votes
    }

    /// When everybody was last asked.
    pub fn asked_at(&self) -> Option<Timestamp> {
        self.asked_at
    }

    /// Takes in what everybody said when asked at `now`.
    pub fn hear(&mut self, now: Timestamp, votes: Vec<Vote>, policy: &Detection) -> Standing {
        let since_last = self.asked_at.map(|at| now.duration_since(at));
        // Also when the clock went back: nothing is counted over a time that nobody can measure.
        let is_broken = since_last.is_none_or(|gap| gap > GAP_MAX || gap.is_negative());
        let verdict = verdict(&votes, policy.quorum);
        let symptom_at = self.symptom(now, &votes);
        self.standing = self.next(now, verdict, symptom_at, is_broken, policy);
        if verdict == Verdict::Healthy {
            self.well_at = Some(now);
        }
        (self.asked_at, self.votes) = (Some(now), votes);
        self.standing
    }

    fn next(
        &self,
        now: Timestamp,
        verdict: Verdict,
        symptom_at: Timestamp,
        is_broken: bool,
        policy: &Detection,
    ) -> Standing {
        let suspected = Standing::Suspected { since: now, symptom_at };
        let unclear = Standing::Unclear { since: now, verdict };
        match (self.standing, verdict) {
            (Standing::Lost { since, symptom_at, well_since }, Verdict::Healthy) => {
                let well_since = well_since.filter(|_| !is_broken).unwrap_or(now);
                if now.duration_since(well_since) >= policy.clear_after.duration() {
                    return Standing::Well;
                }
                Standing::Lost { since, symptom_at, well_since: Some(well_since) }
            }
            // Once it is lost, silence brings nothing back.
            (
                Standing::Lost { since, symptom_at, .. },
                Verdict::Lost | Verdict::Disagree | Verdict::Unknown,
            ) => Standing::Lost { since, symptom_at, well_since: None },
            (_, Verdict::Healthy) => Standing::Well,
            (Standing::Suspected { .. }, Verdict::Lost) if is_broken => suspected,
            (Standing::Suspected { since, symptom_at }, Verdict::Lost) => {
                if now.duration_since(since) >= policy.window.duration() {
                    return Standing::Lost { since: now, symptom_at, well_since: None };
                }
                self.standing
            }
            (Standing::Unasked | Standing::Well | Standing::Unclear { .. }, Verdict::Lost) => {
                suspected
            }
            (Standing::Unclear { since, .. }, Verdict::Disagree | Verdict::Unknown)
                if !is_broken =>
            {
                Standing::Unclear { since, verdict }
            }
            (
                Standing::Unasked
                | Standing::Well
                | Standing::Suspected { .. }
                | Standing::Unclear { .. },
                Verdict::Disagree | Verdict::Unknown,
            ) => unclear,
        }
    }

    /// When the trouble began: the earliest that anybody says of those who see it lost, and never before
    /// it was last seen well. The recovery-time clock starts here (I16).
    fn symptom(&self, now: Timestamp, votes: &[Vote]) -> Timestamp {
        let lost = votes.iter().filter(|vote| vote.sees == Sees::Lost);
        let said = lost.filter_map(|vote| vote.since).min().unwrap_or(now).min(now);
        // Without a look that saw it well, nothing bounds what one liar could say.
        self.well_at.map_or(now, |well_at| said.max(well_at))
    }
}

#[cfg(test)]
mod tests;
