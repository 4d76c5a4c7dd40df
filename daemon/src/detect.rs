//! Asks those who watch, every few seconds, and does what follows: says what is wrong, proposes a failover
//! and pages, or starts the one that somebody approved beforehand.
//!
//! `muster_state::detect` decides; nothing is concluded here.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{Timestamp, tz::TimeZone};
use muster_runbooks::{
    action::control::{PersonRole, Risk},
    application::{
        Application,
        detection::{Authorised, Then},
    },
    name::{ApplicationName, Region, RunId, RunbookName},
    request::{Manner, Mode, Request, Trigger},
};
use muster_state::{
    approval,
    catalog::Finding,
    command::{Accepted, Command, Person, Steer},
    detect::{self, ASKS_EVERY, Detector, Follow, Standing, Vote},
    step::StepState,
};
use tracing::{info, warn};

use crate::{
    intake::{Intake, Rejected, fingerprint},
    pager,
    perform::{Health, fresh_id},
    queue::judge::PROPOSAL_LIFE,
    world::World,
};

/// The finding of a region that is lost.
pub const LOST: &str = "region-lost";

/// The finding of a region about which too few can tell anything.
pub const BLIND: &str = "observers-blind";

/// What moves an application whose region is lost.
const FAILOVER: &str = "region-failover";

/// What was found when everybody was asked last. A sample, and no fact.
#[derive(Clone, Debug)]
pub struct Detected {
    /// The region that was asked about.
    pub region: Region,
    /// When.
    pub asked_at: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// What everybody said.
    pub votes: Vec<Vote>,
    /// What follows if it is lost, as things stand.
    pub follow: Follow,
}

/// What was found last, by application. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Detections(Arc<Mutex<BTreeMap<ApplicationName, Detected>>>);

impl Detections {
    /// What was found last about an application.
    pub fn of(&self, application: &ApplicationName) -> Option<Detected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(application).cloned()
    }

    fn put(&self, application: &ApplicationName, found: Detected) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(application.clone(), found);
    }
}

/// Asks until the future is dropped.
pub async fn watch(intake: Intake, world: Arc<World>) {
    let watched = intake.applications().values().filter(|one| !one.observers.is_empty());
    let loops = watched.map(async |application| {
        Follower { intake: &intake, world: &world, application }.live().await;
    });
    futures::future::join_all(loops).await;
}

struct Follower<'a> {
    intake: &'a Intake,
    world: &'a World,
    application: &'a Application,
}

