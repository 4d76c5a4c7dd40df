//! How people and schedules are heard: in the order in which they speak, by whichever process runs.

use jiff::SignedDuration;
use muster_runbooks::name::Region;
use muster_state::{
    command::{Accepted, Command, Refusal},
    engine::{Input, Ticket},
};

use super::{Cut, Happening, Simulation, ask::start_of};

/// How often people look while something is open that needs them.
const GLANCES_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// Between two things that were waiting to be said.
const BETWEEN: SignedDuration = SignedDuration::from_millis(1);

/// A region is known to be lost when it has been for so long.
const KNOWN_LOST_AFTER: SignedDuration = SignedDuration::from_secs(45);

impl Simulation {
    /// Says something now, or after what others wait to say. `again`: until it is answered.
    pub(super) fn say(&mut self, command: Command, again: bool) -> Result<(), Cut> {
        if self.engine.is_none() || !self.unheard.is_empty() {
            self.unheard.push_back((command, again));
            return Ok(());
        }
        self.ask(command, again)
    }

    /// Says something once this event is over.
    pub(super) fn say_next(&mut self, command: Command) {
        self.unheard.push_back((command, false));
        self.hear_after(SignedDuration::ZERO);
    }

    /// The oldest of what waits to be said is heard so much later, if anything does.
    pub(super) fn hear_after(&mut self, pause: SignedDuration) {
        if !self.hears && !self.unheard.is_empty() {
            self.hears = true;
            self.put(self.now + pause, Happening::Said);
        }
    }

    pub(super) fn hear(&mut self) -> Result<(), Cut> {
        self.hears = false;
        // The next process listens when it has started.
        if self.engine.is_none() {
            return Ok(());
        }
        if self.stands_by() {
            self.hear_after(GLANCES_EVERY);
            return Ok(());
        }
        let Some((command, again)) = self.unheard.pop_front() else { return Ok(()) };
        self.hear_after(BETWEEN);
        self.ask(command, again)
    }

    fn ask(&mut self, command: Command, again: bool) -> Result<(), Cut> {
        self.ticket += 1;
        let ticket = self.ticket;
        if again {
            self.waiting.insert(ticket, command.clone());
        }
        self.watch.asked(ticket, &command);
        self.tell(Input::Command(ticket, command))
    }

    /// The process died: whoever got no answer asks again, before those who were not heard at all.
    pub(super) fn ask_again(&mut self) {
        for (_, command) in std::mem::take(&mut self.waiting).into_iter().rev() {
            self.unheard.push_front((command, true));
        }
    }

    pub(super) fn reply(&mut self, ticket: Ticket, result: Result<Accepted, Refusal>) {
        let asked = self.waiting.remove(&ticket);
        match (asked, &result) {
            // Whoever asks a process that does not act asks again.
            (Some(command), Err(Refusal::NotTheActor { .. })) => {
                self.unheard.push_front((command, true));
                self.hear_after(GLANCES_EVERY);
            }
            (Some(command), Err(refusal)) => self.give_up(&command, refusal),
            (_, Ok(_)) => self.granted(ticket),
            (None, Err(_)) => {}
        }
        if self.is_verbose
            && let Err(refusal) = &result
        {
            self.remember(format!("{} refused: {refusal}", self.now));
        }
        self.watch.replied(ticket, &result, &self.disk);
    }

    /// People look at what is open. While no process runs there is nothing to look at.
    pub(super) fn glance(&mut self) {
        self.glances = false;
        if self.engine.is_none() {
            return;
        }
        if self.stands_by() {
            return self.arm_glance();
        }
        let (now, sim) = (self.now, &self.sim);
        let since = now - KNOWN_LOST_AFTER;
        let is_lost = |region: &Region| {
            let truth = sim.truth();
            !truth.is_well(region, now) && !truth.is_well(region, since)
        };
        let said = self.people.look(now, &self.disk.progress(), is_lost);
        let started = self.births();
        for command in said.into_iter().chain(started) {
            self.say_next(command);
        }
        self.arm_glance();
    }

    /// Asks for the runs that steps want.
    fn births(&self) -> Vec<Command> {
        let known = self.disk.progress();
        let wants = known.runs.values().flat_map(|run| {
            run.wants_started().into_iter().map(move |(step, start)| (run, step, start))
        });
        wants
            .map(|(run, step, start)| {
                start_of(&self.scenario.applications, run, step, start, &known)
            })
            .collect()
    }

    pub(super) fn arm_glance(&mut self) {
        if !self.glances && !self.disk.progress().runs.is_empty() {
            self.glances = true;
            self.put(self.now + GLANCES_EVERY, Happening::Glance);
        }
    }
}
