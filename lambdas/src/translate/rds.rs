//! RDS said something about a cluster, an instance, a snapshot, a proxy or a parameter group.

use muster_runbooks::{
    message::{Kind, Message, Source},
    value::Span,
};

use super::{Event, NotOurs, at, cut, dated, expiry, resource, text};
use crate::settings::Rules;

/// A nudge that is older helps nobody: whatever waits has been polled many times since.
const AGE_MAX: Span = Span::from_hours(1);

/// The longest resource of an ARN: RDS names have 255 characters at most.
const RESOURCE_BYTES_MAX: usize = 280;

/// What each id means (facts §1.7). One that is not here is kept and shown with AWS's own words.
const MEANINGS: [(&str, &str); 46] = [
    ("0069", "a failover inside the region failed"),
    ("0070", "the former writer is the writer again"),
    ("0071", "a failover inside the region is completed"),
    ("0072", "a failover inside one zone has started"),
    ("0073", "a failover to another zone has started"),
    ("0074", "a manual cluster snapshot is being created"),
    ("0075", "a manual cluster snapshot is created"),
    ("0150", "the cluster is stopped"),
    ("0151", "the cluster is started"),
    ("0152", "the cluster could not be stopped"),
    ("0153", "the cluster was stopped for too long and is started by AWS"),
    ("0162", "an export failed"),
    ("0163", "an export was cancelled"),
    ("0164", "an export is completed"),
    ("0168", "an automated cluster snapshot is being created"),
    ("0169", "an automated cluster snapshot is created"),
    ("0170", "a cluster is created"),
    ("0171", "a cluster is deleted"),
    ("0181", "a global switchover has started"),
    ("0182", "the old primary of a switchover takes no more writes"),
    ("0183", "a switchover waits for the target to catch up"),
    ("0184", "the new primary of a switchover is promoted"),
    ("0185", "a global switchover is finished"),
    ("0186", "a global switchover was cancelled"),
    ("0187", "a global switchover failed"),
    ("0234", "an export failed"),
    ("0235", "an export was cancelled"),
    ("0236", "an export is completed"),
    ("0238", "a global failover is completed"),
    ("0239", "a global failover failed"),
    ("0240", "the members of a global cluster are being built anew"),
    ("0241", "the members of a global cluster are built anew"),
    ("0385", "the topology of the cluster changed, and with it what its names lead to"),
    ("0390", "writes were blocked at the old primary: the fence is said to hold"),
    ("0391", "writes could not be blocked at the old primary in time: the fence does not hold"),
    ("0397", "the name of the global writer leads elsewhere"),
    ("0419", "the cluster's KMS key cannot be used"),
    ("0423", "the target of a switchover has caught up"),
    ("0424", "a member is newer than its global cluster"),
    ("0519", "a global failover is completed, and its new primary has no instances"),
    // Instances, as far as a failover or a restore waits for them.
    ("0004", "an instance is shut down"),
    ("0005", "an instance is created"),
    ("0006", "an instance is restarted"),
    ("0003", "an instance is deleted"),
    ("0031", "an instance has failed"),
    ("0088", "an instance is started"),
];

/// What people are to be shown, beside everything that is not known here.
const TROUBLE: [&str; 18] = [
    "0003", "0031", "0069", "0070", "0152", "0153", "0162", "0163", "0171", "0186", "0187", "0234",
    "0235", "0239", "0391", "0419", "0424", "0519",
];

/// What a resource's ARN may begin with.
const KINDS: [&str; 8] = [
    "cluster:",
    "cluster-endpoint:",
    "cluster-snapshot:",
    "cluster-pg:",
    "db:",
    "db-proxy:",
    "pg:",
    "snapshot:",
];

/// Whoever waits for something looks sooner. Nothing of the event is believed: there are ends whose
/// events never come, and the other way round (facts §1.7). A snapshot that is done says no more than
/// that; everything else also says what it was.
pub(super) fn event(event: &Event, source: Source, _rules: &Rules) -> Result<Message, NotOurs> {
    let detail = &event.detail;
    let id = text(detail["EventID"].as_str(), "detail.EventID")?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if id.len() > 32 || !id.bytes().all(fits) {
        return Err(NotOurs::Field { field: "detail.EventID" });
    }
    let arn = text(detail["SourceArn"].as_str(), "detail.SourceArn")?;
    let name = resource(arn, "rds", &source)?;
    let is_known = KINDS.iter().any(|kind| name.starts_with(kind));
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':' | b'.');
    if !is_known || name.len() > RESOURCE_BYTES_MAX || !name.bytes().all(fits) {
        return Err(NotOurs::Field { field: "detail.SourceArn" });
    }
    let field = "detail.Date";
    let date = &detail["Date"];
    let at = if date.is_null() { at(event)? } else { dated(date, field)? };
    let says = says(id, detail["Message"].as_str().unwrap_or_default());
    let kind = Kind::Nudge { about: arn.to_owned(), says, heed: is_trouble(id) };
    // Every delivery through every rule and region says these three alike (facts §9).
    let key = format!("rds|{id}|{arn}|{at}");
    Ok(Message::new(kind, key, source, at, expiry(at, AGE_MAX, field)?))
}

fn says(id: &str, message: &str) -> Option<String> {
    match id {
        // Manual cluster snapshot created; automated cluster snapshot created.
        "RDS-EVENT-0075" | "RDS-EVENT-0169" => None,
        _ => Some(match meaning(id) {
            Some(meaning) => format!("{id}: {meaning}"),
            None => format!("{id}, whose meaning is not known here: {}", cut(message)),
        }),
    }
}

fn is_trouble(id: &str) -> bool {
    let number = id.strip_prefix("RDS-EVENT-");
    meaning(id).is_none() || number.is_some_and(|number| TROUBLE.contains(&number))
}

fn meaning(id: &str) -> Option<&'static str> {
    let number = id.strip_prefix("RDS-EVENT-")?;
    MEANINGS.iter().find(|(known, _)| *known == number).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: one id has one meaning, and every id of facts §1.7 has one.
    /// Method: the table has no id twice, and the ids that decide are in it.
    #[test]
    fn every_id_has_one_meaning() {
        let ids: std::collections::BTreeSet<&str> = MEANINGS.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), MEANINGS.len());
        let exports = (162..=164).chain(234..=236);
        let moves = (181..=187).chain(238..=241).chain([423, 424, 519, 397, 385, 390, 391, 419]);
        let inside = (69..=75).chain(150..=153).chain(168..=171);
        for id in inside.chain(exports).chain(moves) {
            assert!(meaning(&format!("RDS-EVENT-{id:04}")).is_some(), "{id}");
        }
        for id in TROUBLE.map(|number| format!("RDS-EVENT-{number}")) {
            assert!(meaning(&id).is_some() && is_trouble(&id), "{id}");
        }
        assert!(is_trouble("RDS-EVENT-9999") && !is_trouble("RDS-EVENT-0390"));
        assert_eq!(says("RDS-EVENT-0075", "anything"), None);
        let unknown = says("RDS-EVENT-9999", "something\nnew").unwrap();
        assert_eq!(unknown, "RDS-EVENT-9999, whose meaning is not known here: somethingnew");
    }
}
