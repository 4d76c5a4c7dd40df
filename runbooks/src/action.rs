//! What a step can do: a closed list of actions, each with typed parameters and named outputs.
//!
//! An action makes one kind of mutating call at most, so that the journal never has to guess which
//! half happened. Its description (what preview prints, the command to do it by hand, the
//! permissions it needs) stands beside its parameters, in one file per group.

pub mod admission;
pub mod backup;
pub mod bucket;
pub mod build;
pub mod cache;
pub mod check;
pub mod child;
pub mod control;
pub mod custom;
pub mod database;
pub mod divergence;
pub mod drill;
pub mod expiry;
pub mod hook;
pub mod lease;
pub mod node;
pub mod objects;
pub mod rebuild;
pub mod restore;
pub mod sql;
pub mod traffic;
pub mod vault;
pub mod worker;
pub mod workload;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    application::{Application, Component},
    name::Region,
    value::{Kind, words},
};

words! {
    /// A side of the application, bound to a region when the plan is made. Runbooks name roles, so
    /// that one runbook serves failover, failback and drill.
    Role {
        /// Where the application is served and written now: observed, never configured.
        Active = "active",
        /// The other region.
        Standby = "standby",
    }
}

words! {
    /// Who keeps recovery points: one of the application's sides, or another account. Its first words are
    /// those of [`Role`].
    Keeper {
        /// The side where the application is served and written now.
        Active = "active",
        /// The other side.
        Standby = "standby",
        /// The account that a database names as its `vault`.
        Vault = "vault",
    }
}

impl Keeper {
    /// The side, if it is one.
    pub fn role(self) -> Option<Role> {
        match self {
            Keeper::Active => Some(Role::Active),
            Keeper::Standby => Some(Role::Standby),
            Keeper::Vault => None,
        }
    }
}

/// What doing an action twice does, and with it how the engine may repeat it (design §3.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Happens inside Muster: waits, approvals, gates, windows. No call leaves the process.
    Inside,
    /// Reads only. Repeating it is harmless.
    Reads,
    /// The outside object bears our token: finding it is success, ours or an earlier try's.
    Named,
    /// Setting it again is harmless, and a world that is already so was not made so by this run:
    /// the attempt is aimed first, so that a stranger's hand is noticed.
    SetLike,
    /// Sending it again sends it again, and that is bearable (a page, a message).
    Repeatable,
    /// A second call acts a second time. Aimed first, never begun twice.
    Once,
}

impl Reach {
    /// Whether the state before must be on disk before the first begin.
    pub fn aims(self) -> bool {
        matches!(self, Reach::SetLike | Reach::Once)
    }

    /// Whether it changes anything outside that a person would have to undo.
    pub fn mutates(self) -> bool {
        matches!(self, Reach::Named | Reach::SetLike | Reach::Once)
    }
}

/// One parameter or output, as the checker, the schema and the reference see it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in the file.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub about: &'static str,
}

/// Everything about an action that does not depend on one step's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The word after `do:`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// What doing it twice does.
    pub reach: Reach,
    /// The kinds of components it works on, one component a step; none works on the application as a
    /// whole.
    pub on: &'static [ComponentKind],
    /// Its parameters.
    pub parameters: &'static [Field],
    /// Its outputs.
    pub outputs: &'static [Field],
    /// Whether it needs the region that is active when the plan is made to answer.
    pub needs_active: bool,
    /// Whether it calls a global control plane, which must not stand in a failover (facts §5.1).
    pub global: bool,
}

impl Spec {
    /// Whether what it makes is drill-owned: named so, and never kept.
    pub fn is_drill_owned(&self) -> bool {
        restore::MAKE.contains(&self.name)
    }
}

words! {
    /// The kinds of components that `each:` expands over.
    ComponentKind {
        /// Aurora global databases.
        Databases = "databases",
        /// Replicated buckets.
        Buckets = "buckets",
        /// Caches; most steps leave those out that fill themselves again.
        Caches = "caches",
        /// Namespaces in Kubernetes.
        Workloads = "workloads",
        /// Whole applications: those that are served from the region that a request names.
        Applications = "applications",
    }
}

