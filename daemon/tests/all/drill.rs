//! How a drill came out.

use std::sync::Arc;

use muster::{
    api::view::drill::{self, DrillOutcome},
    report::Report,
};
use muster_runbooks::{
    request::{Manner, Mode},
    runbook::library::Library,
};
use muster_state::{
    event::RunEvent,
    run::Outcome,
    step::{Change, Fault},
};
use serde_json::json;

use super::story::Story;

fn fails(story: &mut Story, step: &str) {
    let attempt = story.start(1, step);
    let fault = Fault::Failed { reason: "the lag is 4m".to_owned() };
    story.change(2, step, Change::Failed { attempt, fault });
}

fn leaks(story: &mut Story, leaks: u32) {
    let attempt = story.start(3, "find-leaks");
    let outputs = Arc::new([("leaks".to_owned(), json!(leaks))].into());
    story.change(4, "find-leaks", Change::Succeeded { attempt, outputs });
}

fn abandoned(story: &mut Story) {
    let (by, reason) = ("olga".to_owned(), "an incident".to_owned());
    story.tell(2, RunEvent::Abandoned { by, reason, undo: false });
}

/// Goal: a drill that was kept from moving anybody did not fail; one that left something behind, or of which
/// nobody knows, did not end well; and a run that is no drill has no such word.
/// Method: the quarterly drill as it ends in each way; what every word rests on is said.
#[test]
fn how_a_drill_comes_out() {
    use DrillOutcome as Word;
    type Tell = fn(&mut Story);
    let table: &[(Tell, Outcome, Word, &str)] = &[
        (|story| leaks(story, 0), Outcome::Succeeded, Word::Succeeded, ""),
        (
            |story| {
                fails(story, "check-replication-main");
                leaks(story, 0);
            },
            Outcome::SucceededWithExceptions,
            Word::Findings,
            "`check-replication-main`: failed: the lag is 4m",
        ),
        (
            |story| {
                fails(story, "check-calendar");
                leaks(story, 0);
            },
            Outcome::Failed,
            Word::NotStarted,
            "`check-calendar`: failed",
        ),
        (
            |story| {
                fails(story, "check-alarms");
                leaks(story, 0);
            },
            Outcome::Failed,
            Word::NotStarted,
            "`check-alarms`: failed",
        ),
        (
            |story| {
                fails(story, "check-outcome");
                fails(story, "go-home");
                leaks(story, 0);
            },
            Outcome::Failed,
            Word::Failed,
            "`go-home`: failed",
        ),
        (
            |story| {
                abandoned(story);
                leaks(story, 0);
            },
            Outcome::Abandoned,
            Word::Interrupted,
            "given up by olga: an incident",
        ),
        (
            |story| leaks(story, 2),
            Outcome::Succeeded,
            Word::CleanupIncomplete,
            "2 objects of drills",
        ),
        (
            |story| fails(story, "find-leaks"),
            Outcome::Failed,
            Word::CleanupIncomplete,
            "nobody knows",
        ),
    ];
    let library = Library::shipped();
    for (tell, outcome, word, because) in table {
        let mut story = Story::begin("quarterly-drill", Mode::Live, Manner::Graceful);
        assert_eq!(drill::judge(&story.run).unwrap(), (Word::Pending, Vec::new()));
        tell(&mut story);
        story.tell(5, RunEvent::Ended { outcome: *outcome });
        let (seen, lines) = drill::judge(&story.run).unwrap();
        assert_eq!(seen, *word, "{lines:?}");
        assert_eq!(lines.is_empty(), because.is_empty(), "{lines:?}");
        assert!(lines.join("; ").contains(because), "{lines:?}");
        let report = Report::make(&story.facts(&library));
        let drill = report.run.heading.drill.unwrap();
        assert_eq!((drill.outcome, drill.because), (word.to_string(), lines));
    }
    let in_earnest = Story::begin("region-failover", Mode::Live, Manner::Forced);
    assert_eq!(drill::judge(&in_earnest.run), None);
    let printed = Story::begin("quarterly-drill", Mode::Preview, Manner::Graceful);
    assert_eq!(drill::judge(&printed.run), None);
}
