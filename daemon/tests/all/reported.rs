//! What a report says, as tables: facts go in, the payload comes out, without a daemon.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use muster::report::{
    Answer, Report,
    controls::Cover,
    deviations,
    duties::Duty,
    facts::{ChildFacts, Facts, OpenRun, Opened, Part, RunFacts, ScheduleFacts},
    findings::Turn,
    heading::Kind,
    scope::Touch,
};
use muster_runbooks::{
    name::{RunId, ScheduleId},
    request::{Manner, Mode},
    runbook::library::Library,
    schedule::{self, Schedule},
};
use muster_state::{
    catalog::Finding,
    event::{ApplicationEvent, Event, Record, RunEvent, ScheduleEvent, Stream},
    progress::Lost,
    run::{Outcome, PauseCause, Status},
    step::{Change, Fault},
};

use super::story::{Story, at, covetpy, ended};

/// Goal: nobody can take an exercise for more than it was.
/// Method: shipped runbooks in each mode and manner, before anything was begun.
#[test]
fn what_sort_of_run_it_was() {
    let table = [
        ("region-failover", Mode::Live, Manner::Graceful, Kind::Switchover),
        ("region-failover", Mode::Live, Manner::Forced, Kind::Failover),
        ("region-failover", Mode::Preview, Manner::Forced, Kind::Tabletop),
        ("region-failover", Mode::Drill, Manner::Graceful, Kind::Tabletop),
        ("region-failback", Mode::Live, Manner::Graceful, Kind::Switchover),
        ("restore-test", Mode::Live, Manner::Graceful, Kind::Restore),
        ("restore-test", Mode::Preview, Manner::Graceful, Kind::Tabletop),
        ("daily-backup", Mode::Live, Manner::Graceful, Kind::Upkeep),
        ("rehearsal", Mode::Live, Manner::Graceful, Kind::Upkeep),
    ];
    let library = Library::shipped();
    for (runbook, mode, manner, kind) in table {
        let report = Report::make(&Story::begin(runbook, mode, manner).facts(&library));
        assert_eq!(report.run.heading.kind, kind, "{runbook} {mode} {manner}");
    }
}

/// Goal: what is not known is unknown, and neither zero nor fine.
/// Method: a switchover of which only the request stands in the journal.
#[test]
fn what_is_not_known_is_unknown() {
    let library = Library::shipped();
    let mut facts = Story::begin("region-failover", Mode::Live, Manner::Graceful).facts(&library);
    facts.around.begins_at = Some(at(-86_400));
    facts.around.head.hash = None;
    let report = Report::make(&facts);
    let results = &report.run.results;
    let recovery = results.recovery.as_ref().unwrap();
    assert_eq!((&recovery.total, recovery.within_rto), (&None, Answer::Unknown));
    assert!(recovery.because.as_ref().unwrap().contains("verify-database-main"));
    let losses = results.losses.as_ref().unwrap();
    assert_eq!((losses.measured.secs, losses.within_rpo), (None, Answer::Unknown));
    assert_eq!(results.data_proven(), Answer::Unknown);
    assert!(results.checks.items.iter().all(|check| check.passed == Answer::Unknown));
    assert!(report.run.means.programs.is_empty());
    let back = report.run.deviations.way_back.as_ref().unwrap();
    assert_eq!((back.runbook.as_str(), back.done), ("region-failback", Answer::Unknown));
    assert!(report.absent.partly_unknown && report.evidence.journal_hash.is_none());
    let a13 = report.controls.iter().find(|one| one.control == "A1.3").unwrap();
    assert_eq!(a13.cover, Cover::Part);
    let missing = a13.missing.join("; ");
    for gap in
        ["not over", "recovery time is unknown", "loss was not measured", "no check of the data"]
    {
        assert!(missing.contains(gap), "{gap}: {missing}");
    }
    let penetration = report.controls.iter().find(|one| one.control == "Art. 26").unwrap();
    assert_eq!(penetration.cover, Cover::None, "a failover is no penetration test");
}

