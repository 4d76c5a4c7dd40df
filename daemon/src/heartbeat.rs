//! Says outside that this process acts: a small object beside the lease, for whoever has to notice that
//! nobody does.
//!
//! It falls under the grant of the lease (design §3.1), and is written by the process that has it alone. One
//! that has the lease and cannot act is silent: its journal cannot be written, or its engine gives no sign.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::heartbeat::{Heartbeat, PROVEN_MAX, Proof};
use muster_state::{lease::Lease, progress::Progress};
use tracing::warn;

use crate::{
    config::Config,
    intake::Intake,
    perform::Health,
    world::{World, aws::lease::Store, real::Real},
};

/// How often it is written.
const BEATS_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// How soon it is looked again whether this process has the lease, or tried again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// The engine gives a sign every second. One that has given none for so long does nothing.
const ENGINE_SILENT_MAX: SignedDuration = SignedDuration::from_secs(30);

/// Works until the future is dropped. Without a lease there is nothing to say.
pub async fn keep(intake: Intake, world: Arc<World>, config: Config) {
    let (Some(at), World::Real(real)) = (&config.lease, &*world) else { return };
    let store = real.lease(at);
    let mut is_well = true;
    loop {
        let now = intake.clock().now();
        let mut is_written = false;
        match intake.lease() {
            Lease::Held { epoch, acts_until } if now < acts_until && acts(&intake, now) => {
                let said = beat(&intake, real, &store, epoch, now).await;
                if let (Err(why), true) = (&said, is_well) {
                    warn!(why, "the heartbeat is not written");
                }
                (is_well, is_written) = (said.is_ok(), said.is_ok());
            }
            Lease::Held { .. } | Lease::Missing(_) | Lease::NotConfigured => {}
        }
        intake.clock().sleep(if is_written { BEATS_EVERY } else { AGAIN_AFTER }).await;
    }
}

/// Whether this process does what the lease is for.
fn acts(intake: &Intake, now: Timestamp) -> bool {
    let sign = intake.journal().last_beat();
    intake.health() == Health::Ready
        && sign.is_some_and(|at| now.duration_since(at) <= ENGINE_SILENT_MAX)
}

async fn beat(
    intake: &Intake,
    real: &Real,
    store: &Store,
    epoch: u64,
    now: Timestamp,
) -> Result<(), String> {
    let (sequence, proven) = intake.known(|known| (known.end, proven(known)));
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let notices = Some(real.notices());
    store.beat(&Heartbeat { epoch, sequence, at: now, version, notices, proven }).await
}

/// The newest proof of each component in each region and account, the newest of all first.
fn proven(known: &Progress) -> Vec<Proof> {
    let mut newest = BTreeMap::new();
    for (application, state) in &known.applications {
        for point in state.points.values() {
            let Some(at) = point.verified_at else { continue };
            let place = (application, &point.component, &point.region, &point.account);
            let kept = newest.entry(place).or_insert((at, &point.id));
            *kept = (*kept).max((at, &point.id));
        }
    }
    let proofs = newest.into_iter().map(|((application, component, ..), (at, point))| Proof {
        application: application.clone(),
        component: component.clone(),
        point: point.clone(),
        at,
    });
    let mut proofs: Vec<Proof> = proofs.collect();
    proofs.sort_by_key(|proof| std::cmp::Reverse(proof.at));
    proofs.truncate(PROVEN_MAX);
    proofs
}

#[cfg(test)]
mod tests {
    use muster_state::{catalog::RecoveryPoint, progress::ApplicationState};

    use super::*;

    /// Goal: whoever looks from outside learns the newest proof in each place, and nothing unproven.
    #[test]
    fn the_newest_proof_of_each_place_is_told() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let mut state = ApplicationState::default();
        for (id, region, verified_at) in [
            ("old", "us-west-2", Some("2026-02-15T16:40:00Z")),
            ("new", "us-west-2", Some("2026-02-22T16:40:00Z")),
            ("east", "us-east-1", Some("2026-02-20T16:40:00Z")),
            ("unproven", "us-west-2", None),
        ] {
            let point = RecoveryPoint {
                verified_at: verified_at.map(at),
                ..RecoveryPoint::new(
                    id.to_owned(),
                    "main".parse().unwrap(),
                    region.parse().unwrap(),
                    "123456789012".to_owned(),
                    at("2026-02-15T02:00:00Z"),
                    "a00000000000".parse().unwrap(),
                )
            };
            state.points.insert(id.to_owned(), point);
        }
        let applications = BTreeMap::from([("covetpy".parse().unwrap(), state)]);
        let known = Progress { applications, ..Progress::default() };
        let told: Vec<(String, Timestamp)> =
            proven(&known).into_iter().map(|proof| (proof.point, proof.at)).collect();
        let wanted = [("new", "2026-02-22T16:40:00Z"), ("east", "2026-02-20T16:40:00Z")];
        assert_eq!(told, wanted.map(|(id, when)| (id.to_owned(), at(when))));
    }
}
