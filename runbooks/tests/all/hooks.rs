//! Hooks around a snapshot: in the file, in the plan, in a preview.

use muster_runbooks::{
    action::On,
    application::{Application, hook::HookTime},
    plan::Plan,
    runbook::{Runbook, library::Library},
};

use super::print::{self, COVETPY, at_home, covetpy, request};

/// The reference application with the hooks that its file shows in a comment.
fn text() -> String {
    let start = COVETPY.find("    # hooks:\n").expect("the reference shows hooks");
    let end = start + COVETPY[start..].find("\n\n").expect("a blank line ends the database");
    let shown: String =
        COVETPY[start..end].lines().map(|line| line.replacen("    # ", "    ", 1) + "\n").collect();
    format!("{}{shown}{}", &COVETPY[..start], &COVETPY[end + 1..])
}

fn hooked() -> Application {
    Application::parse("covetpy.yaml", &text()).expect("the reference's hooks are sound")
}

fn shipped(name: &str) -> Runbook {
    Library::shipped().get(&name.parse().unwrap()).unwrap().clone()
}

fn make(runbook: &Runbook, application: Application) -> Plan {
    let request = request(runbook, Some(&application));
    Plan::make(runbook, &request, Some(at_home(application))).unwrap()
}

/// Goal: a hook that could keep an application still, ask a stranger or do nothing is found by day.
/// Method: one change to the hooks of the reference application each; the snapshot is the table.
#[test]
fn each_mistake_is_found_in_its_place() {
    let text = text();
    assert_eq!(print::findings(&Application::check("x", &text).findings), "");
    let mut table = String::new();
    for (name, from, to) in MISTAKES {
        assert!(text.contains(from), "{name}: `{from}` is not in the hooks");
        let found = Application::check("x", &text.replacen(from, to, 1)).findings;
        table += &format!("# {name}\n{}\n", print::findings(&found));
    }
    insta::assert_snapshot!(table);
}

const MISTAKES: &[(&str, &str, &str)] = &[
    ("no limit", "        limit: 30s\n        on_error: fail", "        on_error: fail"),
    (
        "a limit of nothing",
        "limit: 30s\n        on_error: fail",
        "limit: 0s\n        on_error: fail",
    ),
    (
        "a limit over the most",
        "limit: 30s\n        on_error: fail",
        "limit: 11m\n        on_error: fail",
    ),
    ("a limit without its unit", "limit: 20s", "limit: 20"),
    ("no word on errors", "        on_error: fail\n", ""),
    ("another word on errors", "        on_error: fail", "        on_error: ignore"),
    ("another time", "when: after-snapshot", "when: after-copy"),
    ("no kind", "        sql: {", "        # sql: {"),
    ("two kinds", "        sql: {", "        exec: { workload: production }\n        sql: {"),
    ("an unknown key", "        sql: {", "        retries: 3\n        sql: {"),
    ("one name twice", "name: checkpoint", "name: quiesce-ingest"),
    ("an unknown workload", "workload: production", "workload: productoin"),
    ("an empty command", "[/bin/ingest, resume, \"{token}\"]", "[]"),
    ("a command with an empty word", "[/bin/ingest, resume,", "[/bin/ingest, \"\","),
    ("no command", "          command: [/bin/ingest, resume, \"{token}\"]\n", ""),
    ("no container of that name", "container: api", "container: ../api"),
    ("in the clear", "https://app.covetpy.example/internal", "http://app.covetpy.example/internal"),
    ("a name that is not loopback", "https://app.covetpy", "http://127.0.0.1.covetpy"),
    ("a password in the URL", "https://app.", "https://ops:hunter2@app."),
    ("the metadata service", "https://app.covetpy.example/internal", "http://169.254.169.254/x"),
    ("a token for a name", "QUIESCE_TOKEN", "hunter2"),
    ("two statements", "CHECKPOINT", "\"checkpoint; drop table orders\""),
    ("no statement", "CHECKPOINT", "\"-- nothing\""),
    ("half a login", "login: { user: muster_hooks, password_env: HOOKS_PASSWORD }", "login: {}"),
];

/// Goal: a statement needs a way to the database, one URL is not asked twice under one key, an hour of
/// standing still is not meant, and loopback may be asked in the clear.
/// Method: a small application each.
#[test]
fn hooks_are_judged_next_to_each_other() {
    let with = |hooks: &str| {
        let start = COVETPY.find("    # Checks and canary").unwrap();
        let end = COVETPY.find("\nbuckets:").unwrap();
        let text = format!("{}    hooks:\n{hooks}\n{}", &COVETPY[..start], &COVETPY[end..]);
        let found = Application::check("x", &text).findings;
        found.iter().map(|one| format!("{}: {}", one.rule, one.message)).collect::<Vec<_>>()
    };
    let http = |name: &str, when: &str, limit: &str, url: &str| {
        let head =
            format!("{{ name: {name}, when: {when}-snapshot, limit: {limit}, on_error: fail");
        format!("    - {head}, http: {{ url: \"{url}\" }} }}\n")
    };
    let near = "http://127.0.0.1:8080/quiesce";
    assert_eq!(with(&http("a", "before", "1m", near)), Vec::<String>::new());
    let same = [http("a", "before", "1m", near), http("b", "after", "1m", near)].concat();
    assert_eq!(with(&same), Vec::<String>::new());
    let same = [http("a", "after", "1m", near), http("b", "after", "1m", near)].concat();
    assert_eq!(
        with(&same),
        ["same-url: two hooks `after-snapshot` ask one URL under one idempotency key"]
    );
    let long: String = ["a", "b", "c", "d"]
        .map(|name| http(name, "before", "10m", &format!("{near}/{name}")))
        .concat();
    assert_eq!(with(&long), ["too-long: the hooks `before-snapshot` may take over 30m together"]);
    let many: String = (0..17).map(|at| http(&format!("h{at}"), "after", "1s", "x")).collect();
    assert_eq!(with(&many), ["too-many-hooks: a database has 16 hooks at most"]);
    let sql = "    - { name: a, when: after-snapshot, limit: 1s, on_error: fail, sql: { statement: checkpoint } }";
    assert_eq!(with(sql), ["no-sql: a hook by SQL needs `sql` of the database: how it is reached"]);
}

