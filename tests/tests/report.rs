//! The report of a failover in the simulator, whole: what an auditor would read.

use jiff::{SignedDuration, Timestamp};
use muster::{
    envelope::Envelope,
    report::{
        PAYLOAD_TYPE, Report,
        absent::PERIOD,
        facts::{Around, Facts, Head, Part, RunFacts, ScheduleFacts},
        html,
    },
};
use muster_runbooks::schedule::{self, Schedule};
use muster_state::{
    event::{Event, Record, RunEvent, Stream},
    run::Run,
};
use muster_tests::simulation::{
    Simulation,
    cast::{LIBRARY, SHOP},
    scenario::Scenario,
};

/// The seed of the history: any would do, and this one stays.
const SEED: u64 = 7;

/// The run of a history, out of its journal.
fn run_of(records: &[Record]) -> RunFacts {
    let is_admission =
        |record: &&Record| matches!(record.event, Event::Run(RunEvent::Admitted { .. }));
    let first = records.iter().find(is_admission).expect("a run was admitted");
    let Stream::Run(id) = &first.stream else { panic!("a run's stream") };
    let records: Vec<Record> =
        records.iter().filter(|record| record.stream == first.stream).cloned().collect();
    let event = |record: &Record| {
        let Event::Run(event) = &record.event else { panic!("{record:?}") };
        event.clone()
    };
    let mut run = Run::admitted(id, &event(&records[0]), records[0].at).expect("it is admitted");
    for record in &records[1..] {
        run.apply(&event(record), record.at).expect("it follows");
    }
    RunFacts { run, records }
}

fn schedules() -> Vec<Schedule> {
    let text = "
- { id: nightly, runbook: daily-backup, application: shop, cron: \"0 2 * * *\", catch_up: skip }
";
    schedule::parse("schedules.yaml", text).expect("a schedule")
}

fn facts<'a>(simulation: &Simulation, schedules: &'a [Schedule], made_at: Timestamp) -> Facts<'a> {
    let records = simulation.disk.records();
    let run = run_of(&records);
    let until = run.run.ended.expect("it has ended").at;
    let (first, last) = run.span().expect("it has records");
    let mut meanwhile = records.clone();
    meanwhile.retain(|record| {
        record.stream == Stream::Application(SHOP.name.clone())
            && (first..=last).contains(&record.seq)
    });
    let schedules = schedules.iter();
    let progress = simulation.disk.progress();
    let ended = simulation.disk.ended(&run.run.id);
    Facts {
        made_at,
        program: "0.0.0 (build snapshot)",
        children: Vec::new(),
        since: until - PERIOD,
        library: &LIBRARY,
        around: Around {
            application: progress.applications.get(&SHOP.name).cloned(),
            meanwhile: Part { records: meanwhile, cut: false },
            schedules: schedules
                .map(|schedule| ScheduleFacts { schedule, part: Part::default(), first_due: None })
                .collect(),
            ended: ended.into_iter().collect(),
            ended_cut: false,
            open: Vec::new(),
            programs: Vec::new(),
            begins_at: records.first().map(|record| record.at),
            head: Head { end: progress.end, hash: Some(simulation.disk.mark().hash) },
        },
        run,
    }
}

/// The page as it can be reviewed: a line for each thing, without the style and the payload.
fn reviewable(page: &str, envelope: &Envelope) -> String {
    let page = page.replace(html::STYLE, "…").replace(&envelope.payload, "…");
    ["<section", "<h1", "<h3", "<dt", "<tr", "<p", "<script"]
        .iter()
        .fold(page, |page, mark| page.replace(mark, &format!("\n{mark}")))
}

/// Goal: nobody changes what auditors read without seeing it.
/// Method: one history of a graceful and one of a forced failover; payload and page of each are snapshots.
#[test]
fn a_failover_as_it_is_read() {
    let schedules = schedules();
    for (name, scenario) in [("graceful", Scenario::graceful()), ("forced", Scenario::forced())] {
        let mut simulation = Simulation::new(SEED, scenario);
        simulation.run();
        assert!(!simulation.watch.has_failed());
        let made_at = simulation.now + SignedDuration::from_hours(1);
        let report = Report::make(&facts(&simulation, &schedules, made_at));
        let envelope = Envelope::seal(PAYLOAD_TYPE, &report, None);
        let page = html::write(&report, &envelope);
        let read: Report =
            serde_json::from_slice(&envelope.payload().expect("base64")).expect("a report");
        assert_eq!(read, report, "what is read back is what was written");
        assert_eq!(html::write(&read, &envelope), page, "and makes the same page");
        let payload = serde_json::to_string_pretty(&report).expect("JSON");
        if name == "forced" {
            insta::assert_snapshot!("report_of_a_failover", payload);
            insta::assert_snapshot!("page_of_a_failover", reviewable(&page, &envelope));
        }
        let control = report.controls.iter().find(|one| one.control == "A1.3").expect("a row");
        let missing = control.missing.join("; ");
        assert!(!missing.contains("recovery time is unknown"), "{name}: {missing}");
        assert!(!missing.contains("not over"), "{name}: {missing}");
    }
}
