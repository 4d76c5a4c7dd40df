//! Stops a drill that is moving users when one of its application's outcome alarms rings: the run and the one
//! that moves them are paused, and people decide.

use std::{collections::BTreeSet, sync::Arc};

use jiff::SignedDuration;
use muster_runbooks::{
    action::control::PersonRole,
    application::detection::Alarm,
    name::{ApplicationName, RunId},
};
use muster_state::{
    command::{Person, Steer},
    detect::Sees,
    progress::Progress,
    run::Run,
};
use tracing::{info, warn};

use crate::{
    intake::{Intake, Rejected},
    perform::Health,
    world::World,
};

/// How often alarms are asked while a drill moves users.
const ASKS_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// Looks until the future is dropped. Who resumes a run has seen the alarm: it does not stop that run again.
pub async fn watch(intake: Intake, world: Arc<World>) {
    let mut heeded: BTreeSet<(RunId, String)> = BTreeSet::new();
    loop {
        let acts = intake.health() == Health::Ready;
        let moving = if acts { intake.known(moving) } else { Vec::new() };
        heeded.retain(|(run, _)| moving.iter().any(|(id, _)| id == run));
        for (run, name) in moving {
            let Some(application) = intake.applications().get(&name) else { continue };
            for alarm in &application.drills.outcome_alarms {
                let key = (run.clone(), alarm.name.clone());
                if heeded.contains(&key) {
                    continue;
                }
                let (sees, why) = world.alarm(alarm).await;
                // What has no data has not gone wrong; the drill's own check of its outcome waits for it.
                if sees == Sees::Lost && stop(&intake, &run, alarm, why).await {
                    heeded.insert(key);
                }
            }
        }
        intake.clock().sleep(ASKS_EVERY).await;
    }
}

/// The drills of which a run moves users now, with their applications.
fn moving(known: &Progress) -> Vec<(RunId, ApplicationName)> {
    let moves = |run: &&Run| {
        let mut children = run.open_children().filter_map(|id| known.runs.get(id));
        children.any(Run::moves_for_real)
    };
    let drills = known.runs.values().filter(moves);
    drills.filter_map(|run| Some((run.id.clone(), run.application()?.clone()))).collect()
}

/// Whether the run stands still now, or is none any more.
async fn stop(intake: &Intake, run: &RunId, alarm: &Alarm, why: String) -> bool {
    let name = format!("the alarm {} in {}", alarm.name, alarm.region);
    let by = Person { name, role: PersonRole::Operator };
    match intake.steer(run.clone(), by, format!("{why} while users are moved"), Steer::Pause).await
    {
        Ok(_) => {
            info!(%run, alarm = alarm.name, "an outcome alarm stopped a drill");
            true
        }
        Err(Rejected::Refused(why)) => {
            info!(%run, %why, "an outcome alarm rings, and the drill is stopped already");
            true
        }
        Err(why) => {
            warn!(%run, %why, "an outcome alarm rings, and the drill could not be stopped yet");
            false
        }
    }
}
