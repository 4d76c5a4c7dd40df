//! What a script does to a history, and what a crash leaves of a process.

use muster::world::sim::Fault;
use muster_state::command::Command;

use super::{Cut, Happening, RESTARTS_AFTER, Simulation, lease::Turn, scenario::Act};

impl Simulation {
    pub(super) fn act(&mut self, act: Act) -> Result<(), Cut> {
        match act {
            Act::Start(start) => {
                let command = start.command(&self.scenario.applications[0], &self.disk.progress());
                self.say(command, true)
            }
            Act::Leave(start) => {
                let command = start.for_all(&self.scenario.applications, &self.disk.progress());
                self.say(command, true)
            }
            Act::Say(command) => {
                let again = matches!(*command, Command::On { .. });
                self.say(*command, again)
            }
            Act::Inject(fault) => {
                self.inject(fault);
                Ok(())
            }
            Act::Heal(region) => {
                self.sim.heal_region(self.now, &region);
                Ok(())
            }
            Act::HealAll => {
                self.sim.heal_all(self.now);
                Ok(())
            }
            Act::Crash => Err(Cut),
            Act::Sleep(length) => {
                self.fall_asleep(length);
                Ok(())
            }
            Act::Dark(length) => {
                self.go_dark(length);
                Ok(())
            }
            other @ (Act::Stop(_) | Act::Skew(_) | Act::Hold { .. } | Act::Release) => {
                self.protect(other)
            }
        }
    }

    fn inject(&mut self, fault: Fault) {
        if matches!(fault, Fault::MarkerLost { .. }) {
            self.watch.marker_is_lost();
        }
        self.sim.inject(self.now, fault);
    }

    /// The process dies. What was not synced is lost, apart from what the disk happened to keep.
    pub(super) fn crash(&mut self) {
        self.figures.crashes += 1;
        self.fuse = None;
        self.process += 1;
        self.engine = None;
        self.woken_at = None;
        self.numbers.clear();
        let keep = self.chance.below(self.disk.unsynced() as u64 + 1) as usize;
        self.disk.crash(keep);
        self.read_fresh();
        let dies = |happening: &Happening| match happening {
            Happening::Synced
            | Happening::Heard { .. }
            | Happening::Wake { .. }
            | Happening::Ring { .. }
            | Happening::Starts => true,
            Happening::Lease(turn) => matches!(**turn, Turn::Look | Turn::Heard { .. }),
            Happening::Arrives { .. }
            | Happening::Said
            | Happening::Glance
            | Happening::Script { .. }
            | Happening::Patrol
            | Happening::AskAround => false,
        };
        self.agenda.forget(dies);
        self.ask_again();
        let down_for = self.down_for.take().unwrap_or(RESTARTS_AFTER);
        self.put(self.now + down_for, Happening::Starts);
        self.remember(format!("{} CRASH, {keep} batches kept", self.now));
    }
}
