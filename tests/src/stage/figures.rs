//! How often the daemon was killed and started, and how soon it took up what was open.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// The figures of one stage.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Kills at a sync of the journal.
    pub kills_at_syncs: u32,
    /// Kills at a write to the log, before it was carried out.
    pub kills_at_writes: u32,
    /// Kills at an outside call.
    pub kills_at_calls: u32,
    /// Kills that came before the new process was ready.
    pub killed_before_ready: u32,
    /// Starts that became ready.
    pub restarts: u32,
    /// From the start of the process to ready.
    pub ready: Vec<SignedDuration>,
    /// From ready to the first look at what was open; zero if it had looked before this test saw
    /// that it was ready.
    pub looks: Vec<SignedDuration>,
}

impl Figures {
    /// Prints them: whoever reads what a test run said wants to see how soon the daemon looked.
    #[expect(clippy::print_stdout, reason = "figures that the suite prints")]
    pub fn print(&self) {
        println!("{self}");
    }

    /// Takes the first call after a restart in.
    ///
    /// # Panics
    ///
    /// When the call does not say when it came.
    pub fn looked(&mut self, first: &Value, ready_at: Timestamp) {
        let secs = first["at"].as_f64().expect("the proxy stamps its calls");
        let millis = (secs * 1_000.0) as i64 - ready_at.as_millisecond();
        self.looks.push(SignedDuration::from_millis(millis.max(0)));
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { kills_at_syncs, kills_at_writes, kills_at_calls, restarts, .. } = self;
        let early = self.killed_before_ready;
        write!(
            f,
            "kills: {kills_at_syncs} at syncs, {kills_at_writes} at writes, {kills_at_calls} at calls, \
             {early} of them before ready; {restarts} starts; start to ready {}; ready to first look {}",
            Spread(&self.ready),
            Spread(&self.looks)
        )
    }
}

/// Median and maximum.
struct Spread<'a>(&'a [SignedDuration]);

impl fmt::Display for Spread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.to_vec();
        sorted.sort();
        let (Some(median), Some(max)) = (sorted.get(sorted.len() / 2), sorted.last()) else {
            return f.write_str("never");
        };
        let (median, max) = (median.as_millis(), max.as_millis());
        write!(f, "p50 {median} ms, max {max} ms ({} times)", sorted.len())
    }
}
