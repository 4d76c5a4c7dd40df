//! The views as tables: what is said about a run at each point of its life, without a daemon.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use muster::{
    api::view::{application, next, objectives, run as view, schedule, wait::Stops},
    page::{overview, run as page},
    world::canary::Canaries,
};
use muster_runbooks::{
    name::StepId,
    request::{Manner, Mode},
    schedule::parse,
};
use muster_state::{
    catalog::RecoveryPoint,
    event::RunEvent,
    progress::{ApplicationState, Progress, ScheduleState},
    run::{Outcome, Run},
    step::{Change, Fault},
};
use serde_json::json;

use super::story::{admission, at, covetpy};

/// A run that was just admitted, asked for in words that no page may take for its own.
fn run(runbook: &str, mode: Mode, manner: Manner, symptom_at: Option<Timestamp>) -> Run {
    let reason = "<script>alert(1)</script> & \"it is down\"";
    let admitted = admission(runbook, mode, manner, reason, symptom_at);
    Run::admitted(&"a00000000001".parse().unwrap(), &admitted, at(0)).unwrap()
}

fn step(id: &str) -> StepId {
    id.parse().unwrap()
}

fn change(run: &mut Run, id: &str, secs: i64, change: Change) {
    run.apply(&RunEvent::Step { step: step(id), change }, at(secs)).unwrap();
}

fn start(run: &mut Run, id: &str, secs: i64) {
    let planned = run.plan.step(&step(id)).unwrap().clone();
    let task = planned.task(run.manner);
    let action = task.resolve(&run.plan.inputs, |id| run.outputs(id)).unwrap();
    let attempt = run.state(&planned.id).unwrap().attempts() + 1;
    let deadline = at(secs) + planned.limit.duration();
    let manner = run.manner;
    let started = Change::Started { attempt, manner, deadline, action: Arc::new(action) };
    change(run, id, secs, started);
}

fn succeed(run: &mut Run, id: &str, secs: i64, outputs: &[(&str, &str)]) {
    start(run, id, secs - 1);
    let outputs = outputs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    change(run, id, secs, Change::Succeeded { attempt: 1, outputs: Arc::new(outputs) });
}

fn to_the_approval(run: &mut Run) {
    succeed(run, "check-readiness-main", 10, &[("data_loss", "1500ms"), ("path", "switchover")]);
    succeed(run, "check-observers", 20, &[("verdict", "lost"), ("seen", "all three")]);
    start(run, "approve", 20);
}

fn to_the_traffic(run: &mut Run) {
    to_the_approval(run);
    let approved = Change::Succeeded { attempt: 1, outputs: Arc::default() };
    change(run, "approve", 140, approved);
    succeed(run, "settle-old-side-main", 150, &[("data_loss", "1s"), ("path", "switchover")]);
    succeed(run, "promote-database-main", 240, &[("data_loss", "2500ms")]);
    succeed(run, "shift-traffic", 300, &[]);
    succeed(run, "verify-database-main", 330, &[]);
}

fn seen(run: &Run, secs: i64) -> view::RunView {
    view::view(run, &Stops::default(), |_| None, at(secs))
}

