//! Findings that come and go as a whole: what restore tests left behind.

use muster_runbooks::action::Action;

use super::Engine;
use crate::{
    catalog::Finding,
    event::{ApplicationEvent, Entry, Event, Stream},
    run::Run,
};

/// What the ids of findings about leaks begin with.
pub const LEAK: &str = "leak-";

impl Engine {
    /// What a complete look for leaks says: each that is there is a finding, and each that is no longer
    /// there is none.
    pub(super) fn leaks(
        &self,
        run: &Run,
        action: &Action,
        found: Vec<Finding>,
    ) -> Vec<ApplicationEvent> {
        if !matches!(action, Action::FindLeaks(_)) {
            return Vec::new();
        }
        let state = run.application().and_then(|name| self.known.applications.get(name));
        let standing = state.into_iter().flat_map(|state| state.findings.keys());
        let is_over = |id: &&String| id.starts_with(LEAK) && found.iter().all(|one| one.id != **id);
        let closed: Vec<ApplicationEvent> = standing
            .filter(is_over)
            .map(|id| ApplicationEvent::FindingClosed { id: id.clone() })
            .collect();
        let opened = found.into_iter().map(|finding| ApplicationEvent::FindingOpened { finding });
        closed.into_iter().chain(opened).collect()
    }

    /// Whether an entry closes a finding that does not stand: nothing happened, so it is no fact.
    pub(super) fn closes_nothing(&self, entry: &Entry) -> bool {
        let Stream::Application(name) = &entry.stream else { return false };
        let Event::Application(ApplicationEvent::FindingClosed { id }) = &entry.event else {
            return false;
        };
        let state = self.known.applications.get(name);
        !state.is_some_and(|state| state.findings.contains_key(id))
    }
}
