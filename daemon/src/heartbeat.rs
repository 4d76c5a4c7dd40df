//! Says outside that this process acts: a small object beside the lease, for whoever has to notice that
//! nobody does.
//!
//! It falls under the grant of the lease (design §3.1), and is written by the process that has it alone.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use muster_state::lease::{Heartbeat, Lease};
use tracing::warn;

use crate::{
    config::Config,
    intake::Intake,
    world::{World, aws::lease::Store},
};

/// How often it is written.
const BEATS_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// How soon it is looked again whether this process has the lease, or tried again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// Works until the future is dropped. Without a lease there is nothing to say.
pub async fn keep(intake: Intake, world: Arc<World>, config: Config) {
    let (Some(at), World::Real(real)) = (&config.lease, &*world) else { return };
    let store = real.lease(at);
    let mut is_well = true;
    loop {
        let now = intake.clock().now();
        let mut is_written = false;
        match intake.lease() {
            Lease::Held { epoch, acts_until } if now < acts_until => {
                let said = beat(&intake, &store, epoch, now).await;
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

async fn beat(intake: &Intake, store: &Store, epoch: u64, now: Timestamp) -> Result<(), String> {
    let sequence = intake.known(|known| known.end);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    store.beat(&Heartbeat { epoch, sequence, at: now, version }).await
}
