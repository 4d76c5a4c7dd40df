//! Events per second through each hop behind the translation: the function under the local Lambda runtime onto two
//! emulated queues, and the daemon from both queues into its journal on this machine's disk. The emulator takes
//! most of the time of either; in AWS the way there does.
//!
//! Prints one JSON line for each. Needs the test world (`tests/world/setup.sh`, `MUSTER_TEST_PYTHON`) and the
//! release binaries: `cargo build --release --workspace --bins`, then
//! `cargo bench -p muster-tests --bench events`

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    time::Instant,
};

use muster_tests::{
    aws::{self, Aws},
    daemon::{Setup, pause},
    lambda::Function,
};
use serde_json::{Value, json};

/// How many events each hop is given.
const EVENTS: usize = 2_000;

/// A moment after what the fixture tells.
const NOW: &str = "2026-03-01T02:10:00Z";

#[tokio::main]
async fn main() {
    let mut out = io::stdout();
    let Some(python) = aws::python("the bench of events") else {
        writeln!(out, "MUSTER_TEST_PYTHON names no python of the test world").expect("printed");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let clock = folder.path().join("clock");
    fs::write(&clock, NOW).expect("the clock is written");
    let aws = Aws::start(&python, &clock);
    let mut queues = Vec::new();
    for region in ["us-east-1", "us-west-2"] {
        queues.push((region, aws.queue(region, &format!("events-{region}")).await));
    }

    let addresses: Vec<Value> =
        queues.iter().map(|(region, url)| json!({ "region": region, "url": url })).collect();
    let mut env = aws.env();
    env.push(("MUSTER_RULES".into(), fixture("rules").to_string()));
    env.push(("MUSTER_QUEUES".into(), Value::from(addresses).to_string()));
    let mut function = Function::start(&python, "on-event", &env).await;
    for (hop, name) in [("runtime", "ec2-instance-stopped"), ("runtime and queues", SNAPSHOT)] {
        let events: Vec<Value> = (0..EVENTS).map(|number| numbered(name, number)).collect();
        let begun = Instant::now();
        for answer in function.invoke_all(&events).await {
            answer.expect("the function takes it");
        }
        writeln!(out, "{}", line(hop, EVENTS, begun)).expect("printed");
    }
    drop(function);

    let setup = setup(folder.path(), &clock, &aws, &queues);
    let daemon = setup.start().await;
    let begun = Instant::now();
    for (region, url) in &queues {
        while aws.held(region, url).await > 0 {
            pause().await;
        }
    }
    writeln!(out, "{}", line("queues to journal", EVENTS * queues.len(), begun)).expect("printed");
    drop(daemon);
}

/// What is told of a snapshot.
const SNAPSHOT: &str = "rds-manual-snapshot-created";

fn line(hop: &str, events: usize, begun: Instant) -> Value {
    let per_second = events as f64 / begun.elapsed().as_secs_f64();
    json!({ "hop": hop, "messages": events, "per_second": per_second.round() })
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/../lambdas/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(path).expect("a fixture")).expect("JSON")
}

/// The event, about another object each time.
fn numbered(name: &str, number: usize) -> Value {
    let mut event = fixture(name);
    if let Some(arn) = event["detail"]["SourceArn"].as_str() {
        event["detail"]["SourceArn"] = json!(format!("{arn}-{number}"));
    }
    event
}

fn setup(folder: &Path, clock: &Path, aws: &Aws, queues: &[(&str, String)]) -> Setup {
    let applications = format!("{}/../deploy/covetpy/applications", env!("CARGO_MANIFEST_DIR"));
    let mut more = format!("applications: [{applications}]\nqueues:\n");
    for (region, url) in queues {
        more += &format!(
            "  - principal: events\n    region: {region}\n    url: {url}\n    \
             accounts: [\"{}\"]\n",
            aws::ACCOUNT
        );
    }
    let mut setup = Setup::write(folder, &more);
    setup.clock = Some(clock.to_owned());
    setup.env = aws.env();
    setup
}
