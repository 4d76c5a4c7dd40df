//! Faults by name: what can be done to the simulated world.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    name::{ApplicationName, ComponentName, Region},
    value::Span,
};

use super::region::Lost;

/// Something that goes wrong. Those with a length of time end by themselves; the others stand until
/// they are healed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A region loses something.
    Outage {
        /// The region.
        region: Region,
        /// What it loses.
        lost: Lost,
    },
    /// The global control planes are gone: records and weights cannot be changed. Names are answered.
    GlobalControlPlane,
    /// Every call to a service is turned away for a while.
    Throttled {
        /// Such as `rds`; all when `None`.
        service: Option<&'static str>,
        /// Where; everywhere when `None`.
        region: Option<Region>,
        /// For how long.
        length: Span,
    },
    /// Calls to a region are swallowed until the client gives up. The region itself is well.
    Silence {
        /// The region.
        region: Region,
        /// For how long.
        length: Span,
    },
    /// The answers of the next changing calls are lost on their way back, or the calls on their way there.
    ReplyLost {
        /// Such as `FailoverGlobalCluster`; any changing call when `None`.
        operation: Option<&'static str>,
        /// How many calls.
        calls: u32,
        /// Whether the provider carries them out nevertheless.
        applied: bool,
    },
    /// Reads show the past, each another one.
    StaleReads {
        /// At most so long ago.
        by: Span,
        /// For how long.
        length: Span,
    },
    /// Copies stay where they are, new ones at 0 %.
    CopyStuck {
        /// For how long.
        length: Span,
    },
    /// The next snapshots and copies end as `failed`.
    SnapshotFails {
        /// How many.
        times: u32,
    },
    /// The next restored clusters and instances end as `failed`.
    RestoreFails {
        /// How many.
        times: u32,
    },
    /// The next builds fail.
    BuildFails {
        /// How many.
        times: u32,
    },
    /// What stood of an application in a region is gone: its clusters, and what was deployed there. The region
    /// itself is well.
    EnvironmentLost {
        /// The application.
        application: ApplicationName,
        /// The region.
        region: Region,
    },
    /// The next hooks of applications say no, or say nothing until their limit.
    HookFails {
        /// How many.
        times: u32,
        /// Whether they say nothing.
        hangs: bool,
    },
    /// A node of a region's cluster is lost, with a share of the pods of each workload there. Nothing but a call or
    /// the end of the fault moves them.
    NodeLost {
        /// The region.
        region: Region,
    },
    /// There is no room for another cluster or instance.
    NoCapacity {
        /// For how long.
        length: Span,
    },
    /// The key of the snapshots cannot be used.
    KeyGone {
        /// For how long.
        length: Span,
    },
    /// No call is accepted for want of credentials.
    CredentialsExpired {
        /// For how long.
        length: Span,
    },
    /// Nobody may assume a role in another account.
    VaultClosed {
        /// For how long.
        length: Span,
    },
    /// An observer reports the opposite of what is.
    ObserverLies {
        /// Its name.
        observer: ComponentName,
    },
    /// An observer does not answer, or cannot reach its own control target.
    ObserverSilent {
        /// Its name.
        observer: ComponentName,
    },
    /// Aurora's own write fence never takes hold.
    FenceFails,
    /// Somebody has turned automatic failover of a cache off, and Multi-AZ with it: it is promoted by whoever is
    /// told to.
    AutomaticFailoverOff {
        /// The application.
        application: ApplicationName,
        /// The cache.
        cache: ComponentName,
    },
    /// Somebody starts to fail a database over, without telling Muster.
    ForeignFailover {
        /// The application.
        application: ApplicationName,
        /// The database.
        database: ComponentName,
        /// The new writer's region.
        to: Region,
        /// Whether data may be lost.
        data_loss: bool,
    },
    /// Somebody has failed a database over, and has just finished.
    FailedOverByHand {
        /// The application.
        application: ApplicationName,
        /// The database.
        database: ComponentName,
        /// The new writer's region.
        to: Region,
    },
    /// Somebody spoils the data of a database: rows are gone, or are not what they were.
    DataSpoilt {
        /// The application.
        application: ApplicationName,
        /// The database.
        database: ComponentName,
    },
    /// Somebody removes the object that decides where users go.
    MarkerLost {
        /// The application.
        application: ApplicationName,
    },
}

