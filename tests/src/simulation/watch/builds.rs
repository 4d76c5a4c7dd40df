//! Rebuilds: one build at a time, nothing restored over what stands, and nobody moved in calm.

use jiff::SignedDuration;
use muster::world::sim::{Effect, Sim};
use muster_runbooks::{application::Application, request::Manner};

use super::Watch;
use crate::simulation::disk::Disk;

/// The runbook that all of this is about.
const REBUILD: &str = "environment-rebuild";

impl Watch {
    /// What a call of a rebuild really changed just now.
    pub(super) fn rebuilt(&mut self, effect: &Effect, sim: &Sim, disk: &Disk) {
        match effect.operation {
            "StartBuild" => self.one_build(effect, sim),
            "RestoreDBClusterFromSnapshot" => self.nothing_stood(effect, sim),
            _ => {}
        }
        let run = super::run_of(&effect.token);
        let known = disk.progress();
        let Some(run) = known.runs.values().find(|one| one.id.as_str() == run) else { return };
        if run.plan.runbook.as_str() != REBUILD {
            return;
        }
        let is_forced = run.manner == Manner::Forced;
        let moves = self.marked_by(&effect.object).is_some();
        self.check("rebuild", is_forced || !moves, || {
            format!("{} moves users in calm", effect.token)
        });
    }

    /// No two builds of a project run at the same time: they would change the same things.
    fn one_build(&mut self, effect: &Effect, sim: &Sim) {
        let all = sim.truth().builds();
        let running: Vec<&str> = all
            .iter()
            .filter(|one| {
                one.project == effect.object && one.from <= effect.at && effect.at < one.until
            })
            .map(|one| one.token.as_str())
            .collect();
        self.check("builds", running.len() == 1, || {
            format!("{running:?} build {} together", effect.object)
        });
    }

    /// A restore under an application's own name happens only where no such cluster stands.
    fn nothing_stood(&mut self, effect: &Effect, sim: &Sim) {
        let truth = sim.truth();
        let before = effect.at - SignedDuration::from_millis(1);
        let stood = self.applications.iter().flat_map(clusters).find(|(one, name, region, arn)| {
            *arn == effect.object
                && region
                    .parse()
                    .is_ok_and(|region| truth.has_cluster(&one.name, name, &region, before))
        });
        let stood = stood.map(|(.., arn)| arn.to_owned());
        self.check("rebuild", stood.is_none(), || {
            format!("{} restores over {stood:?}", effect.token)
        });
    }
}

/// Every cluster of an application: its database, region and ARN.
fn clusters(
    application: &Application,
) -> impl Iterator<Item = (&Application, &muster_runbooks::name::ComponentName, &str, &str)> {
    application.databases.iter().flat_map(move |database| {
        let all = database.clusters.iter();
        all.map(move |(region, arn)| (application, &database.name, region.as_str(), arn.as_str()))
    })
}
