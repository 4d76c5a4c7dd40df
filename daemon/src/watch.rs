//! Looks from where every application is served, so that the active region is seen and never assumed.
//!
//! One look a minute for an application that nothing moves. A reading may show the past, and a call
//! may fail once: what differs from what is known is believed only after it has been seen for longer
//! than either lasts.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::Application,
    name::{ApplicationName, Region},
};
use muster_state::{command::Command, event::Claim, progress::Progress};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{
    intake::Intake,
    world::{World, whereabouts::Judgement},
};

/// How often an application is looked at (facts §1.3: 60 s at most between samples).
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// For how long something new must be seen: longer than a reading may show the past (proofs, faults).
const CERTAIN_AFTER: SignedDuration = SignedDuration::from_secs(120);

/// What the looks at one application have shown that is not written down.
#[derive(Debug, Default)]
struct Doubt {
    /// The newest judgement, and since when it has been the same.
    judged: Option<(Judgement, Timestamp)>,
}

/// Looks until the future is dropped. Says `true` once every application has been looked at.
pub async fn watch(intake: Intake, world: Arc<World>, looked: watch::Sender<bool>) {
    let mut doubts: BTreeMap<ApplicationName, Doubt> = BTreeMap::new();
    loop {
        let still = intake.known(|known| {
            let all = intake.applications().values();
            all.filter(|one| !is_moving(known, &one.name)).cloned().collect::<Vec<_>>()
        });
        // What moves is seen by the run that moves it.
        doubts.retain(|name, _| still.iter().any(|one| one.name == *name));
        let looks = still.iter().map(|application| world.locate(application));
        let seen = futures::future::join_all(looks).await;
        for (application, seen) in still.iter().zip(seen) {
            let doubt = doubts.entry(application.name.clone()).or_default();
            believe(&intake, application, seen.judge(application), seen.read_at, doubt).await;
        }
        looked.send_replace(true);
        intake.clock().sleep(LOOK_EVERY).await;
    }
}

/// Whether a live failover or failback is under way.
pub(crate) fn is_moving(known: &Progress, name: &ApplicationName) -> bool {
    let holder = known.claims.get(&Claim::lock_key(name)).map(|held| &held.holder);
    holder.and_then(|id| known.runs.get(id)).is_some_and(|run| run.is_live_failover())
}

async fn believe(
    intake: &Intake,
    application: &Application,
    judged: Judgement,
    read_at: Timestamp,
    doubt: &mut Doubt,
) {
    let name = &application.name;
    let since = match &doubt.judged {
        Some((before, since)) if *before == judged => *since,
        Some(_) | None => read_at,
    };
    doubt.judged = Some((judged.clone(), since));
    let remembered = intake.known(|known| {
        let state = known.applications.get(name)?;
        state.active.as_ref().map(|active| active.region.clone())
    });
    let seen_for = read_at.duration_since(since);
    let finding = judged.finding();
    // That something fits again is good news, and needs no second look.
    let finding = (finding.is_err() || seen_for >= CERTAIN_AFTER)
        .then(|| Command::Finding { application: name.clone(), finding });
    let active =
        judged.active.filter(|(region, _)| is_certain(region, remembered.as_ref(), seen_for));
    let active = active.map(|(region, evidence)| {
        if remembered.as_ref() != Some(&region) {
            info!(application = %name, %region, evidence, "is served from there");
        }
        Command::Active { application: name.clone(), region, evidence }
    });
    for command in active.into_iter().chain(finding) {
        if let Err(error) = intake.command(command).await {
            warn!(application = %name, %error, "what was seen could not be written down; at the next look again");
        }
    }
}

/// What agrees with what is known is certain at once, and so is the first sight of all.
fn is_certain(region: &Region, remembered: Option<&Region>, seen_for: SignedDuration) -> bool {
    remembered.is_none_or(|remembered| remembered == region) || seen_for >= CERTAIN_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: one look that shows the past does not move an application.
    #[test]
    fn what_is_certain() {
        let region = |name: &str| name.parse::<Region>().unwrap();
        let (east, west) = (region("us-east-1"), region("us-west-2"));
        let secs = SignedDuration::from_secs;
        assert!(is_certain(&east, None, secs(0)));
        assert!(is_certain(&east, Some(&east), secs(0)));
        assert!(!is_certain(&west, Some(&east), secs(0)));
        assert!(!is_certain(&west, Some(&east), secs(119)));
        assert!(is_certain(&west, Some(&east), secs(120)));
    }
}
