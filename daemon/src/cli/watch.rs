//! `muster watch`: a run as it happens, over every broken line.

use clap::Args;
use futures::StreamExt;
use jiff::{SignedDuration, tz::TimeZone};

use super::{Client, Exit, Failure, Terminal, say::segment, show};
use crate::{
    api::view::{event::EventView, run::RunView},
    clock::Clock,
};

/// How often the daemon is tried again before giving up.
const TRIES_MAX: u32 = 60;

/// How long to wait between two tries.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The longest line of a stream.
const LINE_BYTES_MAX: usize = 1024 * 1024;

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
    let path = format!("/v1/runs/{}", segment(run)?);
    let mut last = None;
    let mut tries = 0;
    loop {
        let before = last;
        match follow(&path, client, terminal, &mut last).await {
            Ok(true) => break,
            Ok(false) => {}
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
    }
    let view: RunView = client.get(&path).await?;
    terminal.json(&view);
    show::ending(&view, terminal);
    Ok(match view.status.as_str() {
        "succeeded" | "succeeded_with_exceptions" => Exit::Done,
        _ => Exit::No,
    })
}

/// Reads one stream to its end; says whether the run has ended.
async fn follow(
    path: &str,
    client: &Client,
    terminal: &mut Terminal,
    last: &mut Option<u64>,
) -> Result<bool, Failure> {
    let response = client.stream(&format!("{path}/events"), *last).await?;
    let mut bytes = response.bytes_stream();
    let mut held: Vec<u8> = Vec::new();
    let mut message = Message::default();
    while let Some(Ok(chunk)) = bytes.next().await {
        held.extend_from_slice(&chunk);
        while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = held.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some(done) = message.take(line.trim_end_matches(['\r', '\n'])) else { continue };
            if done.event == "over" {
                return Ok(true);
            }
            if let Ok(event) = serde_json::from_str::<EventView>(&done.data) {
                *last = Some(event.seq);
                terminal.json(&event);
                terminal.line(line_of(&event));
                if asks(&event) {
                    say_what_it_waits_for(path, client, terminal).await?;
                }
            }
        }
        if held.len() > LINE_BYTES_MAX {
            break;
        }
    }
    Ok(false)
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
