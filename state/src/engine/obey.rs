//! What people and doors want, and what becomes of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::name::{ApplicationName, ComponentName, Region, RunId, ScheduleId};

use super::{Engine, Output};
use crate::{
    admit::{self, Admitted},
    catalog::Finding,
    command::{Accepted, Command, Person, Refusal, Steer},
    event::{
        AccessEvent, ApplicationEvent, Claim, Entry, Event, NoticeEvent, ScheduleEvent, Stream,
    },
    lease::Granted,
    steer,
};

/// Done, and about no run in particular.
const DONE: Accepted = Accepted { run: None, repeated: false };

fn about(id: &RunId) -> Accepted {
    Accepted { run: Some(id.clone()), repeated: false }
}

impl Engine {
    pub(super) fn command(
        &mut self,
        now: Timestamp,
        command: Command,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refusal> {
        self.may_be_said(&command)?;
        match command {
            Command::Admit(admission) => match admit::admit(&self.known, &admission, now)? {
                Admitted::Repeated(run) => Ok(Accepted { run: Some(run), repeated: true }),
                Admitted::Run { entries, take } => {
                    self.commit(now, entries, take, out);
                    self.advance(now, &admission.id, out);
                    Ok(about(&admission.id))
                }
            },
            Command::Propose { id, request, expires_at, because, asked } => {
                if let Some(repeated) = self.repeated(request.dedupe_key.as_deref(), &asked)? {
                    return Ok(repeated);
                }
                let key = request.dedupe_key.as_ref();
                let take = key.map(|key| Claim::dedupe(key, &id, asked)).into_iter().collect();
                let event = NoticeEvent::Proposed { request, expires_at, because };
                self.notice(now, &id, event, take, out);
                Ok(about(&id))
            }
            Command::Steer { run, by, reason, steer } => {
                self.steer(now, &run, &by, &reason, &steer, out)
            }
            Command::Unstarted { run, step, because } => {
                self.unstarted(now, &run, &step, because, out)
            }
            Command::Off { by, reason } => Ok(self.off(now, by.name, reason, out)),
            Command::On { by, reason } => {
                let done = self.access(now, AccessEvent::SwitchedOn { by: by.name, reason }, out);
                self.advance_all(now, out);
                Ok(done)
            }
            Command::Refused { who, what, because } => {
                Ok(self.access(now, AccessEvent::Refused { who, what, because }, out))
            }
            Command::Missed { schedule, due_at, because } => {
                self.missed(now, schedule, due_at, because, out)
            }
            Command::Active { application, region, evidence } => {
                Ok(self.active(now, &application, region, evidence, out))
            }
            Command::Finding { application, finding } => {
                self.finding(now, &application, finding, out);
                Ok(DONE)
            }
            Command::Canary { application, database, region, schema } => {
                self.grant_canary(now, &application, database, region, schema, out);
                Ok(DONE)
            }
            Command::Peak { application, workload, region, sets } => {
                self.peak_seen(now, &application, workload, region, sets, out);
                Ok(DONE)
            }
            Command::Grant(Granted { epoch, holder }) => {
                Ok(self.access(now, AccessEvent::Granted { epoch, holder }, out))
            }
            Command::Mark { application, by, reason, mark } => {
                self.mark(now, &application, by, reason, &mark, out)
            }
            Command::Keep { application, keep } => self.keep(now, &application, keep, out),
            Command::Care { application, by, reason, care } => {
                self.care(now, &application, by, reason, care, out)
            }
            Command::Freeze { application, by, reason, until } => {
                self.freeze(now, &application, by, reason, until, out)
            }
            Command::Thaw { application, by, reason } => {
                self.thaw(now, &application, by, reason, out)
            }
            Command::Nudge { id, dedupe_key, source, about: object, says, asked } => self.nudge(
                now,
                &id,
                dedupe_key,
                NoticeEvent::Nudged { source, about: object, says },
                asked,
                out,
            ),
        }
    }

    fn steer(
        &mut self,
        now: Timestamp,
        id: &RunId,
        by: &Person,
        reason: &str,
        steer: &Steer,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refusal> {
        let run = self.known.runs.get(id);
        let run = run.ok_or_else(|| Refusal::UnknownRun { run: id.clone() })?;
        if *steer == Steer::OverrideLease {
            self.may_override(now)?;
        }
        let take = self.seals(id, steer)?;
        let events = steer::steer(now, run, by, reason, steer)?;
        let mut entries: Vec<Entry> =
            events.into_iter().map(|event| Entry::run(id, event)).collect();
        if !take.is_empty() {
            entries.extend(steer::review(run, by, now));
        }
        self.commit(now, entries, take, out);
        self.forget_naps(id);
        self.advance(now, id, out);
        self.pass_on(now, id, by, reason, steer, out);
        Ok(about(id))
    }

    /// The claims on the seals that are opened; a seal that was opened before opens nothing.
    fn seals(&self, id: &RunId, steer: &Steer) -> Result<Vec<Claim>, Refusal> {
        let Steer::BreakGlass { seals, .. } = steer else { return Ok(Vec::new()) };
        for seal in seals {
            if let Some(held) = self.known.claims.get(&Claim::seal_key(&seal.id)) {
                let (id, by, run) = (seal.id.clone(), seal.by.clone(), held.holder.clone());
                return Err(Refusal::SealOpened { id, by, run });
            }
        }
        Ok(seals.iter().map(|seal| Claim::seal(&seal.id, id)).collect())
    }

    fn off(
        &mut self,
        now: Timestamp,
        by: String,
        reason: String,
        out: &mut Vec<Output>,
    ) -> Accepted {
        self.access(now, AccessEvent::SwitchedOff { by, reason }, out)
    }

    /// Records a nudge and looks at every open run, unless it was done under this key before.
    fn nudge(
        &mut self,
        now: Timestamp,
        id: &RunId,
        dedupe_key: String,
        event: NoticeEvent,
        asked: Option<String>,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refusal> {
        if let Some(repeated) = self.repeated(Some(&dedupe_key), &asked)? {
            return Ok(repeated);
        }
        let take = vec![Claim::dedupe(&dedupe_key, id, asked)];
        self.notice(now, id, event, take, out);
        self.advance_all(now, out);
        Ok(about(id))
    }

    /// Records from where an application is served, if that is news.
    fn active(
        &mut self,
        now: Timestamp,
        application: &ApplicationName,
        region: Region,
        evidence: String,
        out: &mut Vec<Output>,
    ) -> Accepted {
        let known = self.known.applications.get(application);
        let active = known.and_then(|state| state.active.as_ref());
        if active.is_none_or(|active| active.region != region) {
            let event = ApplicationEvent::ActiveObserved { region, evidence };
            self.record(now, Entry::application(application, event), out);
        }
        DONE
    }

    /// How strong a workload was is written down when it has changed.
    fn peak_seen(
        &mut self,
        now: Timestamp,
        application: &ApplicationName,
        workload: ComponentName,
        region: Region,
        sets: BTreeMap<String, u32>,
        out: &mut Vec<Output>,
    ) {
        let known = self.known.applications.get(application);
        let known = known.and_then(|state| state.peaks.get(&workload));
        if known.is_none_or(|peak| peak.region != region || peak.sets != sets) {
            let event = ApplicationEvent::PeakSeen { workload, region, sets };
            self.record(now, Entry::application(application, event), out);
        }
    }

    fn missed(
        &mut self,
        now: Timestamp,
        schedule: ScheduleId,
        due_at: Timestamp,
        because: String,
        out: &mut Vec<Output>,
    ) -> Result<Accepted, Refusal> {
        let last = self.known.schedules.get(&schedule).and_then(|state| state.last_due);
        if last.is_some_and(|last| last >= due_at) {
            return Err(Refusal::OccurrenceTaken { schedule });
        }
        let event = Event::Schedule(ScheduleEvent::Missed { due_at, because });
        self.record(now, Entry { stream: Stream::Schedule(schedule), event }, out);
        Ok(DONE)
    }

    fn grant_canary(
        &mut self,
        now: Timestamp,
        application: &ApplicationName,
        database: ComponentName,
        region: Region,
        schema: String,
        out: &mut Vec<Output>,
    ) {
        let by = "the application's file".to_owned();
        let event = ApplicationEvent::CanaryGranted { database, region, schema, by };
        self.record(now, Entry::application(application, event), out);
    }

    fn access(&mut self, now: Timestamp, event: AccessEvent, out: &mut Vec<Output>) -> Accepted {
        self.record(now, Entry::access(event), out);
        DONE
    }

    /// The answer that was given under this key before.
    fn repeated(
        &self,
        dedupe_key: Option<&str>,
        asked: &Option<String>,
    ) -> Result<Option<Accepted>, Refusal> {
        let Some(key) = dedupe_key else { return Ok(None) };
        let holder = self.known.answered(key, asked.as_deref())?;
        Ok(holder.map(|holder| Accepted { run: Some(holder.clone()), repeated: true }))
    }

    fn notice(
        &mut self,
        now: Timestamp,
        id: &RunId,
        event: NoticeEvent,
        take: Vec<Claim>,
        out: &mut Vec<Output>,
    ) {
        let entry = Entry { stream: Stream::Notice(id.clone()), event: Event::Notice(event) };
        self.commit(now, vec![entry], take, out);
    }

    /// Records a finding that is new or changed, or the end of one that stood.
    fn finding(
        &mut self,
        now: Timestamp,
        application: &ApplicationName,
        finding: Result<Finding, String>,
        out: &mut Vec<Output>,
    ) {
        let findings = self.known.applications.get(application).map(|state| &state.findings);
        let standing =
            |id: &str| findings.and_then(|findings| findings.get(id)).map(|(_, finding)| finding);
        let event = match finding {
            Ok(finding) if standing(&finding.id) == Some(&finding) => return,
            Ok(finding) => ApplicationEvent::FindingOpened { finding },
            Err(id) if standing(&id).is_none() => return,
            Err(id) => ApplicationEvent::FindingClosed { id },
        };
        self.record(now, Entry::application(application, event), out);
    }

    /// Looks at every open run at once, whatever it was waiting for.
    pub(super) fn advance_all(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let ids: Vec<RunId> = self.known.runs.keys().cloned().collect();
        for id in ids {
            self.forget_naps(&id);
            self.advance(now, &id, out);
        }
    }
}