impl Follower<'_> {
    async fn live(&self) {
        let clock = self.intake.clock();
        let mut followed: Option<(Region, Detector)> = None;
        loop {
            let next = clock.now() + ASKS_EVERY;
            match self.intake.health() {
                // Whoever acts asks. What was seen before that says nothing about the time between.
                Health::StandingBy { .. } | Health::Stopping => followed = None,
                Health::Starting | Health::Ready | Health::ReadOnly { .. } => {
                    let region = self.active();
                    let same = followed.take().filter(|(before, _)| *before == region);
                    let (region, detector) = followed.insert(same.unwrap_or_else(|| {
                        // Another region is another question.
                        (region, Detector::default())
                    }));
                    let region = region.clone();
                    self.look(&region, detector).await;
                }
            }
            clock.sleep_until(next).await;
        }
    }

    /// Where it was last seen to be served from; its home, as long as nobody has seen.
    fn active(&self) -> Region {
        self.intake.known(|known| known.served_from(self.application).clone())
    }

    async fn look(&self, region: &Region, detector: &mut Detector) {
        // Before anybody is asked: what is seen is older rather than younger than is said.
        let now = self.intake.clock().now();
        let votes = self.world.votes(self.application, region).await;
        let policy = self.application.detection();
        let standing = detector.hear(now, votes, policy);
        let lease = self.intake.lease();
        let follow =
            self.intake.known(|known| detect::follow(known, self.application, policy, &lease, now));
        let found = Detected {
            region: region.clone(),
            asked_at: now,
            standing,
            votes: detector.votes().to_vec(),
            follow,
        };
        self.intake.detections().put(&self.application.name, found.clone());
        if let Err(why) = self.act(&found).await {
            warn!(application = %self.application.name, error = %why,
                "what follows from what was seen could not be done; in a moment again");
        }
    }

    async fn act(&self, found: &Detected) -> Result<(), Rejected> {
        for finding in findings(found) {
            let application = self.application.name.clone();
            self.intake.command(Command::Finding { application, finding }).await?;
        }
        let Standing::Lost { symptom_at, .. } = found.standing else { return Ok(()) };
        self.approve().await?;
        match found.follow.then {
            Then::Nothing => Ok(()),
            Then::Propose => self.propose(found, symptom_at).await,
            Then::Auto => self.start(found, symptom_at).await,
        }
    }

    /// Keeps a proposal open and pages once for each.
    async fn propose(&self, found: &Detected, symptom_at: Timestamp) -> Result<(), Rejected> {
        let now = self.intake.clock().now();
        let runbook = name(FAILOVER);
        let known = |intake: &Intake| {
            intake.known(|known| {
                detect::proposed(known, &self.application.name, &runbook, now).cloned()
            })
        };
        let id = match known(self.intake) {
            Some(id) => id,
            None => {
                let id = fresh_id();
                let expires_at = now + PROPOSAL_LIFE;
                let request = self.request(found, symptom_at, Some(expires_at));
                let asked = fingerprint(&(&request.runbook, &request.application, symptom_at));
                let command = Command::Propose {
                    id: id.clone(),
                    request: Box::new(request),
                    expires_at,
                    because: found.follow.because.clone(),
                    asked: Some(asked),
                };
                self.intake.command(command).await?;
                warn!(application = %self.application.name, region = %found.region, proposal = %id,
                    "a region is lost; a failover is proposed");
                id
            }
        };
        let (application, region) = (&self.application.name, &found.region);
        let text = format!(
            "{application}: {region} is lost since {symptom_at:.0}, say {}. Nothing was started: {}. \
             To fail over: muster run --proposal {id}",
            voices(&found.votes),
            found.follow.because,
        );
        self.page(&id, text).await
    }

    /// Starts the failover that was approved beforehand, and pages.
    async fn start(&self, found: &Detected, symptom_at: Timestamp) -> Result<(), Rejected> {
        let request = self.request(found, symptom_at, None);
        let asked = fingerprint(&(&request.runbook, &request.application, symptom_at));
        let Accepted { run, .. } = self.intake.request(request, None, Some(asked)).await?;
        let Some(run) = run else { return Ok(()) };
        let (application, region) = (&self.application.name, &found.region);
        warn!(%application, %region, %run, "a region is lost; its failover starts by itself");
        let text = format!(
            "{application}: {region} is lost since {symptom_at:.0}, say {}. Its failover has started by \
             itself: {}. To follow it: muster watch {run}; to stop it: muster pause {run}",
            voices(&found.votes),
            found.follow.because,
        );
        self.page(&run, text).await
    }

    /// Approves what started by itself, for whoever approved it beforehand. No risk is accepted in
    /// anybody's absence: where the step asks for one, it waits for a person.
    async fn approve(&self) -> Result<(), Rejected> {
        let policy = self.application.detection();
        let now = self.intake.clock().now();
        let today = now.to_zoned(TimeZone::UTC).date();
        // What was withdrawn, or has ended, approves nothing that it started.
        let still = |one: &&Authorised| policy.then == Then::Auto && today <= one.until;
        let Some(authorised) = policy.authorised.as_ref().filter(still) else { return Ok(()) };
        let waiting = self.intake.known(|known| {
            let mut waiting = Vec::new();
            for run in known.runs.values() {
                let is_ours = run.application() == Some(&self.application.name)
                    && matches!(run.request.trigger, Trigger::Observers { .. });
                for (step, state) in run.steps().filter(|_| is_ours) {
                    let StepState::Running(attempt) = state else { continue };
                    let Some(asked) = approval::asked(run, step, attempt, now) else { continue };
                    let by = policy_of(authorised);
                    let is_new = !run.approvers(&step.id).iter().any(|one| one.by == by.name);
                    // The policy is a person's word given beforehand, also for the point of no return. What
                    // nobody could know then is asked of somebody now.
                    let risks = approval::risks(&asked);
                    if risks.iter().all(|risk| *risk == Risk::NoWayBack) && is_new {
                        waiting.push((run.id.clone(), step.id.clone(), risks, run.hash.clone()));
                    }
                }
            }
            waiting
        });
        for (run, step, accepts, plan_hash) in waiting {
            let reason = format!("approved beforehand: {}", authorised.because);
            let steer = Steer::Approve { step, accepts, plan_hash };
            info!(%run, by = authorised.by, "approved beforehand");
            self.intake.steer(run, policy_of(authorised), reason, steer).await?;
        }
        Ok(())
    }

    fn request(
        &self,
        found: &Detected,
        symptom_at: Timestamp,
        not_after: Option<Timestamp>,
    ) -> Request {
        let (application, region) = (&self.application.name, &found.region);
        Request {
            runbook: name(FAILOVER),
            application: Some(application.clone()),
            inputs: BTreeMap::new(),
            trigger: Trigger::Observers { of: region.clone() },
            mode: Mode::Live,
            manner: Manner::Forced,
            reason: format!("{region} is lost, say {}", voices(&found.votes)),
            // A proposal that nobody started in time is made again.
            dedupe_key: Some(match not_after {
                Some(not_after) => {
                    format!("observers/{application}/{region}/{symptom_at}/{not_after}")
                }
                None => format!("observers/{application}/{region}/{symptom_at}"),
            }),
            symptom_at: Some(symptom_at),
            not_after,
        }
    }

    /// Pages once for each proposal and each run.
    async fn page(&self, about: &RunId, text: String) -> Result<(), Rejected> {
        let key = format!("observers/page/{about}");
        let trigger = Trigger::Observers { of: self.active() };
        let reason = format!("what the observers of {} say", self.application.name);
        pager::page(self.intake, key, trigger, reason, text).await
    }
}

