//! Looking at open attempts: when, and when to begin what was not begun yet.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{action::Action, name::RunId};

use super::{Engine, Output};
use crate::{decide::Next, run::Run, step::StepState};

/// What is in the air around one open attempt. Lost in a crash, and not missed: a new process
/// observes before it does anything.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The attempt it is about.
    pub(super) attempt: u32,
    /// A call is under way.
    pub(super) in_flight: bool,
    /// The call under way judges the attempt.
    pub(super) asked_last: bool,
    /// Not to be looked at before then.
    pub(super) wake_at: Option<Timestamp>,
    /// Calls without an answer, one after the other.
    pub(super) misses: u32,
    /// Last looks without an answer.
    pub(super) last_misses: u32,
    /// When this process last asked for the begin.
    pub(super) sent_at: Option<Timestamp>,
    /// The aim is being written; begin as soon as it is durable.
    pub(super) begin_next: bool,
    /// It is certain that no begin of this attempt took effect.
    pub(super) is_unbegun: bool,
}

/// How long to wait between two looks when nothing is wrong (facts §8, rates: 5–10 s while somebody
/// waits, longer for what takes hours).
fn cadence(action: &Action) -> SignedDuration {
    SignedDuration::from_secs(match action {
        Action::CopySnapshot(_)
        | Action::CopyToVault(_)
        | Action::RestoreCluster(_)
        | Action::RestoreDatabase(_) => 30,
        Action::SnapshotDatabase(_)
        | Action::SnapshotCache(_)
        | Action::ScaleWorkload(_)
        | Action::ApplyObjects(_)
        | Action::RunJob(_)
        | Action::RunBuild(_)
        | Action::StartDatabaseInstance(_)
        | Action::MakeGlobalCluster(_)
        | Action::RotatePassword(_)
        | Action::StartInstance(_)
        | Action::RemoveInstance(_)
        | Action::RemoveCluster(_) => 10,
        Action::Rehearse(_) => 1,
        Action::MarkExpired(_)
        | Action::DeleteExpired(_)
        | Action::ShareSnapshot(_)
        | Action::UnshareSnapshot(_)
        | Action::CompareBuckets(_)
        | Action::CheckBucketReplication(_)
        | Action::CheckReadiness(_)
        | Action::PredictLoss(_)
        | Action::CheckObservers(_)
        | Action::CheckReplication(_)
        | Action::CheckActive(_)
        | Action::WriteCanary(_)
        | Action::Probe(_)
        | Action::CheckSecrets(_)
        | Action::CheckAlarms(_)
        | Action::CheckCalendar(_)
        | Action::CheckSql(_)
        | Action::CheckRestored(_)
        | Action::InventoryDivergence(_)
        | Action::Fence(_)
        | Action::SwitchoverDatabase(_)
        | Action::FailoverDatabase(_)
        | Action::FailoverInRegion(_)
        | Action::FailoverCache(_)
        | Action::FlushCache(_)
        | Action::FailoverCacheInRegion(_)
        | Action::RunHooks(_)
        | Action::TakeWriteLease(_)
        | Action::CallHttp(_)
        | Action::ExportObjects(_)
        | Action::ChoosePoint(_)
        | Action::StampPoint(_)
        | Action::StartRun(_)
        | Action::MoveApplication(_)
        | Action::FindLeaks(_)
        | Action::ShiftTraffic(_)
        | Action::WeighTraffic(_)
        | Action::RestartWorkload(_)
        | Action::ReplaceLostPods(_)
        | Action::LimitAdmission(_)
        | Action::RaiseAdmission(_)
        | Action::SuspendWorkers(_)
        | Action::ResumeWorkers(_)
        | Action::Approval(_)
        | Action::Wait(_)
        | Action::Gate(_)
        | Action::OpenWindow(_)
        | Action::CloseWindow(_)
        | Action::Notify(_) => 5,
    })
}

/// The first look after a begin comes sooner: most work that ends at once has ended by then.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(1);

/// Without an answer the pause doubles up to this.
const MISS_PAUSE_MAX: SignedDuration = SignedDuration::from_secs(20);

