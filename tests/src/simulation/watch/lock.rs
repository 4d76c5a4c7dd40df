//! I18: one exclusive run per application.

use std::sync::Arc;

use muster_runbooks::{name::ApplicationName, request::Mode};
use muster_state::{event::Claim, progress::Progress};

use super::Watch;
use crate::simulation::disk::Disk;

impl Watch {
    /// I18: one exclusive run per application, and it holds the lock.
    pub fn durable(&mut self, disk: &Disk) {
        let known = disk.progress();
        for run in known.runs.values() {
            self.statuses.insert(run.status().word());
        }
        let applications = Arc::clone(&self.applications);
        for application in super::few(&applications, self.turn) {
            self.exclusive(&known, &application.name);
        }
    }

    fn exclusive(&mut self, known: &Progress, name: &ApplicationName) {
        let mut exclusive = known.runs.values().filter(|run| {
            run.plan.exclusive && run.plan.mode != Mode::Preview && run.application() == Some(name)
        });
        let first = exclusive.next().map(|run| run.id.clone());
        let second = exclusive.next().map(|run| run.id.clone());
        let drills = known.runs.values().any(|run| run.plan.mode == Mode::Drill);
        self.check("I18", second.is_none() || drills, || format!("{first:?} and {second:?}"));
        let key = self.locks.entry(name.clone()).or_insert_with(|| Claim::lock_key(name));
        let held = known.claims.get(key).map(|held| held.holder.clone());
        let fits = match (&first, &held) {
            (None, None) => true,
            (Some(_), Some(held)) => known.runs.contains_key(held),
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.check("I18", fits, || format!("{first:?} is open, and the lock is held by {held:?}"));
    }
}
