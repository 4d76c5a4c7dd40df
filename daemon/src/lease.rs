//! Keeps the lease: asks its storage in time, has a grant written down before anything is sent under it,
//! and tells the engine whose it is.
//!
//! Renewals are not journalled: they fall under the one event of their grant (design §3.1).

use std::{fs, path::Path, sync::Arc};

use jiff::SignedDuration;
use muster_state::{
    catalog::Finding,
    command::Command,
    journal::Journal,
    lease::{Ask, Fit, Keeper, Lease, Mark, Moment, Own, Terms},
};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::{
    config::Config,
    intake::Intake,
    perform,
    world::{World, aws::lease::Store, real::Real},
};

/// The longest call to AWS or Kubernetes that is begun, with some room (`world/aws.rs`, `world/kube.rs`).
const LONGEST_CALL: SignedDuration = SignedDuration::from_secs(30);

/// A hook is given up so long after its own limit.
const HOOK_GRACE: SignedDuration = SignedDuration::from_secs(2);

/// How often it is looked whether the lease still holds: a clock that was set is noticed then.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// The most questions in one round. Where others write too, the next round goes on.
const ASKS_MAX: usize = 8;

/// The finding of every application that is looked after without a lease.
pub const NO_LEASE: &str = "no-lease";

/// Works until the future is dropped. Without a lease it only says so, and ends.
pub async fn keep(intake: Intake, world: Arc<World>, config: Config, says: watch::Sender<Lease>) {
    say_whether_configured(&intake, config.lease.is_some()).await;
    let (Some(at), World::Real(real)) = (&config.lease, &*world) else { return };
    let terms = Terms {
        length: at.length.duration(),
        margin: at.margin.duration(),
        longest_call: longest_call(&intake),
    };
    let keeper = Keeper::new(terms, holder(&config.state), perform::fresh_id().to_string());
    let store = real.lease(at);
    let ships = config.ship.is_some();
    let mut desk = Desk { intake: &intake, real, store, keeper, says, ships };
    loop {
        desk.round().await;
        let clock = intake.clock();
        let left = desk.keeper.asks_at().saturating_sub(clock.steady());
        clock.sleep(left.clamp(SignedDuration::from_millis(10), LOOK_EVERY)).await;
    }
}

/// Where the lease is kept from.
struct Desk<'a> {
    intake: &'a Intake,
    real: &'a Real,
    store: Store,
    keeper: Keeper,
    says: watch::Sender<Lease>,
    /// Whether the log is shipped.
    ships: bool,
}

impl Desk<'_> {
    async fn round(&mut self) {
        self.ask().await;
        if self.grant().await {
            self.say();
            self.ask().await;
        }
        self.say();
    }

    async fn ask(&mut self) {
        for _ in 0..ASKS_MAX {
            let at = self.moment();
            let Some(own) = self.own() else { break };
            let Some(ask) = self.keeper.due(at, &own) else { break };
            let answer = self.store.ask(&ask).await;
            if let Ask::Write { record, .. } = &ask {
                tracing::debug!(epoch = record.epoch, ?answer, "wrote the lease");
            }
            let journal = self.intake.journal();
            let now = self.moment();
            self.keeper.heard(now, at, &ask, answer, &own, |mark| fit(journal, mark));
        }
    }

    /// Has a lease that was taken written down. Nothing is sent under it before that is durable. Says
    /// whether one was.
    async fn grant(&mut self) -> bool {
        let Some(granted) = self.keeper.ungranted() else { return false };
        let epoch = granted.epoch;
        match self.intake.command(Command::Grant(granted)).await {
            Ok(_) => {
                self.real.act_under(epoch);
                self.keeper.granted(epoch);
                true
            }
            Err(why) => {
                error!(%why, epoch, "the lease cannot be written down; nothing is begun");
                false
            }
        }
    }

    fn say(&self) {
        let lease = self.keeper.lease(self.moment());
        let before = self.says.borrow().clone();
        match (&before, &lease) {
            (Lease::Held { .. }, Lease::Held { .. }) => {}
            (_, Lease::Held { epoch, .. }) => info!(epoch, "the lease is ours"),
            (Lease::Missing(before), Lease::Missing(why)) if before.word() == why.word() => {}
            (_, Lease::Missing(why)) => warn!(%why, "nothing is begun"),
            (_, Lease::NotConfigured) => {}
        }
        self.says.send_if_modified(|said| {
            let is_new = *said != lease;
            *said = lease;
            is_new
        });
    }

    fn moment(&self) -> Moment {
        let clock = self.intake.clock();
        Moment { wall: clock.now(), steady: clock.steady() }
    }

    /// What the journal here says; nothing where it cannot be read, and then the lease runs out.
    fn own(&self) -> Option<Own> {
        let (epoch, granted, end) =
            self.intake.known(|known| (known.epoch, known.granted.clone(), known.end));
        // What is not shipped is lost with this host, and must not keep the next one from acting.
        let shipped = self.intake.shipping().last().map_or(0, |shipped| shipped.end);
        let sequence = if self.ships { end.min(shipped) } else { end };
        match self.intake.journal().link(sequence) {
            Ok(Some(link)) => {
                let mark = Mark { sequence, hash: link.to_string() };
                Some(Own { epoch, granted, mark })
            }
            Ok(None) => None,
            Err(why) => {
                error!(%why, "the journal cannot be read; the lease is not renewed");
                None
            }
        }
    }
}

/// How the mark of a lease fits the journal here. What cannot be read fits nothing.
fn fit(journal: &dyn Journal, mark: &Mark) -> Fit {
    if mark.sequence > journal.progress().end {
        return Fit::Beyond;
    }
    match journal.link(mark.sequence) {
        Ok(Some(link)) if link.to_string() == mark.hash => Fit::Known,
        Ok(_) => Fit::Other,
        Err(why) => {
            error!(%why, "the journal cannot be read");
            Fit::Other
        }
    }
}

/// How long what a process sent last may be under way.
fn longest_call(intake: &Intake) -> SignedDuration {
    let databases = intake.applications().values().flat_map(|one| &one.databases);
    let limits =
        databases.flat_map(|one| &one.hooks).map(|hook| hook.limit.duration() + HOOK_GRACE);
    limits.fold(LONGEST_CALL, SignedDuration::max)
}

/// This machine and this directory. Another process here has the directory only when this one is gone.
fn holder(state: &Path) -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned());
    let path = state.canonicalize().unwrap_or_else(|_| state.to_owned());
    format!("{name}:{}", path.display())
}

/// Opens or closes the standing finding of every application.
async fn say_whether_configured(intake: &Intake, is_configured: bool) {
    for application in intake.applications().keys() {
        let finding = if is_configured {
            Err(NO_LEASE.to_owned())
        } else {
            Ok(Finding {
                id: NO_LEASE.to_owned(),
                message: "no lease says which Muster acts: two on two hosts would both".to_owned(),
                hint: "add `lease` to the configuration, an object in a third region, and `ship`, where \
                       its log outlives this host"
                    .to_owned(),
            })
        };
        let command = Command::Finding { application: application.clone(), finding };
        if let Err(why) = intake.command(command).await {
            warn!(%application, %why, "the finding about the lease is not written down");
        }
    }
}
