//! What becomes a finding of the application, and under which name it stands.

use muster_runbooks::{action::Action, plan::Step};

use crate::{catalog::Finding, event::ApplicationEvent};

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