/// What an action works on, once a plan has bound it to an application.
#[derive(Clone, Copy, Debug)]
pub struct On<'a> {
    /// The application as it was configured when the plan was made.
    pub application: &'a Application,
    /// The region behind the role `active`.
    pub active: &'a Region,
    /// The region behind the role `standby`.
    pub standby: &'a Region,
    /// The component of a step under `each:`.
    pub component: Option<&'a Component>,
    /// The name the outside work bears.
    pub token: &'a str,
}

impl<'a> On<'a> {
    /// The region behind a role.
    pub fn region(&self, role: Role) -> &'a Region {
        match role {
            Role::Active => self.active,
            Role::Standby => self.standby,
        }
    }

    /// The region on the other side of a role's.
    pub fn across(&self, role: Role) -> &'a Region {
        match role {
            Role::Active => self.standby,
            Role::Standby => self.active,
        }
    }
}

/// What preview and the page of commands print about one step.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Description {
    /// The outside calls, one line each, with their real arguments.
    pub effect: Vec<String>,
    /// The exact commands by which a person does the same.
    pub by_hand: Vec<String>,
    /// The IAM actions that the calls need.
    pub permissions: Vec<String>,
}

/// The outputs of a step: named, typed as the action declares them.
pub type Outputs = BTreeMap<String, Value>;

