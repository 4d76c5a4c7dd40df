//! Actions on what runs in a namespace: it is brought to full strength where it will serve (facts §6), and
//! started anew where it holds on to a database that writes no more.

use super::{ComponentKind, Description, On, Role, action};
use crate::{
    application::{Component, Workload},
    name::Region,
    shell::command,
    value::{Span, words},
};

words! {
    /// How strong a side must be.
    Strength {
        /// As strong as the source was at its strongest in the last day, or as the file declares, whichever
        /// is more.
        SourcePeak = "source-peak",
    }
}

/// Pods that nobody can place for so long are not placed for want of room, and not of time.
pub const CAPACITY_WITHIN: Span = Span::from_mins(2);

/// The context of a workload's cluster in a region, as people type it.
pub(super) fn context<'a>(workload: &'a Workload, region: &Region) -> &'a str {
    workload.contexts.get(region.as_str()).map_or("(no context)", String::as_str)
}

action! {
    /// Brings what runs in a namespace to full strength, autoscalers included, and waits until every
    /// replica is available. Nothing is ever made smaller.
    ScaleWorkload = "scale-workload", SetLike, on: &[ComponentKind::Workloads], needs_active: false, global: false,
    with {
        /// The side whose cluster is changed.
        at: Role,
        /// How strong it must be.
        to: Strength,
        /// Pods that no node has room for so long make the step fail: it is capacity that is missing. Two
        /// minutes when nothing is said.
        capacity_within: Option<Span>,
    }
    gives {
        /// How many replicas are available now.
        replicas: u32,
        /// What was wanted of each set.
        wanted: Vec<String>,
        /// How long it took.
        took: Span,
    }
}

impl ScaleWorkload {
    /// For how long pods may find no room.
    pub fn capacity_within(&self) -> Span {
        self.capacity_within.unwrap_or(CAPACITY_WITHIN)
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let Some(workload) = on.component.and_then(Component::workload) else {
            return Description::default();
        };
        let Workload { namespace, .. } = workload;
        let context = context(workload, region);
        let kubectl = command!("kubectl --context {} --namespace {}", context, namespace);
        Description {
            effect: vec![
                format!(
                    "kubernetes {region}: scale the sets of {namespace} in {context} to the source's peak"
                ),
                format!(
                    "kubernetes {region}: raise the least that their autoscalers keep to the same"
                ),
            ],
            by_hand: vec![
                format!("{kubectl} scale deployment NAME --replicas N"),
                format!(
                    "{kubectl} patch hpa NAME --type merge -p '{{\"spec\":{{\"minReplicas\":N}}}}'"
                ),
                format!("{kubectl} rollout status deployment NAME"),
            ],
            permissions: Vec::new(),
        }
    }
}

/// The annotation of a pod's template that says which step let it start anew.
pub const RESTARTED_BY: &str = "muster/restarted-by";

action! {
    /// Lets the sets start anew that keep connections to a database that writes no more, pod by pod as
    /// their own strategy says, and waits until no old pod is left.
    RestartWorkload = "restart-workload", Named, on: &[ComponentKind::Workloads], needs_active: false, global: false,
    with {
        /// The side whose sets start anew.
        at: Role,
    }
    gives {
        /// The sets that have new pods.
        restarted: Vec<String>,
        /// How long it took.
        took: Span,
    }
}

impl RestartWorkload {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let Some(workload) = on.component.and_then(Component::workload) else {
            return Description::default();
        };
        let context = context(workload, region);
        let kubectl = format!("kubectl --context {context} --namespace {}", workload.namespace);
        let sets = || workload.restart_after_failover.iter();
        let effect = sets().map(|set| {
            format!("kubernetes {region}: restart {set} of {} in {context}", workload.namespace)
        });
        let by_hand = sets().flat_map(|set| {
            [format!("{kubectl} rollout restart {set}"), format!("{kubectl} rollout status {set}")]
        });
        Description {
            effect: effect.collect(),
            by_hand: by_hand.collect(),
            permissions: Vec::new(),
        }
    }
}
