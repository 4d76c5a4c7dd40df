//! The command line against a running daemon: what it prints, and how it exits.

use std::{
    io::{Cursor, Write},
    sync::{Arc, Mutex},
};

use clap::Parser;
use muster::cli::{Cli, Exit, Terminal, Verb, carry_out};
use muster_state::journal::Journal;

use super::house::{House, token};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

pub(super) struct Said {
    pub(super) exit: Exit,
    pub(super) out: String,
    pub(super) err: String,
}

/// Types a line as `by`; `answer` is what a person at the terminal types when asked.
pub(super) async fn type_at(server: &str, by: &str, line: &str, answer: Option<&str>) -> Said {
    let folder = std::env::temp_dir().join(format!("muster-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(by);
    std::fs::write(&file, token(by)).unwrap();
    let file = file.display().to_string();
    let mut words = vec!["muster", "--server", server, "--token-file", &file];
    let line: Vec<String> =
        line.split(' ').map(|word| word.replace('_', " ").replace('\u{1}', "_")).collect();
    words.extend(line.iter().map(String::as_str));
    let cli = Cli::try_parse_from(words).unwrap();
    let (out, err) = (Paper::default(), Paper::default());
    let answer = answer.map(|text| {
        let answer: Box<dyn std::io::BufRead + Send> = Box::new(Cursor::new(format!("{text}\n")));
        answer
    });
    let output = cli.global.output;
    let mut terminal = Terminal::into(Box::new(out.clone()), Box::new(err.clone()), answer, output);
    let Verb::Client(verb) = cli.verb else { panic!("{line:?} is not carried out here") };
    let exit = carry_out(verb, &cli.global, &mut terminal).await;
    Said { exit, out: out.text(), err: err.text() }
}

fn run_of(out: &str) -> String {
    out.split_whitespace().nth(1).unwrap().to_owned()
}

/// Goal: a person carries a failover through with the command line alone, told at each point what to
/// type next.
/// Method: run, status, approve (no, then yes), watch, as two people; the answers are read.
#[tokio::test]
async fn a_failover_by_hand() {
    let house = House::open().await;
    let url = house.url.as_str();
    let asked = "run region-failover --application covetpy --reason it_is_down --symptom-at 5m";
    let said = type_at(url, "olga", asked, None).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    let run = run_of(&said.out);
    assert!(said.out.contains(&format!("next: muster approve {run} --step approve --reason TEXT")));

    let said = type_at(url, "ana", "status", None).await;
    assert!(said.out.contains("awaiting approval") && said.out.contains(&run), "{}", said.out);
    let said = type_at(url, "ana", &format!("status {run}"), None).await;
    assert!(said.out.contains("0 of 1 approvals by role approver"), "{}", said.out);

    let approve = format!("approve {run} --reason seen_it");
    let said = type_at(url, "ana", &approve, Some("no")).await;
    assert_eq!(said.exit, Exit::No);
    assert!(
        said.out.contains("data loss     at most ") && said.out.contains("s, limit 5m"),
        "{}",
        said.out
    );
    assert!(said.out.contains("SwitchoverGlobalCluster"), "{}", said.out);
    let said = type_at(url, "ana", &approve, None).await;
    assert_eq!(said.exit, Exit::BadUse, "a script must say --yes");
    let said = type_at(url, "olga", &format!("{approve} --yes"), None).await;
    assert_eq!(
        (said.exit, said.err.contains("your role is too low")),
        (Exit::No, true),
        "{}",
        said.err
    );
    let said = type_at(url, "ana", &approve, Some("yes")).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);

    let said = type_at(url, "olga", &format!("watch {run}"), None).await;
    assert_eq!(said.exit, Exit::Done, "{}{}", said.out, said.err);
    for part in [
        "approve",
        "approved by ana: seen it",
        "recovery time:",
        "lost at most: 0s",
        "next: muster run region-failback",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}

/// Goal: a preview shows what would be done now, begins nothing, and leads to the same thing in earnest.
/// Method: a graceful and a forced preview, with an input; nothing waits for an approval.
#[tokio::test]
async fn a_preview_begins_nothing() {
    let house = House::open().await;
    let url = house.url.as_str();
    let said = type_at(url, "olga", "preview region-failover --application covetpy", None).await;
    assert_eq!(said.exit, Exit::Done, "{}{}", said.out, said.err);
    for part in [
        "[PREVIEW] region-failover of covetpy, graceful",
        "served from us-east-1; the standby is us-west-2",
        "  saw      data loss: 2s",
        "  would    approval (no call leaves muster)",
        "  would    rds us-east-1: SwitchoverGlobalCluster",
        "[data-loss]",
        "nothing was begun; every look was fine",
        "data loss predicted: 2s",
        "next: muster run region-failover --application covetpy --reason TEXT\n",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let forced = "preview region-failover --application covetpy --forced --input data_loss_max=7m";
    let said = type_at(url, "olga", &forced.replace('_', "\u{1}"), None).await;
    assert_eq!(said.exit, Exit::Done, "{}{}", said.out, said.err);
    assert!(said.out.contains("rds us-west-2: FailoverGlobalCluster"), "{}", said.out);
    let next = "muster run region-failover --application covetpy --input data_loss_max=7m --forced";
    assert!(said.out.contains(next), "{}", said.out);
    let text = serde_json::to_string(&house.shelf.read(None, 0, 10_000).unwrap()).unwrap();
    assert!(!text.contains("\"begun\"") && !text.contains("\"aimed\""), "nothing was promised");

    let json = "preview daily-backup --application covetpy --output json";
    let said = type_at(url, "olga", json, None).await;
    let view: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&view["mode"], &view["open"]), (&"preview".into(), &false.into()));
}

/// Goal: exit codes say what scripts need: 0 done, 1 no, 2 bad use, 3 not there.
/// Method: a line for each.
#[tokio::test]
async fn exit_codes() {
    let house = House::open().await;
    let url = house.url.as_str();
    let lines = [
        ("vic", "status", Exit::Done),
        ("vic", "run rehearsal --reason x", Exit::No),
        ("olga", "run nothing-such --reason x", Exit::No),
        ("olga", "run region-failover --reason x", Exit::BadUse),
        (
            "olga",
            "run region-failover --application covetpy --input data_loss_max=7 --reason x",
            Exit::BadUse,
        ),
        ("olga", "pause a00000000000 --reason x", Exit::No),
        ("olga", "status ../../etc/passwd", Exit::BadUse),
        ("olga", "off --reason x", Exit::No),
        ("adam", "off --reason x", Exit::Done),
        ("olga", "run rehearsal --reason x", Exit::No),
        ("adam", "on --reason x", Exit::Done),
        ("olga", "run rehearsal --reason x", Exit::Done),
        ("olga", "backups covetpy", Exit::No),
        ("olga", "lint --schema", Exit::Done),
        ("olga", "token", Exit::Done),
        ("olga", "plan region-failover --forced", Exit::BadUse),
        ("olga", "completions bash", Exit::Done),
    ];
    for (by, line, exit) in lines {
        let said = type_at(url, by, line, None).await;
        assert_eq!(said.exit, exit, "{by}: {line}\n{}{}", said.out, said.err);
        assert!(said.exit == Exit::Done || !(said.err.is_empty() && said.out.is_empty()), "{line}");
        assert!(!said.err.contains("token-of-"));
    }
    let nobody = "http://127.0.0.1:1";
    assert_eq!(type_at(nobody, "olga", "status", None).await.exit, Exit::Unreachable);
    let far = type_at("http://muster.example", "olga", "status", None).await;
    assert_eq!(far.exit, Exit::BadUse, "a token does not travel in clear text");
}

/// Goal: programs read the same as people.
/// Method: JSON output is one document that parses, and says nothing else.
#[tokio::test]
async fn json_for_programs() {
    let house = House::open().await;
    let url = house.url.as_str();
    let said = type_at(url, "olga", "run rehearsal --reason x --output json", None).await;
    let run: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let run = run["run"].as_str().unwrap().to_owned();
    let said =
        type_at(url, "olga", &format!("done {run} crash-now --reason seen --output json"), None)
            .await;
    let done: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(done["status"], "succeeded", "{done}");
    for line in ["status", "status RUN", "backups covetpy", "lint deploy"] {
        let line = line
            .replace("RUN", &run)
            .replace("deploy", concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/covetpy"));
        let said = type_at(url, "olga", &format!("{line} --output json"), None).await;
        let _: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    }
    for (server, line, word) in [
        (url, "status nothing-such1", "bad-name"),
        (url, "status ../etc", "bad-use"),
        ("http://127.0.0.1:1", "status", "unreachable"),
    ] {
        let said = type_at(server, "olga", &format!("{line} --output json"), None).await;
        let problem: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(problem["type"], format!("urn:muster:problem:{word}"), "{line}: {problem}");
    }
}
