//! The write leases of applications: whoever holds one renews it as long as its region can reach the store.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::{On, database::Verdict, lease::TakeWriteLease},
    application::{
        Application,
        write_lease::{Holder, WriteLease},
    },
    name::{ApplicationName, Region},
};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::json;

use super::{Sim, no_outside, wire::Door};
use crate::world::whereabouts::written;

/// Who may write what, in order of time; the first is who began.
#[derive(Debug, Default)]
pub(super) struct WriteLeases(BTreeMap<ApplicationName, Vec<(Timestamp, Holder)>>);

impl WriteLeases {
    pub(super) fn new(applications: &[Application], now: Timestamp) -> WriteLeases {
        let first = |application: &Application| {
            application.write_lease.as_ref()?;
            let holder = application.home.clone();
            let first = Holder { holder, epoch: 1, from: now, by: "the application".to_owned() };
            Some((application.name.clone(), vec![(now, first)]))
        };
        WriteLeases(applications.iter().filter_map(first).collect())
    }

    fn at(&self, application: &ApplicationName, at: Timestamp) -> Option<&Holder> {
        let all = self.0.get(application)?;
        all.iter().rev().find(|(since, _)| *since <= at).map(|(_, holder)| holder)
    }
}

pub(super) fn observe(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &TakeWriteLease,
) -> Result<Progress, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let Some(lease) = &on.application.write_lease else {
        return Ok(Progress::Done(Done::with([("lease", json!("none"))])));
    };
    let at = sim.ask(now, Door::s3(&lease.region, "GetObject"))?;
    let to = match target(sim, now, &on, action) {
        Ok(to) => to,
        Err(why) => return Ok(Progress::in_progress(why)),
    };
    let found = sim.write_leases.at(&on.application.name, at);
    let found = found.ok_or_else(|| no_outside(call))?;
    if found.holder == to {
        let outputs = [("lease", json!("taken")), ("from", json!(found.from))];
        return Ok(Progress::Done(Done::with(outputs)));
    }
    Ok(Progress::NotStarted { before: json!({ "holder": found.holder }), targets: Vec::new() })
}

pub(super) fn begin(
    sim: &mut Sim,
    now: Timestamp,
    call: &Call,
    action: &TakeWriteLease,
) -> Result<Answer, CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    let lease = on.application.write_lease.as_ref().ok_or_else(|| no_outside(call))?;
    let name = on.application.name.clone();
    let to = match target(sim, now, &on, action) {
        Ok(to) => to,
        Err(reason) => return Ok(Answer::Busy { reason }),
    };
    let next = lease.free_at(now);
    sim.tell(now, Door::s3(&lease.region, "PutObject"), |sim| {
        let found = sim.write_leases.at(&name, now).cloned();
        if let Some(found) = found.filter(|found| found.holder != to) {
            let by = call.token.to_string();
            let holder = Holder { holder: to, epoch: found.epoch + 1, from: next, by };
            sim.write_leases.0.entry(name.clone()).or_default().push((now, holder));
            sim.took_effect(now, call, "PutObject", format!("{name}/write-lease"));
        }
        Ok(Answer::Accepted)
    })
}

/// The side that shall hold it: the one that is named, or the one where every database is written.
fn target(
    sim: &mut Sim,
    now: Timestamp,
    on: &On<'_>,
    action: &TakeWriteLease,
) -> Result<Region, String> {
    if let Some(to) = action.to {
        return Ok(on.region(to).clone());
    }
    written(&sim.locate(now, on.application).judge(on.application))
}

/// What the lease says about a fence: a verdict, or that it is not over yet.
pub(super) fn fenced(
    sim: &mut Sim,
    now: Timestamp,
    application: &Application,
    lease: &WriteLease,
    but: &Region,
) -> Option<Result<Verdict, Progress>> {
    let at = sim.ask(now, Door::s3(&lease.region, "GetObject")).ok()?;
    let found = sim.write_leases.at(&application.name, at).filter(|one| one.holder == *but)?;
    if found.from <= now {
        return Some(Ok(Verdict::Proven));
    }
    Some(Err(Progress::in_progress(format!("{but} alone may write from {} on", found.from))))
}
