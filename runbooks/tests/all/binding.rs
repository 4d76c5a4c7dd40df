//! From a runbook to a plan: components, needs, references, inputs.

use muster_runbooks::{
    application::{Application, Database},
    plan::{OnFailure, Plan, STEPS_MAX, Step, bind::BindProblem},
    request::{Manner, Mode, Request},
    runbook::{Runbook, library::Library},
};

use super::print::{self, at_home, covetpy, request};

/// CovetPy with so many databases, and nothing in Kubernetes.
fn with_databases(names: &[&str]) -> Application {
    let mut application = covetpy();
    let database = application.databases.remove(0);
    application.workloads.clear();
    application.databases = names
        .iter()
        .map(|name| Database { name: name.parse().unwrap(), ..database.clone() })
        .collect();
    application
}

fn shipped(name: &str) -> Runbook {
    Library::shipped().get(&name.parse().unwrap()).unwrap().clone()
}

fn make(runbook: &Runbook, application: Application) -> Result<Plan, Vec<BindProblem>> {
    let request = request(runbook, Some(&application));
    Plan::make(runbook, &request, Some(at_home(application)))
}

/// The ids of a plan with what they need and what they refer to, one line each.
fn shape(plan: &Plan) -> String {
    let mut out = String::new();
    for step in &plan.steps {
        let needs: Vec<&str> = step.needs.iter().map(|id| id.as_str()).collect();
        out += &format!("{} <- {}", step.id, needs.join(" "));
        for (name, arg) in &step.task.with {
            let text = print::arg(arg);
            if text.contains('.') {
                out += &format!(" | {name}={text}");
            }
        }
        out.push('\n');
    }
    out
}

/// Goal: with two databases, no database waits for the other's copy, and none is promoted before
/// every old side was settled; without any, the steps that remain keep their order.
/// Method: the needs of the plans, as text.
#[test]
fn each_is_expanded_and_needs_follow() {
    let plan = make(&shipped("daily-backup"), with_databases(&["orders", "users"])).unwrap();
    assert_eq!(
        shape(&plan),
        "\
snapshot-orders <- 
snapshot-users <- 
copy-orders <- snapshot-orders | data_time=snapshot-orders.data_time | snapshot=snapshot-orders.snapshot
copy-users <- snapshot-users | data_time=snapshot-users.data_time | snapshot=snapshot-users.snapshot
"
    );
    let failover = shipped("region-failover");
    let plan = make(&failover, with_databases(&["orders", "users"])).unwrap();
    insta::assert_snapshot!("failover_of_two", shape(&plan));
    let plan = make(&failover, with_databases(&[])).unwrap();
    insta::assert_snapshot!("failover_of_none", shape(&plan));
    let approve = plan.step(&"approve".parse().unwrap()).unwrap();
    assert_eq!(print::arg(&approve.task.with["data_loss"]), "\"unknown\"");
}

/// Goal: what may run on one side only stops before a database is promoted and starts behind the users; a
/// cache is promoted beside the database; what holds dead connections is restarted between the two. Of a
/// component that declares none of it no step is made.
/// Method: the needs of the plans with everything declared, as text.
#[test]
fn what_moves_with_a_failover_has_its_place() {
    let mut application = covetpy();
    let workload = &mut application.workloads[0];
    workload.workers = vec!["cronjob/nightly".parse().unwrap()];
    workload.restart_after_failover = vec!["deployment/api".parse().unwrap()];
    application.caches[0].global = Some("ldgnf-covet".to_owned());
    let west = application.standby.to_string();
    application.caches[0].replication_groups.insert(west, "covet-redis".to_owned());
    let shapes = ["region-failover", "region-failback", "daily-backup"]
        .map(|name| shape(&make(&shipped(name), application.clone()).unwrap()));
    insta::assert_snapshot!("failover_of_everything", shapes.join("\n"));
    let plan = make(&shipped("region-failover"), covetpy()).unwrap();
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    let none = ["stop-workers", "suspend-old", "resume-new", "restart-clients", "failover-cache"];
    assert!(!ids.iter().any(|id| none.iter().any(|start| id.starts_with(start))), "{ids:?}");
}

/// Goal: a canary is written into a bucket once it has a prefix for canaries, and not before.
/// Method: the replication check of the reference application, without and with one.
#[test]
fn a_bucket_without_a_canary_prefix_is_left_alone() {
    let check = shipped("replication-check");
    let mut application = covetpy();
    let quiet = shape(&make(&check, application.clone()).unwrap());
    assert!(!quiet.contains("write-canary") && quiet.contains("check-rules-backups"), "{quiet}");
    application.buckets[0].canary_prefix = Some("muster/canary/".to_owned());
    let plan = make(&check, application).unwrap();
    assert_eq!(shape(&plan).lines().last(), Some("write-canary-backups <- "));
}

/// Goal: long names stay legal and apart.
/// Method: two components whose ids would be cut to the same beginning.
#[test]
fn a_long_id_is_shortened_with_a_hash() {
    let names = ["a-component-of-length-24", "a-component-of-length-25"];
    let plan = make(&shipped("region-failover"), with_databases(&names)).unwrap();
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    let mut promote: Vec<&&str> = ids.iter().filter(|id| id.starts_with("promote")).collect();
    assert_eq!(promote.len(), 2);
    assert!(promote.iter().all(|id| id.len() == 32), "{promote:?}");
    promote.dedup();
    assert_eq!(promote.len(), 2);
}

