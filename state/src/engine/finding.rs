//! What becomes a finding of the application, and under which name it stands.

use muster_runbooks::{action::Action, name::ComponentName, plan::Step};
use serde_json::Value;

use crate::{call::Done, catalog::Finding, event::ApplicationEvent};

/// The duty that a failover leaves: a lost marker would silently send users back (design §9).
pub(super) const REPROTECT: &str = "reprotect-traffic";

pub(super) fn reprotect() -> ApplicationEvent {
    ApplicationEvent::FindingOpened {
        finding: Finding {
            id: REPROTECT.to_owned(),
            message:
                "users are held at the standby by one marker object; losing it sends them back"
                    .to_owned(),
            hint: "swap the roles of the records in calm, or fail back".to_owned(),
        },
    }
}

/// What was left behind in a database stands under this name.
pub(super) fn divergence_id(database: &ComponentName) -> String {
    format!("divergence/{database}")
}

/// What an inventory found, unless it found nothing.
pub(super) fn divergence(database: &ComponentName, done: &Done) -> Option<Finding> {
    let text = |name: &str| done.outputs.get(name).and_then(Value::as_str).unwrap_or("unknown");
    let tables = done.outputs.get("tables").and_then(Value::as_array).into_iter().flatten();
    let mut said: Vec<&str> = tables.filter_map(Value::as_str).collect();
    said.push(text("canaries"));
    let what = match text("verdict") {
        "none" => return None,
        "found" => "the side that was left took rows that never arrived, or that are others here",
        _ => "nobody knows what the side that was left took and never sent",
    };
    Some(Finding {
        id: divergence_id(database),
        message: format!("`{database}`: {what}: {}", said.join("; ")),
        hint: "carry over what is still needed before the failback, and look again".to_owned(),
    })
}

pub(super) fn finding_id(step: &Step) -> String {
    let component = step.component.as_ref().map_or("application", |name| name.as_str());
    format!("{}-{component}", step.task.action)
}

/// Whether a failure of it is a finding of the application until it passes. What a restored copy
/// lacks is no trouble of the source.
pub(super) fn stands_until_it_passes(action: &Action) -> bool {
    if let Action::CheckSql(check) = action {
        return !check.is_of_restored();
    }
    matches!(
        action,
        Action::CheckReplication(_)
            | Action::WriteCanary(_)
            | Action::CompareBuckets(_)
            | Action::CheckBucketReplication(_)
    )
}
