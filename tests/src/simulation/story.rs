//! What happened, in words: hashed for every event, kept only for those who look for a fault.

use std::fmt::{self, Write as _};

use muster_state::{
    call::Answer,
    engine::{Input, Reply, Sight},
};

use super::{Happening, Simulation, chance::mix, scenario};

/// How many of the last events are shown when something is wrong.
const SHOWN: usize = 300;

impl Simulation {
    pub(super) fn note(&mut self, happening: &Happening) {
        let at = self.now.as_millisecond().to_le_bytes();
        mix(&mut self.trace, &at);
        let mut text = std::mem::take(&mut self.line);
        text.clear();
        // A text cannot refuse to grow.
        let _ = self.tell_of(happening, &mut text);
        mix(&mut self.trace, text.as_bytes());
        if self.is_verbose && !text.is_empty() && !text.starts_with("observe") {
            self.remember(format!("{} {text}", self.now));
        }
        self.line = text;
    }

    /// What happens, in words. The same in every process, and cheap: it is hashed for each event.
    fn tell_of(&self, happening: &Happening, text: &mut String) -> fmt::Result {
        match happening {
            Happening::Synced => text.write_str("synced"),
            Happening::Arrives { begins, call, .. } => {
                text.push_str(if *begins { "BEGIN " } else { "observe " });
                text.push_str(call.token.as_str());
                text.push(' ');
                text.write_str(call.action.spec().name)
            }
            Happening::Heard { input } => match input.as_ref() {
                Input::Seen(Sight { step, reading, .. }) => {
                    text.push_str("seen ");
                    text.push_str(step.as_str());
                    text.push_str(": ");
                    match reading {
                        Ok(reading) => write!(text, "{}", reading.progress),
                        Err(error) => write!(text, "{error}"),
                    }
                }
                Input::Answered(Reply { step, answer, .. }) => {
                    text.push_str("answered ");
                    text.push_str(step.as_str());
                    match answer {
                        // By far the most, and the words of a whole answer are dear.
                        Ok(Answer::Accepted) => text.write_str(": accepted"),
                        answer => write!(text, ": {answer:?}"),
                    }
                }
                Input::Appended(_) | Input::Command(..) | Input::Lease(_) | Input::Tick => Ok(()),
            },
            Happening::Wake { .. }
            | Happening::Glance
            | Happening::Patrol
            | Happening::AskAround => Ok(()),
            Happening::Lease(turn) => write!(text, "lease: {turn}"),
            Happening::Ring { schedule } => write!(text, "ring {schedule}"),
            Happening::Said => match self.unheard.front() {
                Some((command, _)) => text.write_str(&scenario::in_short(command)),
                None => Ok(()),
            },
            Happening::Starts => text.write_str("process starts"),
            Happening::Script { place } => {
                write!(text, "script {}", self.scenario.script[*place].1)
            }
        }
    }

    pub(super) fn remember(&mut self, text: String) {
        if self.words.len() == SHOWN {
            self.words.pop_front();
        }
        self.words.push_back(text);
    }

    /// The last things that happened.
    pub fn story(&self) -> String {
        self.words.iter().map(|line| format!("  {line}\n")).collect()
    }
}