impl Fault {
    /// The name under which tests and the demo know it.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Outage { lost: Lost::Everything, .. } => "region-down",
            Fault::Outage { lost: Lost::ControlPlane, .. } => "control-plane-down",
            Fault::Outage { lost: Lost::DataPlane, .. } => "data-plane-down",
            Fault::Outage { lost: Lost::Connections, .. } => "region-isolated",
            Fault::GlobalControlPlane => "global-control-plane-down",
            Fault::Throttled { .. } => "throttled",
            Fault::Silence { .. } => "silence",
            Fault::ReplyLost { applied: true, .. } => "reply-lost-applied",
            Fault::ReplyLost { applied: false, .. } => "reply-lost-not-applied",
            Fault::StaleReads { .. } => "stale-reads",
            Fault::CopyStuck { .. } => "copy-stuck",
            Fault::SnapshotFails { .. } => "snapshot-fails",
            Fault::RestoreFails { .. } => "restore-fails",
            Fault::BuildFails { .. } => "build-fails",
            Fault::EnvironmentLost { .. } => "environment-lost",
            Fault::HookFails { hangs: false, .. } => "hook-fails",
            Fault::HookFails { hangs: true, .. } => "hook-hangs",
            Fault::NodeLost { .. } => "node-lost",
            Fault::NoCapacity { .. } => "no-capacity",
            Fault::KeyGone { .. } => "key-gone",
            Fault::CredentialsExpired { .. } => "credentials-expired",
            Fault::VaultClosed { .. } => "vault-closed",
            Fault::ObserverLies { .. } => "observer-lies",
            Fault::ObserverSilent { .. } => "observer-silent",
            Fault::FenceFails => "fence-fails",
            Fault::AutomaticFailoverOff { .. } => "automatic-failover-off",
            Fault::ForeignFailover { .. } => "foreign-failover",
            Fault::FailedOverByHand { .. } => "failed-over-by-hand",
            Fault::DataSpoilt { .. } => "data-spoilt",
            Fault::MarkerLost { .. } => "marker-lost",
        }
    }

    /// How long it stands by itself.
    fn length(&self) -> Option<SignedDuration> {
        match self {
            Fault::Throttled { length, .. }
            | Fault::Silence { length, .. }
            | Fault::StaleReads { length, .. }
            | Fault::CopyStuck { length }
            | Fault::NoCapacity { length }
            | Fault::KeyGone { length }
            | Fault::VaultClosed { length }
            | Fault::CredentialsExpired { length } => Some(length.duration()),
            Fault::Outage { .. }
            | Fault::GlobalControlPlane
            | Fault::NodeLost { .. }
            | Fault::ReplyLost { .. }
            | Fault::SnapshotFails { .. }
            | Fault::RestoreFails { .. }
            | Fault::BuildFails { .. }
            | Fault::EnvironmentLost { .. }
            | Fault::HookFails { .. }
            | Fault::ObserverLies { .. }
            | Fault::ObserverSilent { .. }
            | Fault::FenceFails
            | Fault::AutomaticFailoverOff { .. }
            | Fault::ForeignFailover { .. }
            | Fault::FailedOverByHand { .. }
            | Fault::DataSpoilt { .. }
            | Fault::MarkerLost { .. } => None,
        }
    }
}

/// The faults that stand, apart from outages, which [`super::region::Regions`] remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    faults: Vec<(Fault, Option<Timestamp>)>,
}

impl Standing {
    pub(super) fn add(&mut self, now: Timestamp, fault: Fault) {
        let until = fault.length().map(|length| now + length);
        self.faults.push((fault, until));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.faults.retain(|(fault, _)| fault.name() != name);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    /// The faults that stand at an instant.
    pub(super) fn at(&self, now: Timestamp) -> impl Iterator<Item = &Fault> {
        self.faults
            .iter()
            .filter(move |(_, until)| until.is_none_or(|until| now < until))
            .map(|(fault, _)| fault)
    }

    /// Whether the next changing call loses its answer, and if so whether it is carried out. Uses
    /// one of the lost answers up.
    pub(super) fn reply_lost(&mut self, asked: &str) -> Option<bool> {
        let place = self.faults.iter().position(|(fault, _)| {
            matches!(fault, Fault::ReplyLost { operation, calls, .. }
                if *calls > 0 && operation.is_none_or(|operation| operation == asked))
        })?;
        let Fault::ReplyLost { calls, applied, .. } = &mut self.faults[place].0 else {
            return None;
        };
        *calls -= 1;
        Some(*applied)
    }

    /// Whether the next snapshot fails. Uses one failure up.
    pub(super) fn snapshot_fails(&mut self) -> bool {
        for (fault, _) in &mut self.faults {
            if let Fault::SnapshotFails { times } = fault
                && *times > 0
            {
                *times -= 1;
                return true;
            }
        }
        false
    }

    /// Whether the next restored cluster or instance fails. Uses one failure up.
    pub(super) fn restore_fails(&mut self) -> bool {
        for (fault, _) in &mut self.faults {
            if let Fault::RestoreFails { times } = fault
                && *times > 0
            {
                *times -= 1;
                return true;
            }
        }
        false
    }

    /// Whether the next build fails. Uses one failure up.
    pub(super) fn build_fails(&mut self) -> bool {
        for (fault, _) in &mut self.faults {
            if let Fault::BuildFails { times } = fault
                && *times > 0
            {
                *times -= 1;
                return true;
            }
        }
        false
    }

    /// Whether the next hook fails, and if so whether it hangs. Uses one failure up.
    pub(super) fn hook_fails(&mut self) -> Option<bool> {
        for (fault, _) in &mut self.faults {
            if let Fault::HookFails { times, hangs } = fault
                && *times > 0
            {
                *times -= 1;
                return Some(*hangs);
            }
        }
        None
    }

    /// Until when copies stand still.
    pub(super) fn copies_stuck_until(&self, now: Timestamp) -> Option<Timestamp> {
        let stuck = |(fault, until): &(Fault, Option<Timestamp>)| {
            let until = matches!(fault, Fault::CopyStuck { .. }).then_some(*until).flatten();
            until.filter(|until| *until > now)
        };
        self.faults.iter().filter_map(stuck).max()
    }
}