/// Goal: the recovery time starts at the first symptom, ends with the last proof, and is not there
/// before (I16); the loss is never rounded down and never zero while it is unknown (I15).
/// Method: one failover, looked at at three points, with and without a known symptom.
#[test]
fn figures() {
    let mut run = run("region-failover", Mode::Live, Manner::Graceful, Some(at(-120)));
    to_the_traffic(&mut run);
    let early = seen(&run, 340);
    let recovery = early.recovery.unwrap();
    assert_eq!((recovery.total, recovery.so_far.unwrap().secs), (None, 460));
    assert!(recovery.because.unwrap().contains("verify-application"));
    let losses = early.losses.unwrap();
    assert_eq!(losses.predicted.unwrap().text, "2s", "an upper bound is rounded up");
    assert_eq!(losses.measured.secs, Some(3));

    succeed(&mut run, "verify-application", 350, &[]);
    let recovery = seen(&run, 999).recovery.unwrap();
    assert_eq!(recovery.total.as_ref().unwrap().secs, 470);
    assert_eq!(
        (recovery.within_objective, recovery.counted_from.as_str()),
        (Some(true), "symptom")
    );
    let parts = recovery.parts;
    let parts = [parts.detect, parts.decide, parts.promote, parts.traffic, parts.verify];
    let parts: Vec<u64> = parts.into_iter().map(|part| part.unwrap().secs).collect();
    assert_eq!(parts, [120, 140, 100, 60, 50]);
    assert_eq!(parts.iter().sum::<u64>(), 470);

    let mut run = self::run("region-failover", Mode::Live, Manner::Graceful, None);
    to_the_approval(&mut run);
    let view = seen(&run, 30);
    assert_eq!(view.recovery.unwrap().parts.detect, None, "nobody said when it began");
    assert_eq!(view.losses.unwrap().measured.text, "unknown");
    let skipped = Change::DoneByHand {
        by: "adam".to_owned(),
        reason: "promoted in the console".to_owned(),
        outputs: Arc::default(),
    };
    change(&mut run, "promote-database-main", 60, skipped);
    assert_eq!(seen(&run, 70).losses.unwrap().measured.text, "unknown", "nobody measured it");
}

/// Goal: every wait has a reason, an owner and, unless only a person ends it, a deadline; and a
/// person is told what to type.
/// Method: a run at each point of its life, and what is said about it.
#[test]
fn waits_and_what_to_type() {
    let said = |run: &Run, off: bool| {
        let off = off.then(|| ("adam".to_owned(), "drill".to_owned()));
        let stops = Stops { off, lease: None };
        let view = view::view(run, &stops, |_| None, at(30));
        let steps = view.steps.iter().filter_map(|step| step.waiting.as_ref());
        let waits: Vec<String> = view
            .waits
            .iter()
            .chain(steps.filter(|wait| wait.needs_person))
            .map(|wait| format!("{} <- {}", wait.reason, wait.owner))
            .collect();
        let types = next::steps(run, &stops, at(30))
            .into_iter()
            .map(|next| next.command)
            .collect::<Vec<_>>();
        format!("{}\n  {}\n  {}\n", view.status, waits.join("\n  "), types.join("\n  "))
    };
    let mut table = String::new();
    let mut run = run("region-failover", Mode::Live, Manner::Graceful, None);
    to_the_approval(&mut run);
    table += &said(&run, false);
    let fault = Fault::TimedOut { seen: "nobody".to_owned() };
    change(&mut run, "approve", 25, Change::Failed { attempt: 1, fault });
    table += &said(&run, true);
    run.apply(&RunEvent::Ended { outcome: Outcome::Failed }, at(26)).unwrap();
    table += &said(&run, false);
    let mut practice = self::run("rehearsal", Mode::Live, Manner::Graceful, None);
    succeed(&mut practice, "before", 5, &[]);
    start(&mut practice, "crash-now", 6);
    table += &said(&practice, false);
    assert_eq!(
        table,
        "\
awaiting_approval
  0 of 1 approvals by role approver <- a person with the role approver
  muster approve a00000000001 --step approve --reason TEXT
  muster decline a00000000001 --step approve --reason TEXT
paused_by_failed_step
  muster was switched off by adam: drill <- an admin
  `approve` has failed: a person decides how it goes on <- an operator
  a person decides how it goes on <- an operator
  muster on --reason TEXT
  muster retry a00000000001 approve --reason TEXT
  muster force a00000000001 --reason TEXT
  muster abandon a00000000001 --reason TEXT
failed
  
  muster status a00000000001
running
  Kill the process, start it again, look at the run, and say go on. <- an operator
  muster done a00000000001 crash-now --reason TEXT
"
    );
}

