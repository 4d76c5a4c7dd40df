//! The action on what a lost node takes along: pods that nothing would replace for five minutes start anew on
//! other nodes.

use super::{
    ComponentKind, Description, On, Role, action,
    workload::{CAPACITY_WITHIN, context},
};
use crate::{
    application::{Component, Workload},
    shell::command,
    value::Span,
};

/// A node that is not ready for so long is lost. Its controller says so only when it has heard nothing of it for a
/// grace period (40 s, and 50 s since Kubernetes 1.32); as long again without a word is no kubelet that was
/// started anew, and no short break of the network.
pub const LOST_FOR: Span = Span::from_secs(40);

action! {
    /// Deletes the pods of replica sets that stand on lost nodes, so that others start at once elsewhere, and waits
    /// until every wanted replica of the namespace is available. Pods of stateful sets are left alone: two could
    /// write to one volume, and whether the node is off is for a person to prove.
    ReplaceLostPods = "replace-lost-pods", SetLike, on: &[ComponentKind::Workloads], needs_active: false, global: false,
    with {
        /// The side whose pods are replaced.
        at: Role,
        /// A node that is not ready for so long is lost, and so is one whose object is gone. Forty seconds when
        /// nothing is said: the grace period after which its controller calls it not ready at all.
        lost_for: Option<Span>,
        /// Pods that no node has room for so long make the step fail: it is capacity that is missing. Two
        /// minutes when nothing is said.
        capacity_within: Option<Span>,
    }
    gives {
        /// How many pods were replaced.
        replaced: u32,
        /// The lost nodes on which pods of the namespace stood.
        nodes: Vec<String>,
        /// How long it took.
        took: Span,
    }
}

impl ReplaceLostPods {
    /// For how long a node must not have been ready.
    pub fn lost_for(&self) -> Span {
        self.lost_for.unwrap_or(LOST_FOR)
    }

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
        let kubectl = command!("kubectl --context {}", context);
        let inside = command!("kubectl --context {} --namespace {}", context, namespace);
        Description {
            effect: vec![
                format!(
                    "kubernetes {region}: delete the pods of replica sets of {namespace} in {context} that stand on \
                     nodes which are not ready for {}",
                    self.lost_for()
                ),
                format!(
                    "kubernetes {region}: leave the pods of stateful sets of {namespace} where they are"
                ),
            ],
            // A pod on a dead node never says that it has ended, so nobody waits for that.
            by_hand: vec![
                format!("{kubectl} get nodes"),
                format!("{inside} get pods -o wide"),
                format!("{inside} delete pod NAME --wait=false"),
                format!("{inside} rollout status deployment NAME"),
            ],
            permissions: Vec::new(),
        }
    }
}