/// Who approves for somebody who is not there.
fn policy_of(authorised: &Authorised) -> Person {
    Person { name: format!("policy of {}", authorised.by), role: PersonRole::Approver }
}

fn name(shipped: &str) -> RunbookName {
    shipped.parse().expect("the name of a shipped runbook")
}

fn voices(votes: &[Vote]) -> String {
    votes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What is wrong, and what no longer is.
fn findings(found: &Detected) -> [Result<Finding, String>; 2] {
    let region = &found.region;
    // Words that change with every look would be a fact every ten seconds.
    let lost = match found.standing {
        Standing::Lost { symptom_at, .. } => Ok(Finding {
            id: LOST.to_owned(),
            message: format!("{region} is lost since {symptom_at:.0}, say those who watch"),
            hint: "`muster detection` shows who says so; a proposal is started with `muster run --proposal`"
                .to_owned(),
        }),
        Standing::Unasked
        | Standing::Well
        | Standing::Suspected { .. }
        | Standing::Unclear { .. } => Err(LOST.to_owned()),
    };
    let blind = if found.standing.is_blind(found.asked_at) {
        Ok(Finding {
            id: BLIND.to_owned(),
            message: format!("too few of those who watch can say anything about {region}"),
            hint: "`muster detection` shows who is silent and why; while that is so nothing is detected"
                .to_owned(),
        })
    } else {
        Err(BLIND.to_owned())
    };
    [lost, blind]
}
