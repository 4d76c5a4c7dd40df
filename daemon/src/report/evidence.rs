//! Part 8: where each statement can be looked up, and how somebody else checks it.

use jiff::Timestamp;
use muster_state::event::{Event, Record};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{List, facts::Facts};

/// The most streams that are listed.
const STREAMS_MAX: usize = 200;

/// Where each statement can be looked up.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Evidence {
    /// The records that the report was made of, stream by stream.
    pub streams: List<Range>,
    /// The number behind the last record of the journal when the report was made.
    pub journal_end: u64,
    /// The link of the journal's hash chain there: it covers every record before. Nothing where it could
    /// not be read.
    pub journal_hash: Option<String>,
    /// Who may check all this, and how.
    pub how_to_verify: Vec<String>,
}

/// The records of one stream.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Range {
    /// The stream, as the export of the journal names it.
    pub stream: String,
    /// What was taken from it.
    pub what: String,
    /// The first record.
    pub first: Mark,
    /// The last record.
    pub last: Mark,
    /// How many there are.
    pub records: usize,
    /// Whether there are more that were not read.
    pub cut: bool,
}

/// One record.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Mark {
    /// Its number in the journal.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What sort of fact, as the export of the journal names it.
    pub kind: String,
}

impl Evidence {
    /// The evidence behind some facts.
    pub fn make(facts: &Facts<'_>) -> Evidence {
        let run = range("the run", &facts.run.records, false);
        let children = facts.children.iter().filter_map(|child| {
            let one = child.facts.as_ref().ok()?;
            range(&format!("the run that `{}` started", child.step), &one.records, false)
        });
        let meanwhile = &facts.around.meanwhile;
        let meanwhile = range("the application, during the run", &meanwhile.records, meanwhile.cut);
        let schedules = facts.around.schedules.iter().filter_map(|one| {
            range("what was due, since the period began", &one.part.records, one.part.cut)
        });
        let all = run.into_iter().chain(children).chain(meanwhile).chain(schedules);
        let head = &facts.around.head;
        Evidence {
            streams: List::first(STREAMS_MAX, all),
            journal_end: head.end,
            journal_hash: head.hash.clone(),
            how_to_verify: how(head.end, head.hash.as_deref()),
        }
    }
}

fn range(what: &str, records: &[Record], cut: bool) -> Option<Range> {
    let (first, last) = (records.first()?, records.last()?);
    Some(Range {
        stream: first.stream.to_string(),
        what: what.to_owned(),
        first: mark(first),
        last: mark(last),
        records: records.len(),
        cut,
    })
}

fn mark(record: &Record) -> Mark {
    Mark { seq: record.seq, at: record.at, kind: kind(&record.event) }
}

/// The name of a fact as the journal writes it, such as `run/admitted` or `run/step/started`.
fn kind(event: &Event) -> String {
    // Variants are objects with one key, or a word: the subject, the fact, and for a step its change.
    fn name(at: &Value) -> Option<(&str, &Value)> {
        match at {
            Value::Object(one) if one.len() == 1 => {
                one.iter().next().map(|(name, inside)| (name.as_str(), inside))
            }
            Value::String(name) => Some((name, &Value::Null)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        }
    }
    let said = serde_json::to_value(event).unwrap_or_default();
    let Some((subject, inside)) = name(&said) else { return "unknown".to_owned() };
    let Some((fact, inside)) = name(inside) else { return subject.to_owned() };
    match inside.get("change").and_then(name) {
        Some((change, _)) => format!("{subject}/{fact}/{change}"),
        None => format!("{subject}/{fact}"),
    }
}

fn how(end: u64, hash: Option<&str>) -> Vec<String> {
    let link = match hash {
        Some(hash) => format!(
            "The line of the commit that ends in front of record {end} bears the hash {hash}."
        ),
        None => format!("The link of the chain in front of record {end} could not be read."),
    };
    vec![
        "Anybody who has this file and the public key can verify it, without a network and without Muster's \
         daemon: `muster report verify FILE --key PUBLICKEY`. The key comes from whoever runs Muster, on \
         another way than this file; what the file itself names as its key proves nothing."
            .to_owned(),
        "Other programs can do the same: it is a DSSE envelope with an Ed25519 signature.".to_owned(),
        "Whoever may read the state directory holds the records against this report: `muster state export \
         DIR FILE` writes every commit on a line with its hash, which is SHA-256 over the hash before it and \
         the bytes of the commit; `muster state verify DIR` checks the chain."
            .to_owned(),
        link,
    ]
}
