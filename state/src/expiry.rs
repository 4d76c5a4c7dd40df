//! What an expiry says of what it judged: which points go, which stay, and why.

use jiff::Timestamp;
use muster_runbooks::{application::Retention, value::Span};
use serde_json::json;

use crate::{
    call::{Call, Done},
    catalog::{Judged, PointChange, RecoveryPoint, judge},
};

/// The most points that are told of one by one.
const LINES_MAX: usize = 200;

impl Call {
    /// Judges recovery points as of when this was asked, for the application as it is.
    pub fn judge(
        &self,
        points: &[&RecoveryPoint],
        available: &dyn Fn(&str) -> bool,
        retention: &Retention,
        now: Timestamp,
    ) -> Judged {
        judge(points, available, retention, self.moving.as_ref(), now)
    }

    /// Why nothing is marked or deleted now, if that is so.
    pub fn why_nothing_goes(&self) -> Option<String> {
        let run = self.moving.as_ref()?;
        Some(format!("run `{run}` is moving the application: nothing is marked or deleted"))
    }
}

/// The end of a marking.
pub fn marking(
    call: &Call,
    points: &[&RecoveryPoint],
    judged: &Judged,
    retention: &Retention,
    now: Timestamp,
) -> Done {
    let point = |id: &str| points.iter().find(|point| point.id == id);
    let age = |id: &str| {
        let data_time = point(id).map(|point| point.data_time).filter(|at| *at <= now);
        data_time.map_or("of unknown age".to_owned(), |at| {
            let secs = u32::try_from(Span::between(at, now).secs()).unwrap_or(u32::MAX);
            format!("data of {at}, {} old", Span::from_secs(secs))
        })
    };
    let limit =
        |id: &str| retention.keep_for(point(id).map(|point| point.purpose).unwrap_or_default());
    let told = |ids: &[String]| {
        cut(ids.iter().map(|id| format!("{id}: {}, kept for {}", age(id), limit(id))).collect())
    };
    let kept = judged.kept.iter().map(|(id, why)| {
        let mut why: Vec<String> = why.iter().map(ToString::to_string).collect();
        let holds = point(id).map(|point| point.holds.as_slice()).unwrap_or_default();
        why.extend(
            holds.iter().map(|hold| format!("`{}` by {}: {}", hold.name, hold.by, hold.reason)),
        );
        format!("{id}: {}", why.join(", "))
    });
    let waiting =
        judged.waiting.iter().map(|id| format!("{id}: marked, and waits for its day to pass"));
    let because = |id: &String| format!("its data is older than {}", limit(id));
    let marks = judged.mark.iter();
    Done {
        points: marks
            .map(|id| PointChange::Marked { id: id.clone(), because: because(id) })
            .collect(),
        notes: call.why_nothing_goes().into_iter().collect(),
        ..Done::with([
            ("marked", json!(judged.mark.len())),
            ("kept", json!(judged.kept.len())),
            ("marks", json!(told(&judged.mark))),
            ("deletes", json!(told(&judged.delete))),
            ("keeps", json!(cut(kept.chain(waiting).collect()))),
        ])
    }
}

fn cut(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}
