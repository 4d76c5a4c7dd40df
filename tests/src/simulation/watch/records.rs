//! I14, I20, I21: what became durable, record by record.

use muster_runbooks::{action::control::Risk, name::RunId};
use muster_state::{
    event::{Entry, Event, RunEvent, ScheduleEvent, Stream},
    step::Change,
};

use super::Watch;

impl Watch {
    /// Another host goes on, whose journal is known up to there.
    pub fn rewind(&mut self, end: u64) {
        self.end = end;
    }

    /// I14, I20, I21, and what the people decided.
    pub fn record(&mut self, seq: u64, entry: &Entry) {
        self.check("I14", seq == self.end, || format!("a gap before {seq}"));
        self.end = seq + 1;
        match &entry.event {
            Event::Run(event) => {
                if let Stream::Run(id) = &entry.stream {
                    self.run_event(id, event);
                }
            }
            Event::Schedule(ScheduleEvent::Started { due_at, .. }) => {
                let key = (entry.stream.to_string(), *due_at);
                let times = self.due.entry(key).or_default();
                *times += 1;
                let times = *times;
                self.check("I20", times == 1, || format!("{due_at} ran {times} times"));
            }
            Event::Schedule(ScheduleEvent::Missed { due_at, .. }) => {
                let key = (entry.stream.to_string(), *due_at);
                let (ran, times) =
                    (self.due.contains_key(&key), self.missed.entry(key).or_default());
                *times += 1;
                let holds = *times == 1 && !ran;
                self.check("I20", holds, || format!("{due_at} is missed, and was known"));
            }
            Event::Application(_) | Event::Access(_) | Event::Notice(_) => {}
        }
    }

    fn run_event(&mut self, id: &RunId, event: &RunEvent) {
        if let RunEvent::Admitted { request, .. } = event
            && let Some(key) = &request.dedupe_key
        {
            let times = self.keys.entry(key.clone()).or_default();
            *times += 1;
            let times = *times;
            self.check("I21", times == 1, || format!("`{key}` became {times} runs"));
        }
        if let RunEvent::Approved { accepts, .. } | RunEvent::GlassBroken { accepts, .. } = event
            && accepts.contains(&Risk::UnprovenFence)
        {
            self.accepted.insert(id.clone());
        }
        if let RunEvent::GlassBroken { seals, .. } = event {
            self.broken.insert(id.clone());
            for seal in seals {
                let is_first = self.seals.insert(seal.id.clone());
                self.check("I9", is_first, || format!("`{}` is opened again", seal.id));
            }
        }
        if let RunEvent::Step { change: Change::Started { .. }, .. } = event {
            self.attempts += 1;
        }
        self.approvals += u64::from(matches!(event, RunEvent::Approved { .. }));
        if let RunEvent::Noted { text, .. } = event {
            self.notes.entry(id.clone()).or_default().push(text.clone());
        }
        if let RunEvent::Ended { outcome } = event {
            self.outcomes.insert(id.clone(), *outcome);
        }
        let says = if let RunEvent::Step { step, change: Change::Failed { fault, .. } } = event {
            Some(format!("`{step}` failed: {fault}"))
        } else if let RunEvent::Paused { cause } = event {
            Some(format!("paused: {cause:?}"))
        } else {
            matches!(event, RunEvent::Abandoned { .. }).then(|| "abandoned".to_owned())
        };
        if let Some(says) = says {
            self.last_words.insert(id.clone(), says);
        }
    }
}
