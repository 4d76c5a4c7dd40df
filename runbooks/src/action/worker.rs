//! Actions on what may run on one side only: cron jobs and consumers that would do everything twice, or
//! write to a side that is no longer the one (facts §7, rule 5).

use super::{ComponentKind, Description, On, Role, action, workload::context};
use crate::{
    application::{Component, Controller, ControllerKind},
    value::Span,
};

/// The annotation under which the number of replicas of a stopped set stands. `suspended` stands there for
/// a cron job, which has none.
pub const REMEMBERED: &str = "muster/before-suspension";

action! {
    /// Stops the workers of a namespace: cron jobs are suspended, sets are scaled to none and remember how
    /// many they were. Waits until none of their pods is left.
    SuspendWorkers = "suspend-workers", SetLike, on: &[ComponentKind::Workloads], needs_active: false, global: false,
    with {
        /// The side whose workers stop.
        at: Role,
    }
    gives {
        /// The workers that stand still now.
        stopped: Vec<String>,
        /// How long it took.
        took: Span,
    }
}

impl SuspendWorkers {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        describe(on, self.at, "stop", |kubectl, worker| {
            let Controller { kind, name } = worker;
            match kind {
                ControllerKind::CronJob => {
                    vec![format!(
                        "{kubectl} patch cronjob {name} --type merge -p '{{\"spec\":{{\"suspend\":true}}}}'"
                    )]
                }
                ControllerKind::Deployment | ControllerKind::StatefulSet => {
                    let replicas =
                        format!("$({kubectl} get {kind} {name} -o jsonpath={{.spec.replicas}})");
                    vec![
                        format!(
                            "{kubectl} annotate {kind} {name} --overwrite {REMEMBERED}={replicas}"
                        ),
                        format!("{kubectl} scale {kind} {name} --replicas 0"),
                    ]
                }
            }
        })
    }
}

action! {
    /// Starts the workers of a namespace: cron jobs are no longer suspended, sets get back what they were,
    /// or what the source had at its strongest, or what the file declares, whichever is most.
    ResumeWorkers = "resume-workers", SetLike, on: &[ComponentKind::Workloads], needs_active: false, global: false,
    with {
        /// The side whose workers start.
        at: Role,
    }
    gives {
        /// The workers that run now.
        running: Vec<String>,
        /// How long it took.
        took: Span,
    }
}

impl ResumeWorkers {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        describe(on, self.at, "start", |kubectl, worker| {
            let Controller { kind, name } = worker;
            match kind {
                ControllerKind::CronJob => {
                    vec![format!(
                        "{kubectl} patch cronjob {name} --type merge -p '{{\"spec\":{{\"suspend\":false}}}}'"
                    )]
                }
                ControllerKind::Deployment | ControllerKind::StatefulSet => vec![
                    format!("{kubectl} scale {kind} {name} --replicas N"),
                    format!("{kubectl} annotate {kind} {name} {REMEMBERED}-"),
                ],
            }
        })
    }
}

/// The same of every worker, one after the other.
fn describe(
    on: &On<'_>,
    at: Role,
    verb: &str,
    by_hand: impl Fn(&str, &Controller) -> Vec<String>,
) -> Description {
    let region = on.region(at);
    let Some(workload) = on.component.and_then(Component::workload) else {
        return Description::default();
    };
    let context = context(workload, region);
    let kubectl = format!("kubectl --context {context} --namespace {}", workload.namespace);
    let effect = workload.workers.iter().map(|worker| {
        format!("kubernetes {region}: {verb} {worker} of {} in {context}", workload.namespace)
    });
    Description {
        effect: effect.collect(),
        by_hand: workload.workers.iter().flat_map(|one| by_hand(&kubectl, one)).collect(),
        permissions: Vec::new(),
    }
}
