//! Actions that wait, ask and tell.

use jiff::Timestamp;

use super::{Description, On, action};
use crate::value::{Loss, Span, words};

words! {
    /// What a person may do, each including the one before.
    PersonRole {
        /// May read.
        Viewer = "viewer",
        /// May start and steer runs.
        Operator = "operator",
        /// May approve what others asked for.
        Approver = "approver",
        /// May do everything, and turn Muster off and on.
        Admin = "admin",
    }
}

words! {
    /// What an approver is shown before the decision.
    Shown {
        /// The predicted data loss with its source and age.
        DataLoss = "data-loss",
        /// The predicted recovery time from the budgets of the steps that remain.
        RecoveryTime = "recovery-time",
        /// The outside calls that the run would make.
        Effects = "effects",
        /// The verdict of the observers.
        Observers = "observers",
    }
}

words! {
    /// A risk that a named person may accept together with an approval, each a tick of its own.
    Risk {
        /// Nothing proves that the old side cannot write (design §9).
        UnprovenFence = "unproven-fence",
        /// The predicted data loss is over the limit or unknown.
        DataLossOverMax = "data-loss-over-max",
        /// Fewer observers than the quorum agree that the active region is lost.
        ObserversDisagree = "observers-disagree",
        /// What the old side has and the other side has not is gone from here on: the point of no return.
        NoWayBack = "no-way-back",
    }
}

words! {
    /// How loud a notice is.
    Severity {
        /// Can wait for the morning.
        Info = "info",
        /// Somebody should look today.
        Warning = "warning",
        /// Wakes the on-call person.
        Critical = "critical",
    }
}

action! {
    /// Asks people with a role to approve what follows. The requester's own approval does not count.
    Approval = "approval", Inside, on: &[], needs_active: false, global: false,
    with {
        /// The role that an approver needs.
        role: PersonRole,
        /// How many different people must approve.
        approvals: u32,
        /// What is shown to them.
        shows: Option<Vec<Shown>>,
        /// The risks that they may accept.
        may_accept: Option<Vec<Risk>>,
        /// The risks that each of them must accept, whatever else is known.
        must_accept: Option<Vec<Risk>>,
        /// The data loss predicted by an earlier step, which predicts it anew while people decide.
        data_loss: Option<Loss>,
        /// Over this, or unknown, one more person must approve, and each must accept `data-loss-over-max`.
        data_loss_max: Option<Span>,
        /// The verdict of an earlier `check-observers`; anything but `lost` must be accepted.
        observers: Option<String>,
    }
    gives {
        /// Who approved, separated by commas.
        approved_by: String,
        /// The data loss predicted when the last of them did; nothing where none was asked for.
        data_loss: Option<Loss>,
    }
}

impl Approval {
    pub(super) fn describe(&self, _on: &On<'_>) -> Description {
        Description {
            by_hand: vec!["muster approve RUN --step STEP --reason TEXT".to_owned()],
            ..Description::default()
        }
    }
}

action! {
    /// Waits for a length of time, or until an instant.
    Wait = "wait", Inside, on: &[], needs_active: false, global: false,
    with {
        /// How long, counted from the start of the step.
        duration: Option<Span>,
        /// Until when.
        until: Option<Timestamp>,
        /// Counted from `until`: ends this much earlier.
        before: Option<Span>,
    }
    gives {
        /// When the wait ended.
        ended_at: Timestamp,
    }
}

impl Wait {
    pub(super) fn describe(&self, _on: &On<'_>) -> Description {
        Description::default()
    }
}

action! {
    /// Blocks until an operator says go on by `muster done RUN STEP`, or until its time is over.
    Gate = "gate", Inside, on: &[], needs_active: false, global: false,
    with {
        /// What the operator should look at or do first.
        asks: String,
        /// It opens by itself then, counted from the start of the step; never without.
        opens_after: Option<Span>,
    }
    gives {
        /// Who said go on; `its time` when nobody did.
        opened_by: String,
    }
}

impl Gate {
    /// When one that began then opens by itself, if it does.
    pub fn opens_at(&self, started_at: Timestamp) -> Option<Timestamp> {
        self.opens_after.map(|after| started_at + after.duration())
    }

    pub(super) fn describe(&self, _on: &On<'_>) -> Description {
        Description {
            by_hand: vec!["muster done RUN STEP --reason TEXT".to_owned()],
            ..Description::default()
        }
    }
}

action! {
    /// Opens the maintenance window of the application; refuses when its notice was not sent in time.
    OpenWindow = "open-window", Inside, on: &[], needs_active: false, global: false,
    with {
        /// When the notice went out.
        notice_sent_at: Timestamp,
        /// How long before the start the notice must have been sent.
        notice: Span,
        /// When the window starts.
        starts_at: Timestamp,
        /// How long it stays open.
        open_for: Span,
    }
    gives {
        /// When it opened.
        opened_at: Timestamp,
        /// When it closes by itself.
        closes_at: Timestamp,
    }
}

impl OpenWindow {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        Description {
            effect: vec![format!(
                "{}: the maintenance window is open for {}",
                on.application.name, self.open_for
            )],
            ..Description::default()
        }
    }
}

action! {
    /// Closes the maintenance window of the application. Closing a closed one changes nothing.
    CloseWindow = "close-window", Inside, on: &[], needs_active: false, global: false,
    with {}
    gives {
        /// When it closed.
        closed_at: Timestamp,
    }
}

impl CloseWindow {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        Description {
            effect: vec![format!("{}: the maintenance window is closed", on.application.name)],
            ..Description::default()
        }
    }
}

action! {
    /// Tells the configured receivers. Delivered at least once; receivers drop repeats by the token.
    Notify = "notify", Repeatable, on: &[], needs_active: false, global: false,
    with {
        /// How loud.
        severity: Severity,
        /// The text; without one, the state of the run in a sentence.
        message: Option<String>,
    }
    gives {
        /// When the last receiver took it.
        sent_at: Timestamp,
    }
}

impl Notify {
    pub(super) fn describe(&self, _on: &On<'_>) -> Description {
        Description {
            effect: vec![format!("notify: {} message to every receiver", self.severity)],
            ..Description::default()
        }
    }
}

action! {
    /// Does nothing outside but take its time: a harmless named effect for practising.
    Rehearse = "rehearse", Named, on: &[], needs_active: false, global: false,
    with {
        /// A text that comes back as the output.
        say: Option<String>,
    }
    gives {
        /// The text that was given.
        said: String,
    }
}

impl Rehearse {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        Description {
            effect: vec![format!("rehearse: the note {} is kept in memory", on.token)],
            ..Description::default()
        }
    }
}