/// Goal: the figures and the deviations of a switchover stand where auditors look.
/// Method: one with a retry, a step over its budget, an accepted risk, a pause, a step by hand and a note.
#[test]
fn a_switchover_in_its_parts() {
    let library = Library::shipped();
    let mut story = Story::begin("region-failover", Mode::Live, Manner::Graceful);
    story.move_it();
    let (who, reason) = ("olga".to_owned(), "a call".to_owned());
    story.tell(520, RunEvent::Paused { cause: PauseCause::Operator { who, reason } });
    story.tell(530, RunEvent::Resumed { by: "olga".to_owned(), reason: "done".to_owned() });
    let by_hand = Change::DoneByHand {
        by: "olga".to_owned(),
        reason: "told them on the phone".to_owned(),
        outputs: Arc::default(),
    };
    story.change(540, "say-how-it-ended", by_hand);
    let note = RunEvent::Noted { by: "ana".to_owned(), text: "opened the firewall".to_owned() };
    story.tell(550, note);
    story.tell(560, RunEvent::Ended { outcome: Outcome::SucceededWithExceptions });
    let mut facts = story.facts(&library);
    let opened = |seq, epoch| Opened { seq, at: at(0), epoch, program: format!("v{epoch}") };
    facts.around.programs = vec![opened(3, 1), opened(90, 2), opened(110, 3), opened(900, 4)];
    facts.around.ended = vec![
        ended("b00000000002", "region-failback", Status::Succeeded, 4_000, 5_000),
        ended("b00000000001", "region-failback", Status::Failed, 2_000, 3_000),
        ended("a00000000009", "region-failback", Status::Succeeded, -900, -800),
    ];
    let known = facts.around.application.as_mut().unwrap();
    let moved = facts.run.run.id.clone();
    let counted = "a00000000009".parse().unwrap();
    let lost = Lost { moved, counted, loss: "1500ms".parse().unwrap(), at: at(9_000) };
    known.lost.insert("main".parse().unwrap(), lost);
    let report = Report::make(&facts);
    let run = &report.run;

    let recovery = run.results.recovery.as_ref().unwrap();
    assert_eq!(recovery.total.as_ref().unwrap().secs, 575);
    assert_eq!((recovery.counted_from.as_str(), recovery.within_rto), ("symptom", Answer::Yes));
    let parts = [
        &recovery.detect,
        &recovery.decide,
        &recovery.promote,
        &recovery.traffic,
        &recovery.verify,
    ];
    let parts: Vec<u64> = parts.into_iter().map(|part| part.as_ref().unwrap().secs).collect();
    assert_eq!(parts, [60, 101, 330, 69, 15]);
    let losses = run.results.losses.as_ref().unwrap();
    assert_eq!(losses.predicted.as_ref().unwrap().secs, Some(2), "an upper bound is rounded up");
    assert_eq!((losses.measured.secs, losses.within_rpo), (Some(3), Answer::Yes));
    assert_eq!(losses.counted.as_ref().unwrap().secs, Some(2), "the run that counted it says so");
    assert_eq!(run.results.measured.items[0].value, "290s");

    let kinds: Vec<&str> = run.deviations.list.items.iter().map(|one| one.kind.word()).collect();
    let expected = ["risk accepted", "retry", "over budget", "pause", "resume", "by hand", "note"];
    assert_eq!(kinds, expected);
    let promote = run.timeline.step("promote-database-main").unwrap();
    assert_eq!((promote.over_budget, promote.took.as_ref().unwrap().secs), (Answer::Yes, 300));
    let settle = run.timeline.step("settle-old-side-main").unwrap();
    let tries: Vec<&str> = settle.tries.items.iter().map(|one| one.ended.as_str()).collect();
    assert_eq!(tries, ["tried again", "succeeded"]);
    assert_eq!(settle.over_budget, Answer::No);

    let programs: Vec<&str> =
        run.means.programs.items.iter().map(|one| one.program.as_str()).collect();
    assert_eq!(programs, ["v2", "v3"], "who admitted it, and who took it over");
    let people: Vec<(&str, usize)> =
        run.means.people.items.iter().map(|one| (one.name.as_str(), one.did.items.len())).collect();
    assert_eq!(people, [("ana", 2), ("olga", 4)]);
    let back = run.deviations.way_back.as_ref().unwrap();
    let runs: Vec<&str> = back.runs.items.iter().map(|one| one.run.as_str()).collect();
    assert_eq!((back.done, runs), (Answer::Yes, vec!["b00000000001", "b00000000002"]));
    assert_eq!(run.deviations.clean_up.clean, Answer::Yes);

    let scope = run.heading.scope.as_ref().unwrap();
    let touch = |kind: &str| {
        let of = scope.components.items.iter().filter(|one| one.kind == kind);
        of.map(|one| one.touch).collect::<Vec<_>>()
    };
    assert_eq!((touch("database"), touch("traffic")), (vec![Touch::Changed], vec![Touch::Changed]));
    assert!(touch("bucket").iter().all(|touch| *touch == Touch::LeftOut));
    assert!(touch("workload").iter().all(|touch| *touch == Touch::Passed), "{scope:?}");
    let range = &report.evidence.streams.items[0];
    assert_eq!((range.first.seq, range.records), (100, facts.run.records.len()));
    assert_eq!(
        (range.first.kind.as_str(), range.last.kind.as_str()),
        ("run/admitted", "run/ended")
    );
}

