//! Steps of the user's own: in the runbook, in the application's file, in the plan.

use muster_runbooks::{
    action::On,
    application::Application,
    plan::{Arg, Plan},
    request::Manner,
    runbook::Runbook,
    value::Kind,
};

use super::print::{self, COVETPY, at_home, request};

const RUNBOOK: &str = r#"
name: move-on
title: Tell others and warm up
way_back: move-on
steps:
  - id: tell
    title: Open a ticket
    do: call-http
    with:
      method: POST
      url: "https://status.example/of/{application}"
      body: ["to={standby}", "n=2"]
      headers: ["X-Team: dr"]
      token_env: STATUS_TOKEN
      expect_status: 201
      pick: [ticket]
      check_url: "https://status.example/{token}"
    expect: the ticket is open
    limit: 2m
  - id: warm
    title: Fill the caches
    do: run-job
    with: { at: standby, job: warm-cache }
    expect: the job has succeeded
    limit: 12m
  - id: say
    title: Say which ticket
    do: notify
    with: { severity: info, message: "${steps.tell.outputs.ticket}" }
    limit: 1m
"#;

/// The reference application with the job that its file shows in a comment.
fn text() -> String {
    let start = COVETPY.find("    # jobs:\n").expect("the reference shows a job");
    let end = start + COVETPY[start..].find("\n\n").expect("a blank line ends the workload");
    let shown: String =
        COVETPY[start..end].lines().map(|line| line.replacen("    # ", "    ", 1) + "\n").collect();
    format!("{}{shown}{}", &COVETPY[..start], &COVETPY[end + 1..])
}

fn application() -> Application {
    Application::parse("covetpy.yaml", &text()).expect("the reference's job is sound")
}

