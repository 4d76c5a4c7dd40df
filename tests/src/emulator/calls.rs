//! Calls as the engine makes them, and a short engine that carries one out.

use std::sync::Arc;

use jiff::Timestamp;
use muster::world::real::Real;
use muster_runbooks::{
    action::{Action, ComponentKind},
    application::{Application, Component},
    name::{RunId, StepId, Token},
    plan::Binding,
    request::{Manner, Mode},
};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress, in_one_line},
    step::Aim,
};
use serde_json::{Value, json};

use super::{
    EAST, Emulator, WEST,
    aws::{ACCOUNT, cluster_arn},
};

/// The most looks at one call; more means that it never ends.
const LOOKS_MAX: usize = 60;

/// The application `shop` with its database `orders` and its bucket `files`, as the emulator holds
/// them. `more` adds to it or replaces.
pub fn application(more: Value) -> Application {
    let mut shop = json!({
        "name": "shop",
        "title": "Shop",
        "home": EAST,
        "standby": WEST,
        "objectives": { "rto": "15m", "rpo": "5m" },
        "databases": [{
            "name": "orders",
            "global_cluster": "orders",
            "clusters": {
                EAST: cluster_arn(EAST, "orders-east"),
                WEST: cluster_arn(WEST, "orders-west"),
            },
            "retention": { "keep_for": "24h" },
            "restore_test": restore_test(),
        }],
        "buckets": [{
            "name": "files",
            "buckets": { EAST: "files-east", WEST: "files-west" },
            "canary_prefix": "canaries",
        }],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        shop[name] = value.clone();
    }
    serde_json::from_value(shop).expect("an application")
}

/// Where restore tests may bring a database back, in both regions.
pub fn restore_test() -> Value {
    let place = |group: &str| {
        json!({
            "subnet_group": "drills", "security_groups": [group], "instance_class": "db.r6g.large",
            "engine_version": "16.4",
        })
    };
    json!({ EAST: place("sg-0000000000000000e"), WEST: place("sg-0000000000000000f") })
}

/// Where a rebuild may bring a database back, in both regions.
pub fn rebuild() -> Value {
    let place = |group: &str| {
        json!({
            "subnet_group": "shop", "security_groups": [group], "instance_class": "db.r6g.large",
        })
    };
    json!({ EAST: place("sg-0000000000000000a"), WEST: place("sg-0000000000000000b") })
}

/// The two builds of an application, each with a project in both regions.
pub fn builds() -> Value {
    let build = |name: &str| {
        let arn = |region| format!("arn:aws:codebuild:{region}:{ACCOUNT}:project/shop-{name}");
        json!({
            "name": name,
            "projects": { EAST: arn(EAST), WEST: arn(WEST) },
            "variables": { "REGION": "{region}" },
        })
    };
    json!([build("infrastructure"), build("deployment")])
}

/// Attempt 1 of the step that is called like its action.
pub fn call(world: &Emulator, application: &Application, action: &str, with: Value) -> Call {
    call_at(world.now(), application, action, with)
}

/// The same at an instant.
pub fn call_at(now: Timestamp, application: &Application, action: &str, with: Value) -> Call {
    let run: RunId = "r00000000001".parse().expect("a run id");
    let step: StepId = action.parse().expect("a step id");
    let action = Action::build(action, with).expect("an action");
    let component = first(application, action.spec().on.first().copied());
    let binding = Binding {
        application: application.clone(),
        active: application.home.clone(),
        standby: application.standby.clone(),
    };
    Call {
        token: Token::new(&run, &step, 1, action.spec().is_drill_owned()),
        run,
        step,
        attempt: 1,
        action: Arc::new(action),
        binding: Some(Arc::new(binding)),
        component: Some(Arc::new(component)),
        mode: Mode::Live,
        manner: Manner::Graceful,
        started_at: now,
        asked_at: now,
        not_after: now + jiff::SignedDuration::from_hours(12),
        aim: None,
        best_effort: false,
        points: Arc::new([]),
        open_runs: Arc::new([]),
        counted: None,
        peak: None,
        moving: None,
        summary: "a test".to_owned(),
    }
}

/// The same call about the first component of another kind.
pub fn about(mut call: Call, kind: ComponentKind) -> Call {
    let application = &call.binding.as_ref().expect("a binding").application;
    call.component = Some(Arc::new(first(application, Some(kind))));
    call
}

fn first(application: &Application, kind: Option<ComponentKind>) -> Component {
    match kind {
        Some(ComponentKind::Buckets) => Component::Bucket(application.buckets[0].clone()),
        Some(ComponentKind::Caches) => Component::Cache(application.caches[0].clone()),
        Some(ComponentKind::Workloads) => Component::Workload(application.workloads[0].clone()),
        // No call is about a whole application of several.
        Some(ComponentKind::Databases | ComponentKind::Applications) | None => {
            Component::Database(application.databases[0].clone())
        }
    }
}

/// What carrying a call out took.
#[derive(Debug)]
pub struct Carried {
    /// How it ended.
    pub done: Done,
    /// How often it was begun.
    pub begins: usize,
    /// What every look saw, and every answer that was no acceptance.
    pub seen: Vec<String>,
}

/// Looks, aims, begins and looks again until it is done, `secs` of the world's clock apart.
///
/// # Panics
///
/// When it ends badly, or not at all.
pub async fn carry_out(world: &mut Emulator, real: &Real, call: &mut Call, secs: i64) -> Carried {
    let (mut begins, mut seen) = (0, Vec::new());
    for _ in 0..LOOKS_MAX {
        call.asked_at = world.now();
        match real.observe(call).await {
            Ok(reading) => {
                seen.push(reading.progress.to_string());
                match reading.progress {
                    Progress::Done(done) => return Carried { done, begins, seen },
                    Progress::InProgress { .. } => {}
                    Progress::NotStarted { before, targets } => {
                        if call.action.spec().reach.aims() && call.aim.is_none() {
                            call.aim = Some(Arc::new(Aim { at: world.now(), before, targets }));
                        }
                        begins += 1;
                        match real.begin(call).await {
                            Ok(Answer::Accepted) => {}
                            Ok(Answer::Done(done)) => return Carried { done, begins, seen },
                            Ok(Answer::Busy { reason }) => seen.push(format!("busy: {reason}")),
                            Err(why @ CallError::NoAnswer { .. }) => seen.push(in_one_line(&why)),
                            Ok(Answer::Failed { reason }) => panic!("{reason}; seen: {seen:?}"),
                            Err(why) => panic!("{why}; seen before: {seen:?}"),
                        }
                    }
                    Progress::Failed { .. }
                    | Progress::Refused { .. }
                    | Progress::Foreign { .. } => {
                        panic!("it ended badly: {seen:?}")
                    }
                }
            }
            Err(why @ CallError::NoAnswer { .. }) => seen.push(in_one_line(&why)),
            Err(why) => panic!("{why}; seen before: {seen:?}"),
        }
        world.pass(secs);
    }
    panic!("it does not end: {seen:?}")
}

/// One look, now.
pub async fn look(world: &Emulator, real: &Real, call: &mut Call) -> Progress {
    call.asked_at = world.now();
    real.observe(call).await.expect("an answer").progress
}
