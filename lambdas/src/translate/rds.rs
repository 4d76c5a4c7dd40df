//! RDS said something about a cluster snapshot.

use muster_runbooks::{
    message::{Kind, Message, Source, VERSION},
    value::Span,
};

use super::{Event, NotOurs, at, cut, expiry, resource, text};
use crate::settings::Rules;

/// A nudge that is older helps nobody: whatever waits has been polled many times since.
const AGE_MAX: Span = Span::from_hours(1);

/// A snapshot is done, by hand or by RDS: whoever waits for one looks sooner. Nothing else of the
/// event is used; there are snapshots whose events never come, and the other way round (facts §1.7).
pub(super) fn cluster_snapshot(
    event: &Event,
    source: Source,
    _rules: &Rules,
) -> Result<Message, NotOurs> {
    let detail = &event.detail;
    let id = text(detail["EventID"].as_str(), "detail.EventID")?;
    match id {
        // Manual cluster snapshot created; automated cluster snapshot created.
        "RDS-EVENT-0075" | "RDS-EVENT-0169" => {}
        _ => return Err(NotOurs::EventId { id: cut(id) }),
    }
    let arn = text(detail["SourceArn"].as_str(), "detail.SourceArn")?;
    let name = resource(arn, "rds", &source)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':');
    if !name.starts_with("cluster-snapshot:") || name.len() > 280 || !name.bytes().all(fits) {
        return Err(NotOurs::Field { field: "detail.SourceArn" });
    }
    let date = &detail["Date"];
    let field = "detail.Date";
    let said = || text(date.as_str(), field)?.parse().map_err(|_| NotOurs::Field { field });
    let at = if date.is_null() { at(event)? } else { said()? };
    Ok(Message {
        v: VERSION,
        // Every delivery through every rule and region says these three alike (facts §9).
        dedupe_key: format!("rds|{id}|{arn}|{at}"),
        kind: Kind::Nudge { about: arn.to_owned() },
        source,
        occurred_at: at,
        not_after: expiry(at, AGE_MAX, field)?,
    })
}