fn plan(application: Application) -> Result<Plan, Vec<String>> {
    let runbook = Runbook::check("move-on.yaml", RUNBOOK).value.expect("it can be read");
    let request = request(&runbook, Some(&application));
    let made = Plan::make(&runbook, &request, Some(at_home(application)));
    made.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// Goal: what is sent and run stands in the plan with every name filled in, as a person would type it.
/// Method: the commands of a runbook with one step of each kind, for the reference application.
#[test]
fn what_would_be_typed() {
    let found = Runbook::check("move-on.yaml", RUNBOOK).findings;
    assert_eq!(print::findings(&found), "");
    let plan = plan(application()).expect("it binds");
    let lines = plan.described(Manner::Graceful, &"a00000000000".parse().unwrap());
    let curl = "curl -fsS -H 'Idempotency-Key: muster-a00000000000-tell-1' -H 'X-Team: dr' \
                -H \"Authorization: Bearer $STATUS_TOKEN\"";
    assert_eq!(
        lines[0].description.by_hand,
        [
            format!(
                "{curl} -H 'Content-Type: application/json' --data '{{\"to\":\"us-west-2\",\"n\":2}}' -X POST \
                 https://status.example/of/covetpy"
            ),
            format!("{curl} https://status.example/muster-a00000000000-tell-1"),
        ]
    );
    let kubectl = "kubectl --context covetpy-us-west-2 -n covetpy-production";
    let job = "job/muster-a00000000000-warm-1";
    let typed = &lines[1].description.by_hand;
    assert!(typed[0].starts_with("printf %s '{\"apiVersion\":\"batch/v1\""), "{}", typed[0]);
    assert!(typed[0].ends_with(&format!("' | {kubectl} create -f -")), "{}", typed[0]);
    let image = "\"image\":\"123456789012.dkr.ecr.us-west-2.amazonaws.com/covetpy-tools:stable\"";
    assert!(typed[0].contains(image) && !typed[0].contains("{token}"), "{}", typed[0]);
    assert_eq!(typed[1], format!("{kubectl} wait {job} --timeout 600s --for=condition=complete"));
    assert_eq!(typed[2], format!("{kubectl} logs {job} --tail 20"));

    let output = |name: &str| plan.steps[0].task.output(name);
    assert_eq!(
        ["ticket", "status", "other"].map(output),
        [Some(Kind::Text), Some(Kind::Integer), None]
    );
    assert!(
        matches!(&plan.steps[2].task.with["message"], Arg::Output { name, .. } if name == "ticket")
    );
}

/// Goal: a job that nobody declares or that outlasts its step is no plan.
#[test]
fn a_job_must_be_there_and_fit() {
    let gone = Application::parse("covetpy.yaml", COVETPY).unwrap();
    let why = plan(gone).unwrap_err();
    assert_eq!(
        why,
        [
            "`warm` runs `warm-cache`, and no workload of `covetpy` declares a job of that name under `jobs`"
        ]
    );
    let long = text()
        .replace("        limit: 10m\n        kept_for", "        limit: 12m\n        kept_for");
    let why = plan(Application::parse("covetpy.yaml", &long).unwrap()).unwrap_err();
    assert_eq!(
        why,
        [
            "`warm` has 12m, and the job `warm-cache` may run for 12m; raise its `limit` or lower the job's"
        ]
    );
}

/// Goal: what would be sent in the clear, to a stranger, with a secret of the file or for nothing is found
/// by day.
/// Method: one change to the runbook each, with the words that say what is wrong.
#[test]
fn each_mistake_of_a_call_is_found() {
    for (from, to, said) in [
        (
            "https://status.example/of",
            "http://status.example/of",
            "only loopback is asked in the clear",
        ),
        (
            "https://status.example/of",
            "https://169.254.169.254/of",
            "metadata addresses are not asked",
        ),
        ("https://status.example/{token}", "ftp://status.example/{token}", "only http and https"),
        ("\"n=2\"", "n", "`n` is not `name=value`"),
        ("X-Team: dr", "Cookie: a=b", "`Cookie` is not for a file to set"),
        (
            "token_env: STATUS_TOKEN",
            "token_env: s3cret-token",
            "not the name of an environment variable",
        ),
        ("expect_status: 201", "expect_status: 404", "404 is not a status between 200 and 299"),
        ("pick: [ticket]", "pick: [Ticket]", "`Ticket` cannot be the name of an output"),
        ("pick: [ticket]", "pick: [other]", "gives no `ticket`"),
        ("method: POST", "method: GET", "expected one of POST, PUT, PATCH, DELETE"),
        ("    expect: the ticket is open\n", "", "does not say what to expect"),
    ] {
        assert!(RUNBOOK.contains(from), "{from}");
        let found = print::findings(&Runbook::check("x", &RUNBOOK.replacen(from, to, 1)).findings);
        assert!(found.contains(said), "{said}: {found}");
    }
}

/// Goal: the same for a job.
/// Method: one change to the job of the reference application each.
#[test]
fn each_mistake_of_a_job_is_found() {
    let text = text();
    for (from, to, said) in [
        ("env: { REGION: \"{region}\" }", "env: { DB_PASSWORD: x }", "looks like a secret"),
        ("env: { REGION: \"{region}\" }", "env: { 1A: x }", "`1A` is not the name of a variable"),
        (
            "service_account: tools",
            "service_account: \"a b\"",
            "`a b` is not the name of a service account",
        ),
        (
            "env_from_secrets: [covetpy-database]",
            "env_from_secrets: [A_B]",
            "`A_B` is not the name of a secret",
        ),
        ("retries: 1", "retries: 11", "a whole number from 0 to 10"),
        ("        limit: 10m\n        kept_for", "        kept_for", "a job needs `limit`"),
        (
            "limit: 10m\n        kept_for",
            "limit: 25h\n        kept_for",
            "is not between 1s and 24h",
        ),
        ("kept_for: 24h", "kept_for: 1s", "is not between 1m and 24h"),
        (
            "command: [/bin/warm, --once, \"{token}\"]",
            "command: []",
            "an empty command does nothing",
        ),
        ("covetpy-tools:stable", "covetpy-tools:st able", "is not the name of an image"),
    ] {
        assert!(text.contains(from), "{from}");
        let found = print::findings(&Application::check("x", &text.replacen(from, to, 1)).findings);
        assert!(found.contains(said), "{said}: {found}");
    }
    let start = text.find("      - name: warm-cache").unwrap();
    let twice = format!(
        "{}{}{}",
        &text[..start],
        &text[start..][..text[start..].find("\n\n").unwrap() + 1],
        &text[start..]
    );
    let found = print::findings(&Application::check("x", &twice).findings);
    assert!(found.contains("`warm-cache` is already a job of this application"), "{found}");
}

/// Goal: what a plan would do is said before, also where nobody declares the job.
#[test]
fn an_unknown_job_is_said() {
    let application = application();
    let action = muster_runbooks::action::Action::build(
        "run-job",
        serde_json::json!({ "at": "active", "job": "gone" }),
    );
    let said = action.unwrap().describe(&On {
        application: &application,
        active: &application.home,
        standby: &application.standby,
        component: None,
        token: "t",
    });
    assert_eq!(said.effect, ["kubernetes us-east-1: no job is called gone"]);
}