impl Look {
    /// Sleeps until the next regular look.
    pub(super) fn nap(&mut self, now: Timestamp, action: &Action) {
        self.misses = 0;
        let pause = match self.sent_at {
            Some(sent_at) if now.duration_since(sent_at) < FIRST_LOOK => FIRST_LOOK,
            Some(_) | None => cadence(action),
        };
        self.wake_at = Some(now + pause);
    }

    /// Sleeps longer each time there is no answer, and never as long as another step that misses
    /// at the same moment (facts §8: full jitter; here from the step's own place).
    pub(super) fn back_off(&mut self, now: Timestamp, place: usize) {
        let doubled = SignedDuration::from_millis(1_000 << self.misses.min(5));
        let spread =
            SignedDuration::from_millis((place as i64 * 331 + i64::from(self.misses) * 97) % 900);
        self.misses += 1;
        self.wake_at = Some(now + doubled.min(MISS_PAUSE_MAX) + spread);
    }
}

impl Engine {
    /// Sends the looks and begins that are due. Nothing leaves while a record of the run is on its
    /// way to the disk.
    pub(super) fn look(
        &mut self,
        now: Timestamp,
        id: &RunId,
        due: Vec<Next>,
        out: &mut Vec<Output>,
    ) {
        if !self.is_durable(id) {
            return;
        }
        let mut wake_at = None;
        for next in due {
            let at = match next {
                Next::Record(_) => None,
                Next::WakeAt(at) => Some(at),
                Next::Observe { place, last } => self.look_at(now, id, place, last, out),
            };
            wake_at = wake_at.into_iter().chain(at).min();
        }
        self.wake(id, wake_at);
    }

    /// Returns when it wants to be looked at again, if no answer comes before.
    fn look_at(
        &mut self,
        now: Timestamp,
        id: &RunId,
        place: usize,
        last: bool,
        out: &mut Vec<Output>,
    ) -> Option<Timestamp> {
        let run = self.known.runs.get(id)?;
        let (number, deadline, is_open) = match run.at(place).1 {
            StepState::Running(open) => (open.number, Some(open.deadline), true),
            StepState::Succeeded { attempt, .. } => (*attempt, None, false),
            StepState::Pending { .. }
            | StepState::Held { .. }
            | StepState::BackingOff { .. }
            | StepState::Failed { .. }
            | StepState::Skipped { .. }
            | StepState::DoneByHand { .. }
            | StepState::Previewed { .. }
            | StepState::Superseded { .. } => return None,
        };
        let held_back = self.holds_back(now, run, place);
        let look = self.looks.entry(id.clone()).or_default().entry(place).or_default();
        if look.attempt != number {
            *look = Look { attempt: number, ..Look::default() };
        }
        // Past the deadline the pause between two last looks says when; waking at once would spin.
        let judged_at = deadline.filter(|at| *at > now);
        if look.in_flight {
            return judged_at;
        }
        let begins = look.begin_next && !last && !held_back && is_open;
        look.begin_next = false;
        // The first last look is not put off; those after it wait like all others.
        let sleeps = !last || look.last_misses > 0;
        if let Some(wake_at) = look.wake_at.filter(|at| *at > now && sleeps && !begins) {
            return judged_at.into_iter().chain([wake_at]).min();
        }
        look.in_flight = true;
        look.asked_last = last;
        if begins {
            look.sent_at = Some(now);
            look.is_unbegun = false;
        }
        let call = Box::new(self.call(now, id, place)?);
        out.push(if begins { Output::Begin(call) } else { Output::Observe(call) });
        judged_at
    }

    /// Whether an open attempt may only be watched.
    pub(super) fn holds_back(&self, now: Timestamp, run: &Run, place: usize) -> bool {
        run.is_held_back(place) || run.is_unsettled(place) || self.begins_nothing(now, run)
    }

    /// Whether everything that was decided about a run is on the disk.
    pub(super) fn is_durable(&self, id: &RunId) -> bool {
        !self.unsynced.contains_key(id) && !self.drafted.contains(id)
    }

    /// Lets every open attempt of a run be looked at again at once.
    pub(super) fn forget_naps(&mut self, id: &RunId) {
        for look in self.looks.get_mut(id).into_iter().flat_map(|looks| looks.values_mut()) {
            look.wake_at = None;
        }
    }
}