/// Goal: a restore that leaves something behind, or may have, is not called clean.
/// Method: restore tests whose clean-up went well, was passed by, failed, or left a finding.
#[test]
fn clean_is_only_what_was_seen_to_be() {
    let library = Library::shipped();
    let tidied = |end: &dyn Fn(&mut Story)| {
        let mut story = Story::begin("restore-test", Mode::Live, Manner::Graceful);
        story.succeed(1, 2, "find-leaks", &[]);
        story.succeed(
            1,
            2,
            "choose-main",
            &[("point", "arn:p"), ("data_time", "2026-01-01T00:00:00Z")],
        );
        story.succeed(
            3,
            900,
            "restore-main",
            &[("cluster", "c"), ("arn", "a"), ("began_at", "2026-01-01T00:00:00Z")],
        );
        end(&mut story);
        story
    };
    let clean = |facts: &Facts<'_>| Report::make(facts).run.deviations.clean_up.clean;
    let all = tidied(&|story| {
        story.succeed(901, 910, "remove-instance-main", &[]);
        story.succeed(911, 920, "remove-cluster-main", &[]);
    });
    let mut facts = all.facts(&library);
    assert_eq!(clean(&facts), Answer::Yes);
    let finding =
        |id: &str| Finding { id: id.to_owned(), message: "left".to_owned(), hint: String::new() };
    let state = facts.around.application.as_mut().unwrap();
    let id = "leak-muster-drill-a00000000009-restore-main-1";
    state.findings.insert(id.to_owned(), (at(0), finding(id)));
    assert_eq!(clean(&facts), Answer::Yes, "another run's");
    let state = facts.around.application.as_mut().unwrap();
    let id = "leak-muster-drill-a00000000001-restore-main-1";
    state.findings.insert(id.to_owned(), (at(0), finding(id)));
    assert_eq!(clean(&facts), Answer::No, "its own");

    let half = tidied(&|story| story.succeed(901, 910, "remove-instance-main", &[]));
    assert_eq!(clean(&half.facts(&library)), Answer::Unknown);
    let failed = tidied(&|story| {
        let attempt = story.start(901, "remove-cluster-main");
        let fault = Fault::Refused { reason: "denied".to_owned() };
        story.change(910, "remove-cluster-main", Change::Failed { attempt, fault });
    });
    assert_eq!(clean(&failed.facts(&library)), Answer::No);
    let skipped = tidied(&|story| {
        story.succeed(901, 910, "remove-instance-main", &[]);
        let (by, reason) = ("olga".to_owned(), "later".to_owned());
        story.change(911, "remove-cluster-main", Change::Skipped { by, reason });
    });
    assert_eq!(clean(&skipped.facts(&library)), Answer::Unknown);
}