/// Goal: what cannot be planned is refused with a reason that the requester can act on, all at once.
/// Method: a table of requests.
#[test]
fn what_cannot_be_planned_is_refused() {
    let failover = shipped("region-failover");
    let problems = |runbook: &Runbook, change: &dyn Fn(&mut Request)| {
        let mut request = request(runbook, Some(&covetpy()));
        change(&mut request);
        let problems = Plan::make(runbook, &request, Some(at_home(covetpy()))).unwrap_err();
        problems.iter().map(BindProblem::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        problems(&failover, &|request| {
            request.runbook = "rehearsal".parse().unwrap();
            request.application = Some("other".parse().unwrap());
            request.inputs.insert("data_loss_max".to_owned(), 5.into());
            request.inputs.insert("loss".to_owned(), "5m".into());
        }),
        "\
the request asks for `rehearsal`, not for `region-failover`
the request is not about application `covetpy`
runbook `region-failover` has no input `loss`
input `data_loss_max`: expected a duration such as `90s` or `5m`, found 5"
    );
    assert_eq!(
        problems(&shipped("pre-deployment-snapshot"), &|request| {
            request.manner = Manner::Forced;
        }),
        "\
runbook `pre-deployment-snapshot` has no forced way
input `schema_version` must be given: a restored database only fits the application of the same schema"
    );

    let mut request = request(&failover, None);
    let refused = Plan::make(&failover, &request, None).unwrap_err();
    assert_eq!(refused, [BindProblem::NeedsApplication { runbook: failover.name.clone() }]);
    request.application = Some("covetpy".parse().unwrap());
    let mut binding = at_home(covetpy());
    binding.standby = binding.active.clone();
    let refused = Plan::make(&failover, &request, Some(binding)).unwrap_err();
    assert_eq!(refused, [BindProblem::WrongRoles { application: "covetpy".parse().unwrap() }]);
}

/// Goal: a plan has a size, and one value is never picked out of several.
/// Method: too many databases; a runbook that wants one path out of two; ids that meet.
#[test]
fn a_plan_has_a_size_and_no_guesses() {
    let names: Vec<String> = (0..STEPS_MAX).map(|number| format!("db{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let refused = make(&shipped("daily-backup"), with_databases(&names)).unwrap_err();
    assert_eq!(refused, [BindProblem::TooManySteps { count: 2 * STEPS_MAX }]);

    let text = "\
name: one
title: One path
steps:
  - { id: look, title: Look, each: databases, do: predict-loss, limit: 1m }
  - id: tell
    title: Tell
    do: notify
    with: { severity: info, message: \"${steps.look.outputs.path}\" }
    limit: 1m
  - { id: look-users, title: Look, do: gate, with: { asks: well }, limit: 1m }
";
    let runbook = Runbook::check("one.yaml", text).into_result().unwrap();
    let plan = make(&runbook, with_databases(&["orders"])).unwrap();
    assert!(shape(&plan).contains("message=look-orders.path"), "{}", shape(&plan));
    let plan = make(&runbook, with_databases(&[])).unwrap();
    assert!(!shape(&plan).contains("message"), "an optional parameter of nothing is left out");
    let refused = make(&runbook, with_databases(&["orders", "users"])).unwrap_err();
    assert_eq!(
        refused.iter().map(BindProblem::to_string).collect::<Vec<_>>(),
        [
            "two steps of the plan would be called `look-users`",
            "`tell` wants one `path` of `look`, which gives 2",
        ]
    );
}

/// Goal: a preview shows the whole plan, above all when a check in it fails; what is done in earnest
/// still stops there.
/// Method: every shipped runbook that asks for nothing, in both modes.
#[test]
fn nothing_stops_a_preview() {
    let mut stops = 0;
    let library = Library::shipped();
    let asks = |runbook: &&Runbook| runbook.inputs.values().any(|input| input.required);
    for runbook in library.runbooks().filter(|runbook| !asks(runbook)) {
        let application = runbook.needs_application().then(covetpy);
        let live = request(runbook, application.as_ref());
        let preview = Request { mode: Mode::Preview, ..live.clone() };
        let make = |request: &Request| {
            Plan::make(runbook, request, application.clone().map(at_home)).unwrap().steps
        };
        let goes_on = |step: &Step| step.on_failure == OnFailure::Continue;
        assert!(make(&preview).iter().all(goes_on), "{}", runbook.name);
        stops += make(&live).iter().filter(|step| !goes_on(step)).count();
    }
    assert!(stops > 10, "{stops}");
}

/// Goal: nothing is restored to where nobody said: without a declared place the plan is refused with what
/// to declare, and a schedule that would start it is a finding.
/// Method: the shipped restore test without the section, with one side of it, and with both.
#[test]
fn a_restore_test_needs_its_place() {
    let runbook = shipped("restore-test");
    let mut application = covetpy();
    let sections = std::mem::take(&mut application.databases[0].restore_test);
    let refused = make(&runbook, application.clone()).unwrap_err();
    assert_eq!(
        refused.iter().map(BindProblem::to_string).collect::<Vec<_>>(),
        [
            "`restore-main` cannot restore `main`: its `restore_test` says nothing about us-west-2; declare \
          `subnet_group`, `security_groups` and `instance_class` there, or AWS would take the default ones"
        ]
    );
    let schedules =
        "- { id: a, runbook: restore-test, application: covetpy, cron: \"0 2 * * SUN\" }\n";
    let schedules = muster_runbooks::schedule::parse("x", schedules).unwrap();
    let lint = |application: &Application| {
        let library = Library::shipped();
        let all = std::slice::from_ref(application);
        print::findings(&muster_runbooks::schedule::lint(&schedules, &library, all))
    };
    let found = lint(&application);
    assert!(found.contains("error: `a`: `restore-main` cannot restore `main`"), "{found}");
    assert!(found.contains("warning: `a`, after a failover: `restore-main`"), "{found}");

    let west = sections["us-west-2"].clone();
    application.databases[0].restore_test.insert("us-west-2".to_owned(), west);
    let plan = make(&runbook, application.clone()).unwrap();
    assert!(plan.steps.iter().any(|step| step.id.as_str() == "restore-main"));
    let mut request = request(&runbook, Some(&application));
    request.inputs.insert("at".to_owned(), "active".into());
    let refused = Plan::make(&runbook, &request, Some(at_home(application.clone()))).unwrap_err();
    assert!(refused[0].to_string().contains("about us-east-1"), "{refused:?}");
    let found = lint(&application);
    assert!(!found.contains("error") && found.contains("after a failover"), "{found}");
    assert_eq!(lint(&covetpy()), "");
}

/// Goal: what a drill makes is taken away by the same runbook, and is not made in a failover.
/// Method: the shipped restore test without one of its last steps each; the same with the lock of a
/// failover.
#[test]
fn a_restore_without_a_teardown_is_an_error() {
    let text = include_str!("../../definitions/restore-test.yaml");
    for (removes, makes) in [("remove-instance", "start"), ("remove-cluster", "restore")] {
        let text = text.replace(&format!("do: {removes}\n"), "do: stamp-point\n");
        let found = print::findings(&Runbook::check("x", &text).findings);
        let wanted = format!("what `{makes}` makes is not taken away in the end");
        assert!(found.contains(&wanted), "{found}");
    }
    let locked = text.replace("inputs:\n", "exclusive: true\ninputs:\n");
    let found = print::findings(&Runbook::check("x", &locked).findings);
    assert!(found.contains("`restore-cluster` makes what must already exist"), "{found}");
}

/// Goal: a rebuild starts only where it can end: what it lacks is said before anything is begun, with what to
/// declare; and an approver is shown what it loses.
/// Method: the shipped runbook without the builds, without one of them, without a project for the standby, and
/// without a place for the database; its approval taken out.
#[test]
fn a_rebuild_needs_its_builds_and_a_place() {
    let runbook = shipped("environment-rebuild");
    let whole = make(&runbook, covetpy()).unwrap();
    assert!(whole.steps.iter().any(|step| step.id.as_str() == "restore-main"));
    let refused = |spoil: fn(&mut Application)| {
        let mut application = covetpy();
        spoil(&mut application);
        let problems = make(&runbook, application).unwrap_err();
        problems.iter().map(BindProblem::to_string).collect::<Vec<_>>()
    };
    let no_build = |step: &str, build: &str| {
        format!(
            "`{step}` runs `{build}`, and `covetpy` declares no build of that name under `builds`"
        )
    };
    let [infrastructure, deployment] = [
        no_build("build-infrastructure", "infrastructure"),
        no_build("build-deployment", "deployment"),
    ];
    assert_eq!(refused(|one| one.builds.clear()), [&*infrastructure, &*deployment]);
    assert_eq!(refused(|one| one.builds.truncate(1)), [&*deployment]);
    assert_eq!(
        refused(|one| drop(one.builds[1].projects.remove("us-west-2"))),
        [
            "`build-deployment` cannot build us-west-2: the `projects` of `deployment` say nothing about it"
        ]
    );
    let places = refused(|one| drop(one.databases[0].rebuild.remove("us-west-2")));
    assert!(
        places[0].starts_with(
            "`restore-main` cannot restore `main`: its `rebuild` says nothing about us-west-2"
        ),
        "{places:?}"
    );
    let must_not = refused(|one| {
        let never = muster_runbooks::application::Promotion::MustNot;
        one.databases[0].promotion.insert("us-west-2".to_owned(), never);
    });
    assert!(must_not[0].contains("`main` must not be promoted in us-west-2"), "{must_not:?}");

    let text = include_str!("../../definitions/environment-rebuild.yaml");
    let shown = text.replace("        data_loss: \"${steps.choose.outputs.data_loss}\"\n", "");
    let found = print::findings(&Runbook::check("x", &shown).findings);
    assert!(found.contains("no approver was shown how much"), "{found}");
}
