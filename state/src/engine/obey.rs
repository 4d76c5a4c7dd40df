//! What people and doors want, and what becomes of it.

use jiff::Timestamp;
use muster_runbooks::{
    name::{ApplicationName, RunId},
    request::Request,
};

use super::{Engine, Output};
use crate::{
    admit::{self, Admitted},
    catalog::Finding,
    command::{Accepted, Command, Refusal},
    event::{
        AccessEvent, ApplicationEvent, Claim, Entry, Event, NoticeEvent, ScheduleEvent, Stream,
    },
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
        match command {
            Command::Admit(admission) => match admit::admit(&self.known, &admission, now)? {
                Admitted::Repeated(run) => Ok(Accepted { run: Some(run), repeated: true }),
                Admitted::Run { entries, take } => {
                    self.commit(now, entries, take, out);
                    self.advance(now, &admission.id, out);
                    Ok(about(&admission.id))
                }
            },
            Command::Propose { id, request, expires_at, because } => {
                Ok(self.propose(now, id, request, expires_at, because, out))
            }
            Command::Steer { run: id, by, reason, steer } => {
                let run = self.known.runs.get(&id);
                let run = run.ok_or_else(|| Refusal::UnknownRun { run: id.clone() })?;
                let events = steer::steer(run, &by, &reason, &steer)?;
                let entries = events.into_iter().map(|event| Entry::run(&id, event)).collect();
                self.commit(now, entries, Vec::new(), out);
                self.forget_naps(&id);
                self.advance(now, &id, out);
                Ok(about(&id))
            }
            Command::Off { by, reason } => {
                Ok(self.access(now, AccessEvent::SwitchedOff { by: by.name, reason }, out))
            }
            Command::On { by, reason } => {
                let done = self.access(now, AccessEvent::SwitchedOn { by: by.name, reason }, out);
                self.advance_all(now, out);
                Ok(done)
            }
            Command::Refused { who, what, because } => {
                Ok(self.access(now, AccessEvent::Refused { who, what, because }, out))
            }
            Command::Missed { schedule, due_at, because } => {
                let last = self.known.schedules.get(&schedule).and_then(|state| state.last_due);
                if last.is_some_and(|last| last >= due_at) {
                    return Err(Refusal::OccurrenceTaken { schedule });
                }
                let event = Event::Schedule(ScheduleEvent::Missed { due_at, because });
                self.record(now, Entry { stream: Stream::Schedule(schedule), event }, out);
                Ok(DONE)
            }
            Command::Active { application, region, evidence } => {
                let known = self.known.applications.get(&application);
                let active = known.and_then(|state| state.active.as_ref());
                if active.is_none_or(|active| active.region != region) {
                    let event = ApplicationEvent::ActiveObserved { region, evidence };
                    self.record(now, Entry::application(&application, event), out);
                }
                Ok(DONE)
            }
            Command::Finding { application, finding } => {
                self.finding(now, &application, finding, out);
                Ok(DONE)
            }
            Command::Nudge { id, dedupe_key, source, about: object } => {
                if let Some(held) = self.known.claims.get(&format!("dedupe/{dedupe_key}")) {
                    return Ok(Accepted { run: Some(held.holder.clone()), repeated: true });
                }
                let event = Event::Notice(NoticeEvent::Nudged { source, about: object });
                let entry = Entry { stream: Stream::Notice(id.clone()), event };
                self.commit(now, vec![entry], vec![Claim::dedupe(&dedupe_key, &id)], out);
                self.advance_all(now, out);
                Ok(about(&id))
            }
        }
    }

    fn access(&mut self, now: Timestamp, event: AccessEvent, out: &mut Vec<Output>) -> Accepted {
        self.record(now, Entry::access(event), out);
        DONE
    }

    /// Keeps a request for a person to start, once per key.
    fn propose(
        &mut self,
        now: Timestamp,
        id: RunId,
        request: Box<Request>,
        expires_at: Timestamp,
        because: String,
        out: &mut Vec<Output>,
    ) -> Accepted {
        let key = request.dedupe_key.clone();
        let held = key.as_ref().and_then(|key| self.known.claims.get(&format!("dedupe/{key}")));
        if let Some(held) = held {
            return Accepted { run: Some(held.holder.clone()), repeated: true };
        }
        let take = key.iter().map(|key| Claim::dedupe(key, &id)).collect();
        let event = NoticeEvent::Proposed { request, expires_at, because };
        let entry = Entry { stream: Stream::Notice(id.clone()), event: Event::Notice(event) };
        self.commit(now, vec![entry], take, out);
        about(&id)
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
    fn advance_all(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let ids: Vec<RunId> = self.known.runs.keys().cloned().collect();
        for id in ids {
            self.forget_naps(&id);
            self.advance(now, &id, out);
        }
    }
}
