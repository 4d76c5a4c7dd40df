//! One by-hand page before it is written out: an application's runbook in a manner, with every command.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    action::Inside,
    name::ApplicationName,
    plan::{Danger, Described, Part},
    request::{Manner, Mode, Request, Trigger},
    runbook::Runbook,
    shell::word,
    value::Span,
};
use muster_state::{approval, progress::Active, steer::is_guard};

use crate::{BUILD_ID, intake::Intake};

/// What stands in commands where a run's own name would.
const BY_HAND: &str = "byhand000000";

/// One page.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The application.
    pub application: ApplicationName,
    /// Its title.
    pub application_title: String,
    /// The runbook.
    pub runbook: String,
    /// Its title.
    pub title: String,
    /// The manner.
    pub manner: Manner,
    /// The region behind the role `active`.
    pub active: String,
    /// The region behind the role `standby`.
    pub standby: String,
    /// Who saw that, and since when; nothing where nobody has looked, and its home is assumed.
    pub seen: Option<Active>,
    /// The hash of the plan: that of a run which is asked for without inputs of its own.
    pub plan_hash: String,
    /// The inputs that the commands were made with.
    pub inputs: Vec<String>,
    /// The recovery time that the application was promised.
    pub rto: Option<Span>,
    /// The runbook that leads back, which has a page of its own.
    pub way_back: Option<String>,
    /// The steps in their order: the work, then what undoes it, then what always comes last.
    pub steps: Vec<Line>,
    /// When it was made.
    pub rendered_at: Timestamp,
    /// What made it.
    pub version: String,
}

/// One step of a page.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its place, from 1.
    pub number: usize,
    /// Its id.
    pub id: String,
    /// What it is for.
    pub title: String,
    /// The part it stands in.
    pub part: Part,
    /// The steps that come before it, whatever the order of the page.
    pub needs: Vec<String>,
    /// What it can cost.
    pub danger: Option<Danger>,
    /// What Muster would do.
    pub effect: Vec<String>,
    /// What to type.
    pub commands: Vec<String>,
    /// What to do where there is nothing to type.
    pub instead: Vec<String>,
    /// What can be seen when it is done.
    pub expect: Option<String>,
    /// How long one attempt may take.
    pub limit: Span,
    /// How long it is expected to take.
    pub budget: Option<Span>,
    /// It may fail, and nothing waits for it.
    pub best_effort: bool,
    /// What to type once Muster can be asked again; nothing for a guard, which nobody passes by hand.
    pub done: Option<String>,
}

impl Sheet {
    /// Makes the page of an application's runbook as the roles are now.
    ///
    /// # Errors
    ///
    /// When no plan can be made, in words for a person.
    pub fn make(
        intake: &Intake,
        application: &ApplicationName,
        runbook: &Runbook,
        manner: Manner,
    ) -> Result<Sheet, String> {
        let seen = intake.known(|known| known.applications.get(application)?.active.clone());
        let plan = intake.plan(&request(application, runbook, manner));
        let plan = plan.map_err(|why| why.to_string())?;
        let frozen = plan.freeze().map_err(|why| why.to_string())?;
        let binding = plan.binding.as_ref().ok_or("it is bound to no application")?;
        let run = BY_HAND.parse().map_err(|_| "it has no name")?;
        let steps = plan.described(manner, &run);
        let steps = steps.iter().enumerate().map(|(place, one)| line(place + 1, one, manner));
        Ok(Sheet {
            application: application.clone(),
            application_title: binding.application.title.clone(),
            runbook: plan.runbook.to_string(),
            title: plan.title.clone(),
            manner,
            active: binding.active.to_string(),
            standby: binding.standby.to_string(),
            seen: seen.filter(|seen| seen.region == binding.active),
            plan_hash: frozen.hash().to_owned(),
            inputs: plan.inputs.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            rto: plan.rto,
            way_back: plan.way_back.as_ref().map(ToString::to_string),
            steps: steps.collect(),
            rendered_at: intake.clock().now(),
            version: format!("{} (build {BUILD_ID})", env!("CARGO_PKG_VERSION")),
        })
    }

    /// What its files are called, without their endings.
    pub fn name(&self) -> String {
        format!("{}-{}", self.runbook, self.manner)
    }

    /// The steps of a part, if it has any.
    pub fn part(&self, part: Part) -> Vec<&Line> {
        self.steps.iter().filter(|line| line.part == part).collect()
    }

    /// What a person who takes this page up must know first.
    pub fn beforehand(&self) -> Vec<String> {
        let seen = match &self.seen {
            Some(_) => format!(
                "See that {} is still the active region: if it is not, this is not the page.",
                self.active
            ),
            None => format!(
                "Nobody has seen from where the application is served; its home {} is assumed. See for \
                 yourself first.",
                self.active
            ),
        };
        vec![
            seen,
            "See that no Muster acts meanwhile: stop it, or type `muster off --reason TEXT`.".to_owned(),
            "You need credentials and a kubeconfig of your own; no secret stands here. Words in capitals \
             are for you to fill in."
                .to_owned(),
            "Write down when you did what, and what you saw. If a run was open, type it in when Muster can be \
             asked again: `muster status` names the run, and `muster done RUN STEP --reason TEXT` takes \
             each step. Without a run there is nothing to type in: Muster sees by itself from where the \
             application is served."
                .to_owned(),
        ]
    }
}