fn schedules() -> Vec<Schedule> {
    let text = "
- { id: nightly, runbook: daily-backup, application: covetpy, cron: \"0 2 * * *\", catch_up: skip }
";
    schedule::parse("schedules.yaml", text).unwrap()
}

/// Goal: what did not run is told, in each way in which nothing may have happened.
/// Method: a schedule of ten nights: before it was known, missed, started, and silent.
#[test]
fn what_did_not_happen() {
    let library = Library::shipped();
    let schedules = schedules();
    let mut story = Story::begin("region-failover", Mode::Live, Manner::Graceful);
    story.move_it();
    story.tell(560, RunEvent::Ended { outcome: Outcome::Succeeded });
    let mut facts = story.facts(&library);
    facts.since = at(560) - SignedDuration::from_hours(24 * 10);
    let due: Vec<Timestamp> = schedules[0]
        .occurrences(facts.since, at(560), 100)
        .into_iter()
        .map(|occurrence| occurrence.due_at)
        .collect();
    assert_eq!(due.len(), 10);
    let id: ScheduleId = "nightly".parse().unwrap();
    let record = |seq, event| Record {
        seq,
        at: at(0),
        stream: Stream::Schedule(id.clone()),
        event: Event::Schedule(event),
    };
    let run: RunId = "b00000000001".parse().unwrap();
    let because = "muster was not running then".to_owned();
    let mut records = vec![record(1, ScheduleEvent::Missed { due_at: due[4], because })];
    for place in [3, 5, 7, 8, 9] {
        let started = ScheduleEvent::Started { due_at: due[place], run: run.clone() };
        records.push(record(2 + place as u64, started));
    }
    let part = Part { records, cut: false };
    facts.around.schedules =
        vec![ScheduleFacts { schedule: &schedules[0], part, first_due: Some(due[3]) }];
    facts.around.ended = vec![
        ended("c00000000009", "daily-backup", Status::Failed, 5_000, 6_000),
        ended("c00000000003", "restore-test", Status::Abandoned, -500, -400),
        ended("c00000000002", "daily-backup", Status::Succeeded, -700, -600),
        ended("c00000000001", "daily-backup", Status::Failed, -90_000, -80_000),
    ];
    let report = Report::make(&facts);
    let line = &report.absent.schedules[0];
    assert_eq!((line.due, line.started, line.before_known), (10, 5, 3));
    let missed: Vec<Timestamp> = line.missed.items.iter().map(|one| one.due_at).collect();
    assert_eq!((missed, &line.unrecorded.items), (vec![due[4]], &vec![due[6]]));
    let duties: Vec<(Duty, bool)> =
        report.absent.unscheduled.iter().map(|one| (one.duty, one.last_run.is_some())).collect();
    let without = [
        (Duty::RestoreTest, true),
        (Duty::DataCheck, true),
        (Duty::ReplicationCheck, false),
        (Duty::MoveExercise, false),
    ];
    let without: Vec<(Duty, bool)> = without.into();
    assert_eq!(duties, without);
    let failed: Vec<&str> = report.absent.failed.items.iter().map(|one| one.run.as_str()).collect();
    assert_eq!(failed, ["c00000000003", "c00000000001"], "what failed later is not of the period");
    let streams: Vec<&str> =
        report.evidence.streams.items.iter().map(|one| one.stream.as_str()).collect();
    assert_eq!(streams, ["run/a00000000001", "schedule/nightly"]);
}

/// Goal: findings are told with their age, and what the run itself brought or took is told apart.
#[test]
fn findings_before_and_during() {
    let library = Library::shipped();
    let mut story = Story::begin("region-failover", Mode::Live, Manner::Graceful);
    story.move_it();
    story.tell(560, RunEvent::Ended { outcome: Outcome::Succeeded });
    let mut facts = story.facts(&library);
    let finding =
        |id: &str| Finding { id: id.to_owned(), message: id.to_owned(), hint: String::new() };
    let state = facts.around.application.as_mut().unwrap();
    for (id, since) in [("reprotect-traffic", 500), ("no-lease", -9_000), ("later", 9_000)] {
        state.findings.insert(id.to_owned(), (at(since), finding(id)));
    }
    let name = covetpy().name;
    let record = |seq, event| Record {
        seq,
        at: at(500),
        stream: Stream::Application(name.clone()),
        event: Event::Application(event),
    };
    facts.around.meanwhile.records = vec![
        record(131, ApplicationEvent::FindingOpened { finding: finding("reprotect-traffic") }),
        record(133, ApplicationEvent::FindingClosed { id: "lag".to_owned() }),
    ];
    let report = Report::make(&facts);
    let standing: Vec<(&str, bool)> =
        report.findings.standing.items.iter().map(|one| (one.id.as_str(), one.during)).collect();
    assert_eq!(standing, [("no-lease", false), ("reprotect-traffic", true), ("later", false)]);
    let turns: Vec<Turn> = report.findings.meanwhile.items.iter().map(|one| one.turn).collect();
    assert_eq!(turns, [Turn::Opened, Turn::Closed]);
}

/// Goal: a run that moves an application inside an exercise is reported with it, and counts for it; what
/// cannot be read is said.
/// Method: a rehearsal with two children, one of which cannot be read.
#[test]
fn what_a_run_started_is_reported_with_it() {
    let library = Library::shipped();
    let mut moved = Story::begin("region-failover", Mode::Live, Manner::Forced);
    moved.run.id = "b00000000001".parse().unwrap();
    let mut facts = Story::begin("rehearsal", Mode::Live, Manner::Graceful).facts(&library);
    let step = || "crash-now".parse().unwrap();
    let known = RunFacts { run: moved.run, records: moved.records };
    facts.children = vec![
        ChildFacts { step: step(), run: "b00000000001".parse().unwrap(), facts: Ok(known) },
        ChildFacts {
            step: step(),
            run: "b00000000002".parse().unwrap(),
            facts: Err("damaged".to_owned()),
        },
    ];
    facts.around.open = vec![OpenRun {
        id: "b00000000001".parse().unwrap(),
        runbook: "region-failover".to_owned(),
        admitted_at: at(0),
    }];
    let report = Report::make(&facts);
    assert_eq!(report.run.heading.kind, Kind::Failover);
    let children = &report.children.items;
    let first = children[0].account.as_ref().unwrap();
    assert_eq!((first.heading.kind, first.heading.run.as_str()), (Kind::Failover, "b00000000001"));
    assert_eq!(
        (children[1].account.is_none(), children[1].unreadable.as_deref()),
        (true, Some("damaged"))
    );
    let a13 = report.controls.iter().find(|one| one.control == "A1.3").unwrap();
    assert!(a13.missing.iter().any(|why| why.contains("recovery time")), "{a13:?}");
    assert!(!a13.missing.iter().any(|why| why.contains("no recovery")), "{a13:?}");
}

/// Goal: nothing grows without an end, and what had no room is counted.
/// Method: a run with more notes than are listed.
#[test]
fn lists_have_an_end() {
    let library = Library::shipped();
    let mut story = Story::begin("rehearsal", Mode::Live, Manner::Graceful);
    for place in 0..2_100 {
        let text = format!("{place} {}", "x".repeat(3_000));
        story.tell(1, RunEvent::Noted { by: "olga".to_owned(), text });
    }
    let report = Report::make(&story.facts(&library));
    let list = &report.run.deviations.list;
    assert_eq!((list.items.len(), list.left_off), (200, 1_900));
    assert!(
        list.items.iter().all(|one| one.kind == deviations::Kind::Note && one.text.len() < 2_100)
    );
    let entries = &report.run.timeline.entries;
    assert_eq!((entries.items.len(), entries.left_off), (2_000, 101));
    let did = &report.run.means.people.items[0].did;
    assert_eq!(did.items.len() + did.left_off, 2_101);
}