/// Declares an action: its parameters as a struct, its description as a [`Spec`].
macro_rules! action {
    (
        $(#[doc = $doc:literal])+
        $name:ident = $word:literal, $reach:ident, on: $on:expr, needs_active: $needs:literal, global: $global:literal,
        with { $( $(#[doc = $pdoc:literal])+ $param:ident : $ptype:ty, )* }
        gives { $( $(#[doc = $odoc:literal])+ $out:ident : $otype:ty, )* }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, serde::Deserialize, Eq, PartialEq, serde::Serialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $( $(#[doc = $pdoc])+ pub $param: $ptype, )*
        }

        impl $name {
            /// What the checker, the engine and the reference know about this action.
            pub const SPEC: $crate::action::Spec = $crate::action::Spec {
                name: $word,
                about: concat!($($doc),+),
                reach: $crate::action::Reach::$reach,
                on: $on,
                needs_active: $needs,
                global: $global,
                parameters: &[$($crate::action::Field {
                    name: stringify!($param),
                    kind: <$ptype as $crate::value::Parameter>::KIND,
                    required: <$ptype as $crate::value::Parameter>::REQUIRED,
                    about: concat!($($pdoc),+),
                }),*],
                outputs: &[$($crate::action::Field {
                    name: stringify!($out),
                    kind: <$otype as $crate::value::Parameter>::KIND,
                    required: true,
                    about: concat!($($odoc),+),
                }),*],
            };
        }
    };
}
pub(crate) use action;

macro_rules! actions {
    // What happens inside Muster is marked `@inside`.
    ($($(@$inside:ident)? $group:ident :: $name:ident,)+) => {
        /// One step's work with its arguments filled in.
        #[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
        #[serde(tag = "do", content = "with", rename_all = "kebab-case")]
        pub enum Action {
            $(
                #[doc = concat!("See [`", stringify!($group), "::", stringify!($name), "`].")]
                $name($group::$name),
            )+
        }

        /// One step's work that happens inside Muster: no call leaves the process.
        #[derive(Clone, Copy, Debug)]
        pub enum Inside<'a> {
            $($(
                #[doc = concat!("See [`", stringify!($group), "::", stringify!($name), "`], done ", stringify!($inside), ".")]
                $name(&'a $group::$name),
            )?)+
        }

        impl Action {
            /// The actions that happen inside Muster, by name.
            pub const INSIDE: &'static [&'static str] = &[$($({
                const _: &str = stringify!($inside);
                $group::$name::SPEC.name
            },)?)+];

            /// The work, if it happens inside Muster.
            pub fn inside(&self) -> Option<Inside<'_>> {
                $($(if let Action::$name(action) = self {
                    const _: &str = stringify!($inside);
                    return Some(Inside::$name(action));
                })?)+
                None
            }

            /// The specifications of all actions, in the order of the reference.
            pub const SPECS: &'static [Spec] = &[$($group::$name::SPEC,)+];

            /// The specification of this action.
            pub fn spec(&self) -> &'static Spec {
                match self { $(Action::$name(_) => const { &$group::$name::SPEC },)+ }
            }

            /// What it would do to `on`, how a person would do it, and what it needs.
            pub fn describe(&self, on: &On<'_>) -> Description {
                match self { $(Action::$name(action) => action.describe(on),)+ }
            }

            /// Builds the action called `name` out of resolved arguments.
            pub fn build(name: &str, with: Value) -> Result<Action, BadAction> {
                let built = match name {
                    $(word if word == $group::$name::SPEC.name => serde_json::from_value(with).map(Action::$name),)+
                    _ => return Err(BadAction::Unknown { name: name.to_owned() }),
                };
                built.map_err(|source| BadAction::Arguments { name: name.to_owned(), source })
            }
        }
    };
}

actions! {
    backup::SnapshotDatabase,
    backup::CopySnapshot,
    expiry::MarkExpired,
    expiry::DeleteExpired,
    bucket::CompareBuckets,
    bucket::CheckBucketReplication,
    build::RunBuild,
    cache::SnapshotCache,
    cache::FailoverCache,
    cache::FlushCache,
    cache::FailoverCacheInRegion,
    check::CheckReadiness,
    check::PredictLoss,
    check::CheckObservers,
    check::CheckReplication,
    check::CheckActive,
    check::WriteCanary,
    check::Probe,
    drill::CheckAlarms,
    @inside drill::CheckCalendar,
    sql::CheckSql,
    sql::CheckRestored,
    divergence::InventoryDivergence,
    database::Fence,
    database::SwitchoverDatabase,
    database::FailoverDatabase,
    database::FailoverInRegion,
    hook::RunHooks,
    lease::TakeWriteLease,
    objects::ExportObjects,
    objects::ApplyObjects,
    rebuild::CheckSecrets,
    rebuild::RestoreDatabase,
    rebuild::StartDatabaseInstance,
    rebuild::MakeGlobalCluster,
    restore::ChoosePoint,
    restore::RestoreCluster,
    restore::RotatePassword,
    restore::StartInstance,
    restore::RemoveInstance,
    restore::RemoveCluster,
    @inside restore::StampPoint,
    restore::FindLeaks,
    traffic::ShiftTraffic,
    traffic::WeighTraffic,
    vault::ShareSnapshot,
    vault::CopyToVault,
    vault::UnshareSnapshot,
    worker::SuspendWorkers,
    worker::ResumeWorkers,
    workload::ScaleWorkload,
    workload::RestartWorkload,
    node::ReplaceLostPods,
    admission::LimitAdmission,
    admission::RaiseAdmission,
    @inside control::Approval,
    @inside control::Wait,
    @inside control::Gate,
    @inside control::OpenWindow,
    @inside control::CloseWindow,
    @inside child::StartRun,
    @inside child::MoveApplication,
    control::Notify,
    control::Rehearse,
    custom::CallHttp,
    custom::RunJob,
}

/// Why arguments do not make an action.
#[derive(Debug, thiserror::Error)]
pub enum BadAction {
    /// No action has this name.
    #[error("no action is called `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The arguments are not those of the action.
    #[error("the arguments of `{name}` do not fit")]
    Arguments {
        /// The action.
        name: String,
        /// What does not fit.
        source: serde_json::Error,
    },
}

/// The specification of the action called `name`.
pub fn spec(name: &str) -> Option<&'static Spec> {
    BY_NAME.get(name).copied()
}

static BY_NAME: LazyLock<BTreeMap<&str, &Spec>> =
    LazyLock::new(|| Action::SPECS.iter().map(|spec| (spec.name, spec)).collect());

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is marked as done inside Muster is what its specification says so of.
    #[test]
    fn inside_is_inside() {
        let said = Action::SPECS.iter().filter(|spec| spec.reach == Reach::Inside);
        assert_eq!(Action::INSIDE, said.map(|spec| spec.name).collect::<Vec<_>>());
    }
}
