//! Runbooks that start runs, and applications that leave a region in their order.

use muster_runbooks::{
    application::{Application, recovery},
    name::Region,
    plan::Plan,
    request::{Manner, Request},
    runbook::{Runbook, library::Library},
};
use serde_json::json;

use super::print::{self, COVETPY, covetpy, request};

fn lint(file: &str) -> String {
    let library = Library::with([("own.yaml", file)]);
    let own = library.findings().iter().filter(|finding| finding.file == "own.yaml");
    print::findings(&own.cloned().collect::<Vec<_>>())
}

fn starts(exclusive: bool, runbook: &str) -> String {
    format!(
        "name: own\ntitle: Start something\nexclusive: {exclusive}\nway_back: own\ninputs:\n  which: \
         {{ type: text, default: rehearsal, why: a test }}\nsteps:\n  - id: say\n    title: Say\n    do: \
         notify\n    with: {{ severity: info, message: \"${{inputs.which}}\" }}\n    limit: 1m\n  - id: go\n    \
         title: Go\n    do: start-run\n    with: {{ runbook: {runbook} }}\n    limit: 1h\n"
    )
}

/// Goal: whoever reviews a runbook sees what it starts; nothing that cannot end is started.
#[test]
fn what_may_be_started() {
    assert_eq!(lint(&starts(false, "rehearsal")), "");
    for (exclusive, runbook, rule) in [
        (false, "rehearsl", "unknown-runbook"),
        (false, "\"${inputs.which}\"", "hidden-run"),
        (false, "quarterly-drill", "run-in-run"),
        (false, "region-evacuation", "run-in-run"),
        (false, "own", "run-in-run"),
        (true, "region-failover", "locked-out"),
    ] {
        let found = lint(&starts(exclusive, runbook));
        assert!(found.contains(&format!("[{rule}]")), "{runbook}: {found}");
    }
    assert!(lint(&starts(false, "rehearsl")).contains("rehearsal"), "the nearest name is said");
}

/// Goal: an approval that holds for all is one that somebody gives.
#[test]
fn whose_word_holds_for_all() {
    let text = include_str!("../../definitions/region-evacuation.yaml");
    let own = text.replacen("name: region-evacuation", "name: own", 1);
    assert_eq!(lint(&own), "");
    let found = lint(&own.replace("approval: approve", "approval: say-how-it-ended"));
    assert_eq!(found.matches("[no-approval]").count(), 2, "{found}");
}

/// Goal: what may move an application is known to do so, however it does it.
#[test]
fn what_moves() {
    let library = Library::shipped();
    let moves = library.runbooks().filter(|runbook| library.moves(runbook));
    let moves: Vec<&str> = moves.map(|runbook| runbook.name.as_str()).collect();
    assert_eq!(
        moves,
        [
            "environment-rebuild",
            "quarterly-drill",
            "region-evacuation",
            "region-failback",
            "region-failover"
        ]
    );
    let preview = starts(false, "region-failover, mode: preview");
    let library = Library::with([("own.yaml", preview.as_str())]);
    let own = library.get(&"own".parse().unwrap()).unwrap();
    assert!(!library.moves(own), "it only looks");
}

/// An application of the reference's kind.
fn named(name: &str, priority: u32, after: &[&str]) -> Application {
    let mut one = covetpy();
    one.name = name.parse().unwrap();
    one.recovery.priority = priority;
    one.recovery.after = after.iter().map(|name| name.parse().unwrap()).collect();
    one
}

fn evacuation(runbook: &Runbook, region: &str) -> Request {
    let mut request = request(runbook, None);
    request.inputs.insert("region".to_owned(), json!(region));
    request
}

