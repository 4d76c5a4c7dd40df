//! `muster watch`: a run as it happens, over every broken line.

use clap::Args;
use futures::StreamExt;
use jiff::{SignedDuration, tz::TimeZone};

use super::{Client, Exit, Failure, Terminal, say::segment, show};
use crate::{
    api::view::{event::EventView, run::RunView, step::StepView},
    clock::Clock,
};

/// How often the daemon is tried again before giving up.
const TRIES_MAX: u32 = 60;

/// How long to wait between two tries.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The longest line of a stream.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// After so long without a line it is said how far the open steps are.
const QUIET_MAX: SignedDuration = SignedDuration::from_secs(60);

/// Arguments of `watch`.
#[derive(Clone, Debug, Args)]
pub struct Watch {
    /// The run.
    pub run: String,
}

/// Follows a run until it ends.
pub(super) async fn watch(
    run: &str,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    follow(run, &Goal { step: None, gives_up: false }, client, terminal).await
}

/// Follows a run until it ends, or until a step of it is over. Where nobody sits, a run that stops
/// and asks a person is not waited for: whoever started it is told.
pub(super) async fn wait(
    run: &str,
    step: Option<&str>,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let goal = Goal { step, gives_up: !terminal.has_person() };
    follow(run, &goal, client, terminal).await
}

/// What is waited for.
struct Goal<'a> {
    /// This step; the end of the run without it.
    step: Option<&'a str>,
    /// Whether a run that asks a person is given up on.
    gives_up: bool,
}

impl Goal<'_> {
    /// How it ended, if it did.
    fn reached(&self, view: &RunView) -> Result<Option<Exit>, Failure> {
        let named = |step: &&StepView| {
            let Some(name) = self.step else { return false };
            let of = step.component.is_some().then(|| step.id.strip_prefix(name)).flatten();
            step.id == name || of.is_some_and(|rest| rest.starts_with('-'))
        };
        let steps: Vec<&StepView> = view.steps.iter().filter(named).collect();
        if let (Some(name), true) = (self.step, steps.is_empty()) {
            let known: Vec<&str> = view.steps.iter().map(|step| step.id.as_str()).collect();
            return Err(Failure::BadUse {
                because: format!("run {} has no step `{name}`", view.id),
                hint: Some(format!("it has {}; it was started and goes on", known.join(", "))),
            });
        }
        let is_done =
            |step: &&StepView| matches!(step.state.as_str(), "succeeded" | "done_by_hand");
        let is_lost = |step: &&StepView| matches!(step.state.as_str(), "failed" | "skipped");
        if self.step.is_some() && steps.iter().all(is_done) {
            return Ok(Some(Exit::Done));
        }
        if steps.iter().any(is_lost) || self.gives_up && view.status.starts_with("paused_") {
            return Ok(Some(Exit::No));
        }
        Ok((!view.open).then_some(match (self.step, view.status.as_str()) {
            (None, "succeeded" | "succeeded_with_exceptions") => Exit::Done,
            (None | Some(_), _) => Exit::No,
        }))
    }
}

async fn follow(
    run: &str,
    goal: &Goal<'_>,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/runs/{}", segment(run)?);
    let mut last = None;
    let mut tries = 0;
    let exit = loop {
        let before = last;
        match stream(&path, goal, client, terminal, &mut last).await {
            Ok(Some(exit)) => break exit,
            Ok(None) => {}
            Err(failure) if failure.exit() != Exit::Unreachable => return Err(failure),
            Err(failure) if tries >= TRIES_MAX => return Err(failure),
            Err(failure) => {
                if tries == 0 {
                    terminal.aside(format!("{failure}; trying again"));
                }
            }
        }
        tries = if last == before { tries + 1 } else { 0 };
        if tries > TRIES_MAX {
            let because = "the stream broke again and again".to_owned();
            return Err(Failure::Unreachable { server: path, because });
        }
        Clock::Real.sleep(PAUSE).await;
    };
    let view: RunView = client.get(&path).await?;
    terminal.json(&view);
    show::ending(&view, terminal);
    if view.open {
        show::waits(&view, terminal);
        terminal.then(format!("muster watch {}", view.id));
    }
    Ok(exit)
}

