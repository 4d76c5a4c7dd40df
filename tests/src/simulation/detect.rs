//! Those who watch are asked, as the daemon does it, and somebody starts what was proposed.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use muster_runbooks::{
    application::detection::Then,
    name::{Region, RunId},
    request::{Manner, Mode, Request, Trigger},
};
use muster_state::{
    command::Command,
    detect::{ASKS_EVERY, Detector, Standing, follow, proposed},
    lease::Lease,
};

use super::{
    Cut, Happening, Simulation,
    cast::{SHOP, home, id},
    scenario::Start,
};

/// How long a person has to start what is proposed.
const PROPOSAL_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// What the simulated observers see is so old.
const NOTICES_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// So long the on-call thinks about a proposal.
const THINKS: SignedDuration = SignedDuration::from_secs(60);

/// What is seen through the eyes of those who watch.
#[derive(Debug, Default)]
pub(super) struct Eyes {
    region: Option<Region>,
    detector: Detector,
    /// The proposals that were made, so that each has an id of its own.
    pub(super) made: u64,
    /// How far the process's clock was ahead when everybody was asked last.
    skew: SignedDuration,
    /// Whether that changed since the region was last seen well: then no clock says when it was not.
    is_skewed: bool,
}

impl Eyes {
    /// A process that starts has seen nothing.
    pub(super) fn close(&mut self) {
        (self.region, self.detector) = (None, Detector::default());
    }
}

impl Simulation {
    /// Everybody is asked, and what follows is said.
    pub(super) fn ask_around(&mut self) -> Result<(), Cut> {
        self.put(self.now + ASKS_EVERY, Happening::AskAround);
        if self.engine.is_none() || self.stands_by() {
            self.eyes.close();
            return Ok(());
        }
        let region = {
            let known = self.disk.progress();
            let active = known.applications.get(&SHOP.name).and_then(|state| state.active.as_ref());
            active.map_or_else(home, |active| active.region.clone())
        };
        if self.eyes.region.as_ref() != Some(&region) {
            self.eyes.close();
            self.eyes.region = Some(region.clone());
        }
        let (clock, policy) = (self.clock(), SHOP.detection());
        let mut votes = self.sim.votes(self.now, &SHOP, &region);
        // Reports carry ages, so that they are counted on the process's own clock.
        votes.iter_mut().for_each(|vote| vote.since = vote.since.map(|since| since + self.skew));
        self.eyes.is_skewed |= self.eyes.skew != self.skew;
        self.eyes.skew = self.skew;
        let standing = self.eyes.detector.hear(clock, votes, policy);
        if standing == Standing::Well {
            self.eyes.is_skewed = false;
        }
        let Standing::Lost { symptom_at, .. } = standing else { return self.start_proposed() };
        let runbook = "region-failover".parse().expect("a runbook's name");
        let (follows, open) = {
            let known = self.disk.progress();
            let open = proposed(&known, &SHOP.name, &runbook, clock).cloned();
            (follow(&known, &SHOP, policy, &Lease::NotConfigured, clock), open)
        };
        if follows.then != Then::Propose || open.is_some() {
            return self.start_proposed();
        }
        // I8: what liars, partitions and jumping clocks make of it is never a loss.
        let (truth, now) = (self.sim.truth(), self.now);
        let was_lost = |at| !truth.is_well(&region, at);
        let really = was_lost(now - NOTICES_AFTER) && was_lost(now - policy.window.duration());
        self.watch.check("I8", really, || format!("{region} was lost to nobody"));
        // I16: the clock of the recovery starts before anybody pressed anything, and not before it was well.
        let skew = self.skew;
        let symptom = symptom_at - skew;
        let sound = self.eyes.is_skewed
            || was_lost(symptom + SignedDuration::from_secs(1)) && symptom <= now;
        self.watch.check("I16", sound, || format!("nothing was wrong at {symptom}"));
        self.eyes.made += 1;
        let request = Request {
            runbook,
            application: Some(SHOP.name.clone()),
            inputs: std::collections::BTreeMap::new(),
            trigger: Trigger::Observers { of: region },
            mode: Mode::Live,
            manner: Manner::Forced,
            reason: "simulated".to_owned(),
            dedupe_key: Some(format!("observers/{symptom_at}/{}", self.eyes.made)),
            symptom_at: Some(symptom_at),
            not_after: None,
        };
        let command = Command::Propose {
            id: id('n', self.eyes.made),
            request: Box::new(request),
            expires_at: clock + PROPOSAL_LIFE,
            because: follows.because,
            asked: None,
        };
        self.say(command, false)
    }

    /// Somebody starts what has been proposed for a while.
    fn start_proposed(&mut self) -> Result<(), Cut> {
        let due: Option<RunId> = {
            let (known, clock) = (self.disk.progress(), self.clock());
            let mut open = known.proposals.iter();
            open.find(|(_, one)| {
                let made_at = one.expires_at - PROPOSAL_LIFE;
                clock.duration_since(made_at) >= THINKS && one.expires_at > clock
            })
            .map(|(id, _)| id.clone())
        };
        let Some(proposal) = due else { return Ok(()) };
        let start = Start {
            runbook: "region-failover",
            id: id('p', self.eyes.made),
            manner: Manner::Forced,
            mode: Mode::Live,
            due_at: None,
            inputs: BTreeMap::new(),
        };
        let mut command = start.command(&self.scenario.applications[0], &self.disk.progress());
        if let Command::Admit(admission) = &mut command {
            admission.proposal = Some(proposal);
        }
        self.say(command, true)
    }
}