/// Goal: nobody changes what is asked around a snapshot without seeing it in review.
/// Method: the plans of the two runbooks for an application with hooks; what a preview prints.
#[test]
fn a_plan_with_hooks_is_known() {
    let mut all = print::plan(&make(&shipped("daily-backup"), hooked()));
    let application = hooked();
    let component =
        application.components(muster_runbooks::action::ComponentKind::Databases)[0].clone();
    let on = On {
        application: &application,
        active: &application.home,
        standby: &application.standby,
        component: Some(&component),
        token: "muster-r00000000001-before-snapshot-main-1",
    };
    for step in ["before-snapshot-main", "after-snapshot-main"] {
        let plan = make(&shipped("daily-backup"), hooked());
        let step = plan.step(&step.parse().unwrap()).unwrap();
        let action = step.task.resolve(&Default::default(), |_| None).unwrap();
        let said = action.describe(&on);
        for line in said.effect.iter().chain(&said.by_hand).chain(&said.permissions) {
            all += &format!("{line}\n");
        }
    }
    insta::assert_snapshot!(all);
}

/// Goal: an application that declares no hooks has the plan that it had before there were any, and a
/// database with hooks holds up none without.
/// Method: the bytes of the plan with and without the steps in the runbook; two databases, one with
/// hooks before, one with hooks after.
#[test]
fn only_what_declares_hooks_is_asked() {
    for name in ["daily-backup", "pre-deployment-snapshot"] {
        let file = match name {
            "daily-backup" => include_str!("../../definitions/daily-backup.yaml"),
            _ => include_str!("../../definitions/pre-deployment-snapshot.yaml"),
        };
        let without = without_hooks(file);
        assert!(!without.contains("run-hooks") && without.contains("do: copy-snapshot"));
        let old = Runbook::check("x", &without).into_result().unwrap();
        let plan = |runbook: &Runbook| {
            let mut request = request(runbook, Some(&covetpy()));
            if name == "pre-deployment-snapshot" {
                request.inputs.insert("schema_version".to_owned(), "7".into());
            }
            let plan = Plan::make(runbook, &request, Some(at_home(covetpy()))).unwrap();
            serde_json::to_string(&plan).unwrap()
        };
        let now = plan(&shipped(name));
        assert_eq!(now, plan(&old), "{name}");
        assert!(!now.contains("hooks") && !now.contains("always"), "{now}");
    }

    let mut application = hooked();
    application.workloads.clear();
    application.caches.clear();
    let mut before = application.databases.remove(0);
    let mut after = before.clone();
    before.hooks.retain(|hook| hook.when == HookTime::BeforeSnapshot);
    after.hooks.retain(|hook| hook.when == HookTime::AfterSnapshot);
    after.name = "other".parse().unwrap();
    let mut none = after.clone();
    none.hooks.clear();
    none.name = "plain".parse().unwrap();
    application.databases = vec![before, after, none];
    let plan = make(&shipped("daily-backup"), application);
    let shape: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            let needs: Vec<&str> = step.needs.iter().map(|id| id.as_str()).collect();
            format!("{} <- {}", step.id, needs.join(" "))
        })
        .collect();
    assert_eq!(
        shape,
        [
            "before-snapshot-main <- ",
            "snapshot-main <- before-snapshot-main",
            "snapshot-other <- ",
            "snapshot-plain <- ",
            "after-snapshot-other <- snapshot-other",
            "copy-main <- snapshot-main",
            "copy-other <- snapshot-other",
            "copy-plain <- snapshot-plain",
        ]
    );
}

/// A runbook as it was before there were hooks: without the two steps, and with the needs that follow.
fn without_hooks(file: &str) -> String {
    let steps: Vec<&str> = file.split("\n  - id: ").collect();
    let kept: Vec<&str> =
        steps.into_iter().filter(|step| !step.contains("do: run-hooks")).collect();
    kept.join("\n  - id: ").replace("    needs: [snapshot]\n", "")
}

/// Goal: a step that asks hooks has the time that they may take.
/// Method: a runbook of one's own with a minute for hooks of over a minute.
#[test]
fn hooks_must_fit_into_their_step() {
    let text =
        include_str!("../../definitions/daily-backup.yaml").replace("limit: 1h\n", "limit: 45s\n");
    let runbook = Runbook::check("x", &text).into_result().unwrap();
    let request = request(&runbook, Some(&hooked()));
    let refused = Plan::make(&runbook, &request, Some(at_home(hooked()))).unwrap_err();
    let refused: Vec<String> = refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        refused,
        [
            "`before-snapshot-main` has 45s, and the hooks of `main` may take 50s; raise its `limit` or lower theirs"
        ]
    );
}