/// Reads one stream to its end; says how what is waited for ended, if it did.
async fn stream(
    path: &str,
    goal: &Goal<'_>,
    client: &Client,
    terminal: &mut Terminal,
    last: &mut Option<u64>,
) -> Result<Option<Exit>, Failure> {
    if last.is_some() {
        // The line broke. What is waited for may have come with the last event before that.
        let view: RunView = client.get(path).await?;
        if let Some(exit) = goal.reached(&view)?.filter(|_| view.open) {
            return Ok(Some(exit));
        }
    }
    let response = client.stream(&format!("{path}/events"), *last).await?;
    let mut bytes = response.bytes_stream();
    let mut held: Vec<u8> = Vec::new();
    let mut message = Message::default();
    let mut quiet_until = Clock::Real.now() + QUIET_MAX;
    while let Some(Ok(chunk)) = bytes.next().await {
        held.extend_from_slice(&chunk);
        while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = held.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some(done) = message.take(line.trim_end_matches(['\r', '\n'])) else { continue };
            if let Ok(event) = serde_json::from_str::<EventView>(&done.data) {
                *last = Some(event.seq);
                terminal.json(&event);
                terminal.line(line_of(&event));
                quiet_until = Clock::Real.now() + QUIET_MAX;
                if asks(&event) {
                    say_what_it_waits_for(path, client, terminal).await?;
                }
                if !may_be_it(&event) {
                    continue;
                }
            } else if done.event != "over" {
                continue;
            }
            let view: RunView = client.get(path).await?;
            // What led to the end of a run is printed to its last line.
            let has_more = !view.open && done.event != "over";
            if let Some(exit) = goal.reached(&view)?.filter(|_| !has_more) {
                return Ok(Some(exit));
            }
        }
        // The daemon says every few seconds that it lives; somebody who only sees lines wants more.
        if Clock::Real.now() >= quiet_until {
            progress(path, client, terminal).await?;
            quiet_until = Clock::Real.now() + QUIET_MAX;
        }
        if held.len() > LINE_BYTES_MAX {
            break;
        }
    }
    Ok(None)
}

/// Whether what is waited for may have come with this event.
fn may_be_it(event: &EventView) -> bool {
    matches!(
        event.kind.as_str(),
        "step_started"
            | "step_succeeded"
            | "step_failed"
            | "step_skipped"
            | "step_done_by_hand"
            | "paused"
            | "ended"
    )
}

/// How far the open steps are, in a line each.
async fn progress(path: &str, client: &Client, terminal: &mut Terminal) -> Result<(), Failure> {
    let view: RunView = client.get(path).await?;
    for step in &view.steps {
        let Some(sample) = &step.sample else { continue };
        let percent = sample.percent.map_or(String::new(), |percent| format!(", {percent} %"));
        terminal.line(format!("          {:<24}  {}{percent}", step.id, sample.seen));
    }
    Ok(())
}

/// One message of a stream of Server-Sent Events, while its lines come in.
#[derive(Debug, Default)]
struct Message {
    event: String,
    data: String,
}

impl Message {
    /// Takes a line; an empty one ends the message.
    fn take(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let done = std::mem::take(self);
            return (!done.event.is_empty() || !done.data.is_empty()).then_some(done);
        }
        if let Some(event) = line.strip_prefix("event:") {
            self.event = event.trim_start().to_owned();
        } else if let Some(data) = line.strip_prefix("data:") {
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        None
    }
}

fn line_of(event: &EventView) -> String {
    let at = event.recorded_at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S");
    let what = event.kind.trim_start_matches("step_").replace('_', " ");
    let step = event.step.as_deref().unwrap_or("run");
    let by = event.by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
    let attempt = event.attempt.filter(|attempt| *attempt > 1);
    let attempt = attempt.map_or(String::new(), |attempt| format!(" (attempt {attempt})"));
    let text = if event.text.is_empty() { String::new() } else { format!(": {}", event.text) };
    format!("{at}  {step:<24}  {what}{attempt}{by}{text}")
}

/// Whether a person may be asked for something from here on.
fn asks(event: &EventView) -> bool {
    match event.kind.as_str() {
        "paused" | "step_held" | "step_failed" => true,
        "step_started" => event.text.starts_with("approval") || event.text.starts_with("gate"),
        _ => false,
    }
}

async fn say_what_it_waits_for(
    path: &str,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let view: RunView = client.get(path).await?;
    if view.open && view.needs_person() {
        show::waits(&view, terminal);
        terminal.next(&view.next);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_with_an_empty_line() {
        let mut message = Message::default();
        let lines = [": alive", "", "id: 7", "event: noted", "data: {\"a\":", "data: 1}", ""];
        let done: Vec<Message> = lines.iter().filter_map(|line| message.take(line)).collect();
        assert_eq!(done.len(), 1);
        assert_eq!((done[0].event.as_str(), done[0].data.as_str()), ("noted", "{\"a\":1}"));
    }
}
