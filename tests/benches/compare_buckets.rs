//! What comparing two buckets costs, beside `rclone check` over the same server in the same run.
//!
//! Prints a JSON line for each program, size and latency: wall and processor seconds, the most memory
//! it had, and what it found. `muster idle` is the same command over two empty buckets: a process that
//! has started, read its configuration and made its clients, and has nothing to do; what a comparison
//! takes above it is `above_idle_mib`. `rclone` is left out where it is not installed. The binary
//! under test is the release one: `cargo build --release --workspace --bin muster` first.

#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use muster_tests::listing::{Bucket, ListServer, Version};
use serde_json::{Value, json};

/// Ticks of the processor clock per second, as Linux tells them to programs.
const TICKS: f64 = 100.0;

/// How often the memory of a program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

fn main() {
    for keys in [200_000, 1_000_000] {
        let (source, mut target) = (shelf(keys), shelf(keys));
        let planted = plant(&mut target);
        let buckets = BTreeMap::from([
            ("source".into(), source),
            ("target".into(), target),
            ("empty".into(), Bucket::default()),
        ]);
        let server = ListServer::start(buckets);
        for latency_ms in [0, 40] {
            server.slow_down(Duration::from_millis(latency_ms));
            let mut rows = vec![
                ("muster idle", muster(&server, ["empty", "empty"])),
                ("muster", muster(&server, ["source", "target"])),
            ];
            let mut idle_mib = None;
            if keys < 1_000_000 {
                rows.push(("rclone check", rclone(&server, &[])));
                rows.push(("rclone check --fast-list", rclone(&server, &["--fast-list"])));
            }
            for (program, command) in rows {
                let Some(mut row) = measured(command) else { continue };
                row["program"] = json!(program);
                row["keys"] = json!(keys);
                row["planted"] = json!(planted);
                row["latency_ms"] = json!(latency_ms);
                let memory = row["memory_mib"].as_f64();
                match program {
                    "muster idle" => idle_mib = memory,
                    "muster" => {
                        let above = memory.zip(idle_mib).map(|(most, idle)| most - idle);
                        row["above_idle_mib"] = json!(above);
                    }
                    _ => {}
                }
                #[expect(clippy::print_stdout, reason = "the figures are the result of a bench")]
                {
                    println!("{row}");
                }
            }
        }
    }
}

fn shelf(keys: usize) -> Bucket {
    let name = |number: usize| format!("data/{:03}/{number:09}.parquet", number % 400);
    let object = |number: usize| {
        vec![Version::object(format!("v{number:015}"), number as u64, format!("{number:032x}"))]
    };
    let mut bucket = Bucket::default();
    bucket.keys = (0..keys).map(|number| (name(number), object(number))).collect();
    bucket
}

/// Plants differences that both programs can see; answers how many.
fn plant(bucket: &mut Bucket) -> usize {
    let keys: Vec<String> = bucket.keys.keys().step_by(9_973).cloned().collect();
    for (place, key) in keys.iter().enumerate() {
        if place % 2 == 0 {
            bucket.keys.remove(key);
        } else if let Some(versions) = bucket.keys.get_mut(key) {
            versions[0].object = Some((1, "0".repeat(32)));
        }
    }
    keys.len()
}

fn muster(server: &ListServer, buckets: [&str; 2]) -> Command {
    let me = std::env::current_exe().expect("a bench knows its own path");
    let folder = me.parent().and_then(Path::parent).expect("target/release/deps/<bench>");
    let mut command = Command::new(folder.join("muster"));
    command
        .arg("compare-buckets")
        .args(buckets)
        .args(["--output", "json", "--endpoint-url"])
        .arg(server.url())
        .envs([("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")])
        .env("AWS_REGION", "us-east-1");
    command
}

fn rclone(server: &ListServer, more: &[&str]) -> Command {
    let mut command = Command::new("rclone");
    command
        .args(["check", "here:source", "here:target", "--checkers", "16"])
        .args(more)
        .env("RCLONE_CONFIG_HERE_TYPE", "s3")
        .env("RCLONE_CONFIG_HERE_PROVIDER", "Other")
        .env("RCLONE_CONFIG_HERE_ENDPOINT", server.url())
        .env("RCLONE_CONFIG_HERE_LIST_VERSION", "2")
        .envs([("RCLONE_CONFIG_HERE_ACCESS_KEY_ID", "x")])
        .envs([("RCLONE_CONFIG_HERE_SECRET_ACCESS_KEY", "x")])
        .env("RCLONE_CONFIG", "/dev/null")
        // Its S3 library refuses to work beside another bundle of authorities.
        .env_remove("AWS_CA_BUNDLE");
    command
}

/// Runs a program to its end; `None` when it is not installed.
fn measured(mut command: Command) -> Option<Value> {
    let before = children_secs();
    let began = Instant::now();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let looking = std::thread::spawn(move || {
        let mut most = 0;
        while let Ok(text) = fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let Some(kib) = line.and_then(|rest| rest.trim().strip_suffix(" kB")) else { break };
            most = most.max(kib.trim().parse::<u64>().unwrap_or(0));
            std::thread::sleep(LOOK_EVERY);
        }
        most
    });
    let output = child.wait_with_output().expect("it ends");
    let wall = began.elapsed().as_secs_f64();
    let memory = looking.join().expect("it looks to the end");
    Some(json!({
        "wall_secs": wall,
        "cpu_secs": children_secs() - before,
        "memory_mib": memory as f64 / 1024.0,
        "found": found(&output.stdout, &output.stderr),
    }))
}

/// What it found: our sum, or the count in rclone's last words.
fn found(stdout: &[u8], stderr: &[u8]) -> Value {
    if let Ok(summary) = serde_json::from_slice::<Value>(stdout) {
        let count = |name: &str| summary[name].as_u64().unwrap_or(0);
        return json!(count("missing") + count("extra") + count("different"));
    }
    let text = String::from_utf8_lossy(stderr).into_owned();
    let line = text.lines().find(|line| line.contains("differences found"));
    json!(line.and_then(|line| {
        line.split_whitespace().rev().nth(2).and_then(|word| word.parse::<u64>().ok())
    }))
}

/// The processor time of all children that have ended.
fn children_secs() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(13).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}
