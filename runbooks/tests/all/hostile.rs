//! Text that nobody meant to write.

use muster_runbooks::{
    application::Application,
    plan::Plan,
    runbook::{Runbook, library::SHIPPED},
    schedule,
};
use proptest::prelude::*;

use super::print::{COVETPY, at_home, covetpy, request};

/// Cuts a piece out of a text and puts another in its place, at character boundaries.
fn spliced(text: &str, at: usize, gone: usize, put: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let at = at % (letters.len() + 1);
    let end = (at + gone).min(letters.len());
    letters[..at].iter().copied().chain(put.chars()).chain(letters[end..].iter().copied()).collect()
}

fn read_everything(text: &str) {
    let runbook = Runbook::check("x", text);
    let _ = Application::check("x", text);
    let _ = schedule::check("x", text);
    for finding in &runbook.findings {
        assert!(finding.place.line > 0 && finding.place.column > 0, "{finding}");
    }
    // A plan of a runbook with errors is refused or made, but nothing breaks on the way.
    if let Some(runbook) = runbook.value {
        let application = covetpy();
        let _ = Plan::make(
            &runbook,
            &request(&runbook, Some(&application)),
            Some(at_home(application)),
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    /// Goal: no file makes Muster panic.
    /// Method: arbitrary text, and shipped files with a piece exchanged.
    #[test]
    fn no_text_makes_the_reader_panic(
        any in "[ \\t\\n:{}\\[\\]\"'&*!|>#a-z0-9${}.-]{0,200}",
        file in 0..SHIPPED.len(),
        at in any::<usize>(),
        gone in 0..60_usize,
        put in "[ \\n:{}\\[\\]\"a-z0-9${}.-]{0,12}",
    ) {
        read_everything(&any);
        read_everything(&spliced(SHIPPED[file].1, at, gone, &put));
        read_everything(&spliced(COVETPY, at, gone, &put));
    }

    /// Goal: any cron text is refused or has occurrences that rise, never a hang.
    /// Method: arbitrary fields in zones with and without daylight saving.
    #[test]
    fn occurrences_strictly_increase(
        minute in "([0-9]|[1-5][0-9]|\\*/(5|20)|0,30)",
        hour in "(\\*|[0-9]|2[0-3]|1-3|\\*/2)",
        day in "(\\*|[1-9]|3[01]|L)",
        month in "(\\*|3|10|11|FEB)",
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]),
        start in 0..2_000_000_000_i64,
    ) {
        let text = format!("- {{ id: s, runbook: r, cron: \"{minute} {hour} {day} {month} *\", zone: {zone} }}");
        if let Ok(schedules) = schedule::parse("x", &text) {
            let from = jiff::Timestamp::from_second(start).unwrap();
            let until = from + jiff::SignedDuration::from_hours(24 * 200);
            let found = schedules[0].occurrences(from, until, 100);
            prop_assert!(found.iter().all(|one| one.due_at > from && one.due_at <= until));
            prop_assert!(found.windows(2).all(|two| two[0] < two[1]));
            prop_assert_eq!(found.first().copied(), schedules[0].next(from).filter(|one| one.due_at <= until));
            // Asking again from the middle gives the rest: nothing depends on where a search began.
            if let Some(middle) = found.get(found.len() / 2) {
                let rest = schedules[0].occurrences(middle.due_at, until, 100);
                let want = &found[found.len() / 2 + 1..];
                prop_assert_eq!(&rest[..want.len()], want);
            }
        }
    }
}