/// The heading of a part.
pub fn heading(part: Part) -> &'static str {
    match part {
        Part::Steps => "Steps",
        Part::Undo => "To undo it, if it is given up",
        Part::Finally => "At the end, however it ended",
    }
}

/// The pages that an application has: every runbook that takes its one lock, in every manner. What builds is
/// for applications that say what is built.
pub fn all(intake: &Intake) -> Vec<(ApplicationName, &Runbook, Manner)> {
    let moves = |runbook: &&Runbook| runbook.exclusive && runbook.needs_application();
    let mut all = Vec::new();
    for (name, application) in intake.applications() {
        let has_builds = !application.builds.is_empty();
        let fits = |runbook: &&Runbook| has_builds || !runbook.builds();
        for runbook in intake.library().runbooks().filter(moves).filter(fits) {
            all.extend(runbook.manners().iter().map(|manner| (name.clone(), runbook, *manner)));
        }
    }
    all
}

fn request(application: &ApplicationName, runbook: &Runbook, manner: Manner) -> Request {
    Request {
        runbook: runbook.name.clone(),
        application: Some(application.clone()),
        inputs: BTreeMap::new(),
        trigger: Trigger::Person { name: "by-hand".to_owned() },
        mode: Mode::Live,
        manner,
        reason: "what would a person type?".to_owned(),
        dedupe_key: None,
        symptom_at: None,
        not_after: None,
    }
}

fn line(number: usize, one: &Described<'_>, manner: Manner) -> Line {
    let step = one.step;
    let (mut commands, mut instead) = (one.description.by_hand.clone(), Vec::new());
    match &one.action {
        Err(why) => instead.push(format!("Its arguments come from a step before it: {why}.")),
        Ok(action) => {
            if let Some(inside) = action.inside() {
                // Muster's own words help nobody while it cannot be asked.
                commands.clear();
                instead.push(by_word(&inside));
            } else if commands.is_empty() {
                instead.push("There is no command for it; see what Muster would do.".to_owned());
            }
        }
    }
    let is_guard = is_guard(&step.task(manner).action);
    Line {
        number,
        id: step.id.to_string(),
        title: step.title.clone(),
        part: step.part,
        needs: step.needs.iter().map(ToString::to_string).collect(),
        danger: step.danger,
        effect: one.description.effect.clone(),
        commands,
        instead,
        expect: step.expect.clone(),
        limit: step.limit,
        budget: step.budget,
        best_effort: step.best_effort,
        done: (!is_guard)
            .then(|| format!("muster done RUN {} --reason TEXT", word(step.id.as_str()))),
    }
}

/// What a person does about a step that happens inside Muster.
fn by_word(inside: &Inside<'_>) -> String {
    match inside {
        Inside::Approval(asked) => {
            let risks: Vec<&str> =
                approval::offers(asked).into_iter().map(|risk| risk.word()).collect();
            let risks = if risks.is_empty() {
                String::new()
            } else {
                format!("; ask whether they accept each of these risks: {}", risks.join(", "))
            };
            format!(
                "Ask {} with the role `{}`, not yourself, for a yes, and write down who said it and when\
                 {risks}.",
                people(asked.approvals),
                asked.role
            )
        }
        Inside::Wait(wait) => match (wait.duration, wait.until) {
            (Some(duration), _) => format!("Wait {duration}."),
            (None, Some(until)) => format!("Wait until {until}."),
            (None, None) => "Wait.".to_owned(),
        },
        Inside::Gate(gate) => gate.asks.clone(),
        Inside::CheckCalendar(_) => {
            "See that a drill may move users now: hours and days stand in the file's `drills`."
                .to_owned()
        }
        Inside::OpenWindow(_) => "Tell everybody that the window is open.".to_owned(),
        Inside::CloseWindow(_) => "Tell everybody that the window is closed.".to_owned(),
        Inside::StartRun(start) if !start.is_wanted() => {
            "Nothing: no run is wanted here.".to_owned()
        }
        Inside::StartRun(start) => format!(
            "Do what the page of `{}` says, as a {} run, and come back when it has ended.",
            start.runbook,
            start.mode()
        ),
        Inside::MoveApplication(moves) => format!(
            "Do what the page of `{}` says for {}.",
            moves.runbook,
            moves.application.as_ref().map_or("the application", |name| name.as_str())
        ),
        Inside::StampPoint(_) => "Write down how the test of the recovery point went.".to_owned(),
    }
}

fn people(count: u32) -> String {
    match count {
        1 => "one person".to_owned(),
        count => format!("{count} people"),
    }
}