fn made(served: &[(&Application, &Region)], region: &str) -> Result<Plan, Vec<String>> {
    let library = Library::shipped();
    let runbook = library.get(&"region-evacuation".parse().unwrap()).unwrap();
    let mut request = evacuation(runbook, region);
    request.manner = Manner::Forced;
    Plan::among(runbook, &request, None, served)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// Goal: who is served from the region moves, by priority, and nobody before those that it comes after; who
/// is served elsewhere stays, and is not waited for.
#[test]
fn who_leaves_and_in_which_order() {
    let (east, west): (Region, Region) =
        ("us-east-1".parse().unwrap(), "us-west-2".parse().unwrap());
    let shop = named("shop", 50, &["billing", "away"]);
    let billing = named("billing", 60, &[]);
    let login = named("login", 1, &[]);
    let away = named("away", 2, &[]);
    let served = [(&shop, &east), (&billing, &east), (&login, &east), (&away, &west)];
    let plan = made(&served, "us-east-1").unwrap();
    let moves: Vec<(&str, Vec<&str>)> = plan
        .steps
        .iter()
        .filter(|step| step.task.action == "move-application")
        .map(|step| (step.id.as_str(), step.needs.iter().map(|id| id.as_str()).collect()))
        .collect();
    assert_eq!(
        moves,
        [
            ("move-login", vec!["approve"]),
            ("move-billing", vec!["approve"]),
            ("move-shop", vec!["approve", "move-billing"]),
        ]
    );
    let step = plan.step(&"move-shop".parse().unwrap()).unwrap();
    let text = print::plan(&plan);
    assert!(
        text.contains("application = \"shop\"") || format!("{step:?}").contains("shop"),
        "{text}"
    );

    assert_eq!(
        made(&served, "eu-west-1").unwrap_err(),
        ["no application is served from `eu-west-1`"]
    );
    let (one, other) = (named("one", 50, &["other"]), named("other", 50, &["one"]));
    assert_eq!(
        made(&[(&one, &east), (&other, &east)], "us-east-1").unwrap_err(),
        ["`one` and `other` wait for each other; see `recovery` in their files"]
    );
    let order = recovery::in_order([&shop, &login]).unwrap();
    assert_eq!(order.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["login", "shop"]);
}

/// Goal: a mistake in `recovery` is said in its place.
#[test]
fn what_recovery_may_say() {
    let with = |recovery: &str| {
        let text = format!("{COVETPY}\nrecovery: {recovery}\n");
        print::findings(&Application::check("covetpy.yaml", &text).findings)
    };
    let sound = print::findings(&Application::check("covetpy.yaml", COVETPY).findings);
    assert_eq!(with("{ priority: 1, after: [billing] }"), sound);
    for (recovery, rule) in [
        ("{ priority: 0 }", "wrong-kind"),
        ("{ priority: 101 }", "wrong-kind"),
        ("{ priority: soon }", "wrong-kind"),
        ("{ after: [covetpy] }", "after-itself"),
        ("{ after: [billing, billing] }", "clash"),
        ("{ after: [\"Not a name\"] }", "wrong-value"),
        ("{ before: [billing] }", "unknown-key"),
    ] {
        let found = with(recovery);
        assert!(found.contains(&format!("[{rule}]")), "{recovery}: {found}");
    }
}

/// Goal: a mistake in `drills` is said in its place.
#[test]
fn what_drills_may_say() {
    let with = |drills: &str| {
        let text = format!("{COVETPY}\ndrills: {drills}\n");
        print::findings(&Application::check("covetpy.yaml", &text).findings)
    };
    let sound = print::findings(&Application::check("covetpy.yaml", COVETPY).findings);
    let hours = "{ days: [tue, wed], from: \"13:00\", to: \"17:00\", zone: America/New_York }";
    let alarm = "{ region: us-west-2, name: errors }";
    let all = format!(
        "{{ allowed: [{hours}], blocked: [{{ from: 2026-11-20, to: 2026-12-02, because: season }}], \
         blocking_alarms: [{alarm}], outcome_alarms: [{alarm}] }}"
    );
    assert_eq!(with(&all), sound);
    for (drills, rule) in [
        ("{ allowed: [{ from: \"13:00\", to: \"17:00\" }] }", "missing-key"),
        ("{ allowed: [{ days: [friday], from: \"13:00\", to: \"17:00\" }] }", "wrong-value"),
        ("{ allowed: [{ days: [fri], from: \"17:00\", to: \"13:00\" }] }", "impossible-window"),
        ("{ allowed: [{ days: [fri], from: noon, to: \"17:00\" }] }", "wrong-value"),
        (
            "{ allowed: [{ days: [fri], from: \"13:00\", to: \"17:00\", zone: Mars/Base }] }",
            "wrong-value",
        ),
        (
            "{ blocked: [{ from: 2026-12-02, to: 2026-11-20, because: season }] }",
            "impossible-window",
        ),
        ("{ blocked: [{ from: 2026-11-20, to: 2026-12-02 }] }", "missing-key"),
        ("{ outcome_alarms: [{ name: errors }] }", "missing-key"),
        ("{ alarms: [] }", "unknown-key"),
    ] {
        let found = with(drills);
        assert!(found.contains(&format!("[{rule}]")), "{drills}: {found}");
    }
}
