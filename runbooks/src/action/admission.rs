//! Actions that let users in by and by.

use super::{ComponentKind, Description, On, Role, action, workload::context};
use crate::{
    application::{Component, Workload, admission::Admission},
    shell::{command, word},
};

/// The annotation that says which run limits an ingress, how far it is, and what stood there before.
pub const ADMITTED_BY: &str = "muster/admitted-by";

action! {
    /// Lets few users in at a side, as the first stage of its `admission` says, before they are sent there.
    LimitAdmission = "limit-admission", SetLike, on: &[ComponentKind::Workloads], needs_active: false, global: false,
    with {
        /// The side whose ingress is limited.
        at: Role,
    }
    gives {
        /// What the ingress admits now.
        admits: String,
    }
}

action! {
    /// Lets more users in at a side, stage by stage, until its ingress admits what it did before it was limited.
    RaiseAdmission = "raise-admission", SetLike, on: &[ComponentKind::Workloads], needs_active: false, global: false,
    with {
        /// The side whose ingress is opened.
        at: Role,
    }
    gives {
        /// What the ingress admits now.
        admits: String,
    }
}

impl LimitAdmission {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        describe(on, self.at, |admission| {
            let first = admission.stages.first().copied().unwrap_or_default();
            (format!("{} {first}", admission.annotation), vec![first.to_string()])
        })
    }
}

impl RaiseAdmission {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        describe(on, self.at, |admission| {
            let mut values: Vec<String> =
                admission.stages.iter().skip(1).map(ToString::to_string).collect();
            let all = values.iter().map(|stage| format!("{stage}, ")).collect::<String>();
            values.push("WHAT-STOOD-THERE-BEFORE".to_owned());
            (
                format!(
                    "{} {all}then as before, each for {}",
                    admission.annotation, admission.every
                ),
                values,
            )
        })
    }
}

fn describe(
    on: &On<'_>,
    at: Role,
    say: impl Fn(&Admission) -> (String, Vec<String>),
) -> Description {
    let region = on.region(at);
    let Some(workload) = on.component.and_then(Component::workload) else {
        return Description::default();
    };
    let Workload { namespace, admission: Some(admission), .. } = workload else {
        let effect = vec![format!("kubernetes {region}: none, no admission is declared")];
        return Description { effect, ..Description::default() };
    };
    let context = context(workload, region);
    let (said, values) = say(admission);
    let kubectl = command!("kubectl --context {} --namespace {}", context, namespace);
    let (ingress, key) = (word(&admission.ingress), &admission.annotation);
    let by_hand = |value: &String| {
        format!(
            "{kubectl} annotate ingress {ingress} --overwrite {}",
            word(&format!("{key}={value}"))
        )
    };
    Description {
        effect: vec![format!(
            "kubernetes {region}: annotate ingress {} of {namespace} in {context}: {said}",
            admission.ingress
        )],
        by_hand: values.iter().map(by_hand).collect(),
        permissions: Vec::new(),
    }
}