/// Goal: a recovery point counts only by what is known of it.
/// Method: no point, a fresh one, an old one, one from the future.
#[test]
fn recovery_points_against_the_objective() {
    let application = covetpy();
    let verdict = |age: Option<i64>| {
        let mut known = Progress::default();
        let mut state = ApplicationState::default();
        if let Some(age) = age {
            let point = RecoveryPoint::new(
                "arn:aws:rds:us-east-1:123456789012:cluster-snapshot:one".to_owned(),
                application.databases[0].name.clone(),
                application.home.clone(),
                "123456789012".to_owned(),
                at(-age),
                "a00000000001".parse().unwrap(),
            );
            state.points.insert(point.id.clone(), point);
        }
        known.applications.insert(application.name.clone(), state);
        let view = application::view(&known, &Canaries::default(), &application, at(0));
        serde_json::to_value(view.newest[0].within_rpo).unwrap()
    };
    let verdicts = [None, Some(60), Some(86_400), Some(-60)].map(verdict);
    assert_eq!(verdicts, [json!("unknown"), json!("yes"), json!("no"), json!("unknown")]);
}

/// Goal: a night without its backup is seen in the morning.
/// Method: a schedule that ran, one that was missed after it, one that nobody looked after.
#[test]
fn schedules_show_what_did_not_happen() {
    let text =
        "- id: nightly\n  runbook: daily-backup\n  application: covetpy\n  cron: \"0 2 * * *\"\n";
    let schedule = parse("schedules.yaml", text).unwrap().remove(0);
    let day = SignedDuration::from_hours(24);
    let due = schedule.next(at(0)).unwrap().due_at;
    let state = ScheduleState {
        last_due: Some(due),
        last_run: Some((due - day, "a00000000001".parse().unwrap())),
        missed: vec![(due, "muster was down".to_owned())],
        started_at: Some(due - day + SignedDuration::from_mins(12)),
        succeeded: Some(due - day),
        ..ScheduleState::default()
    };
    let view = schedule::view(&schedule, Some(&state), due + SignedDuration::from_hours(1));
    assert!(view.missed[0].standing && view.overdue_at.is_none());
    assert_eq!(view.late.map(|late| late.text), Some("12m".to_owned()));
    let late = schedule::view(&schedule, Some(&state), due + day + day);
    assert_eq!(late.overdue_at, Some(due + day));
}

/// Goal: the page says everything in words, marks what is not real, and lets no text become markup.
/// Method: a drill with a hostile reason, as the first page and as its own.
#[test]
fn the_page_in_words() {
    let mut run = run("region-failover", Mode::Drill, Manner::Graceful, None);
    to_the_approval(&mut run);
    let view = seen(&run, 30);
    let own = page::show(&view, at(30)).into_string();
    assert!(!own.contains("<script"), "{own}");
    assert!(own.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;it is down&quot;"));
    let first = overview::show(&overview::Overview {
        now: at(30),
        open: vec![view],
        applications: vec![application::view(
            &Progress::default(),
            &Canaries::default(),
            &covetpy(),
            at(30),
        )],
        objectives: vec![objectives::view(&covetpy(), &ApplicationState::default(), None, at(30))],
        detection: Vec::new(),
        readiness: Vec::new(),
        by_hand: vec![overview::ByHandLink {
            application: "covetpy".to_owned(),
            runbook: "region-failover".to_owned(),
            manner: "forced".to_owned(),
        }],
        schedules: Vec::new(),
        proposals: Vec::new(),
        recent: Vec::new(),
    });
    let (own, first) = (words(&own), words(&first.into_string()));
    assert!(own.starts_with("DRILL: nothing here is the real thing"), "{own}");
    for part in [
        "To decide: Ask for the failover",
        "Data loss at most 22s",
        "Lost, at most unknown",
        "Steps check-readiness-main succeeded",
        "(in 9m 50s)",
    ] {
        assert!(own.contains(part), "{part}: {own}");
    }
    for part in [
        "Open runs DRILL region-failover covetpy awaiting approval",
        "Waits for a person with the role approver: 0 of 1 approvals",
        "muster approve a00000000001 --step approve --reason TEXT",
        "Served from unknown — nobody has looked",
        "in us-east-1: no recovery point",
        "region-loss : RPO unknown unknown main : nobody has looked yet",
        "Without Muster: region-failover forced",
        "Nothing happens by itself.",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
}

/// A page as it reads.
fn words(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for sign in html.chars() {
        match sign {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' => inside = false,
            sign if !inside => text.push(sign),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
