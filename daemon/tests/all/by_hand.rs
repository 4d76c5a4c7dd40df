//! The pages for doing it by hand: complete, and safe to copy into a shell.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use muster::by_hand::{
    html,
    sheet::{self, Sheet},
    text,
};
use muster_runbooks::{
    application::Application,
    plan::{Binding, Plan},
    request::{Mode, Request, Trigger},
    runbook::library::Library,
};
use serde_json::Value;

use super::{commands::type_at, house::House};

/// What no name should be, and what a file may hold all the same: it ends a quoted word, asks for a
/// command in three ways, and has spaces.
const HOSTILE: &str = "a'; : > pwned; $(: > pwned) `: > pwned` \"b";

/// Everything that a command may call, none of which does anything but write its words down.
const STUBS: &[&str] = &["aws", "kubectl", "curl", "psql", "muster"];

/// A shell that finds nothing but the stubs, in an empty folder.
fn shell(folder: &Path, command: &str) -> Output {
    let mut sh = Command::new("/bin/sh");
    sh.arg("-c").arg(command).current_dir(folder).env_clear().env("PATH", folder.join("bin"));
    sh.output().expect("a shell")
}

fn stubs(folder: &Path) {
    let bin = folder.join("bin");
    fs::create_dir(&bin).expect("made");
    for name in STUBS {
        let path = bin.join(name);
        // Every word on a line of its own, after a mark.
        fs::write(&path, "#!/bin/sh\nfor word in \"$@\"; do printf '\\036%s' \"$word\"; done\n")
            .expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("may be run");
    }
}

/// The reference application with hostile texts wherever its file takes a text.
fn hostile() -> Application {
    fn spoil(key: &str, value: &mut Value) {
        let kept = ["name", "home", "standby", "region", "primary", "account", "what", "until"];
        match value {
            Value::String(text) if !kept.contains(&key) && text.len() > 3 => {
                // Spans and the like keep their form.
                if text.parse::<muster_runbooks::value::Span>().is_err() && !text.ends_with('%') {
                    *text = HOSTILE.to_owned();
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|one| spoil(key, one)),
            Value::Object(map) => map.iter_mut().for_each(|(key, one)| spoil(key, one)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/covetpy/applications/covetpy.yaml");
    let application = Application::parse("covetpy.yaml", &fs::read_to_string(path).unwrap());
    let mut file = serde_json::to_value(application.unwrap()).unwrap();
    for key in ["databases", "buckets", "workloads", "traffic", "probes", "caches"] {
        let places =
            ["clusters", "global_cluster", "copy_keys", "buckets", "namespace", "contexts"];
        let more = ["bucket", "key", "zone", "us-east-1", "us-west-2", "database", "secret"];
        let part = &mut file[key];
        each(part, &mut |name, value| {
            if places.contains(&name) || more.contains(&name) {
                spoil("", value);
            }
        });
    }
    serde_json::from_value(file).unwrap()
}

fn each(value: &mut Value, act: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Object(map) => {
            for (key, one) in map.iter_mut() {
                act(key, one);
                each(one, act);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|one| each(one, act)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Goal: what a person copies calls what it says, with the words that the file holds, and nothing else.
/// Method: an application whose names are made to break out of a shell's words; every command of every
/// shipped runbook in a shell that finds only stubs.
#[test]
fn a_command_is_safe_to_copy() {
    let folder = tempfile::tempdir().unwrap();
    stubs(folder.path());
    let application = hostile();
    let mut whole = 0;
    for runbook in Library::shipped().runbooks().filter(|runbook| runbook.needs_application()) {
        for manner in runbook.manners() {
            let request = Request {
                runbook: runbook.name.clone(),
                application: Some(application.name.clone()),
                inputs: inputs(runbook.name.as_str()),
                trigger: Trigger::Person { name: "ana".to_owned() },
                mode: Mode::Live,
                manner: *manner,
                reason: "a test".to_owned(),
                dedupe_key: None,
                symptom_at: None,
                not_after: None,
            };
            let binding = Binding {
                application: application.clone(),
                active: application.home.clone(),
                standby: application.standby.clone(),
            };
            let plan = Plan::make(runbook, &request, Some(binding)).unwrap();
            for one in plan.described(*manner, &"a00000000000".parse().unwrap()) {
                for command in &one.description.by_hand {
                    let said = shell(folder.path(), command);
                    let out = String::from_utf8_lossy(&said.stdout);
                    let err = String::from_utf8_lossy(&said.stderr);
                    assert!(said.stderr.is_empty(), "{}: {command}: {err}", one.step.id);
                    whole += out.split('\u{1e}').filter(|word| word.contains(HOSTILE)).count();
                }
            }
        }
    }
    assert!(whole > 20, "the hostile texts arrived as words: {whole}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "nothing but the stubs: {left:?}");
}

/// What must be given to a runbook.
fn inputs(runbook: &str) -> std::collections::BTreeMap<String, Value> {
    let given: &[(&str, Value)] = match runbook {
        "restore-objects" => &[("export", Value::from("arn:aws:s3:::exports/muster/a.json"))],
        "pre-deployment-snapshot" => &[("schema_version", Value::from(HOSTILE))],
        "maintenance-window" => &[("starts_at", Value::from("2026-03-01T02:00:00Z"))],
        _ => &[],
    };
    given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// Goal: there is a page for every runbook that moves an application, in every manner, and on it every
/// step, in order, with something to do.
/// Method: the reference application, which nobody has looked at.
#[tokio::test]
async fn every_step_says_what_to_do() {
    let house = House::open().await;
    let intake = house.api.intake();
    let pages = sheet::all(intake);
    let names: Vec<String> =
        pages.iter().map(|(_, runbook, manner)| format!("{}-{manner}", runbook.name)).collect();
    assert_eq!(
        names,
        [
            "environment-rebuild-graceful",
            "environment-rebuild-forced",
            "region-failback-graceful",
            "region-failover-graceful",
            "region-failover-forced"
        ]
    );
    for (name, runbook, manner) in pages {
        let sheet = Sheet::make(intake, &name, runbook, manner).unwrap();
        assert_eq!(sheet.name(), format!("{}-{manner}", runbook.name));
        for line in &sheet.steps {
            assert!(line.commands.len() + line.instead.len() > 0, "{}", line.id);
        }
        let (text, html) = (text::write(&sheet), html::write(&sheet));
        let mut from = 0;
        for line in &sheet.steps {
            let at = text[from..].find(&format!("\n{:>2}. {}", line.number, line.id));
            from += at.unwrap_or_else(|| panic!("{} is missing or too early", line.id));
            assert!(html.contains(&format!("<code>{}</code>", line.id)), "{}", line.id);
        }
        assert!(text.contains("active region   unknown; us-east-1 is assumed\n"), "{text}");
        assert!(text.contains("Nobody has seen from where the application is served"), "{text}");
        assert!(!html.contains("<script") && !html.contains("rel=\"stylesheet\""));
    }
}

/// Goal: what an approval, a gate and a guard ask of a person stands on the page in words, and what undoes
/// it and what comes last are told apart.
#[tokio::test]
async fn a_page_in_words() {
    let house = House::open().await;
    let intake = house.api.intake();
    let page = |name: &str, manner: &str| {
        let runbook = intake.library().get(&name.parse().unwrap()).unwrap();
        let name = intake.applications().keys().next().unwrap().clone();
        let manner = serde_json::from_value(manner.into()).unwrap();
        text::write(&Sheet::make(intake, &name, runbook, manner).unwrap())
    };
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let forced = one_line(&page("region-failover", "forced"));
    for part in [
        "BY HAND: Move an application to its standby region (forced) CovetPy (covetpy)",
        "inputs data_loss_max=\"5m\", hold_for=\"0s\" objective back within 15m way back the page of `region-failback`",
        "Ask one person with the role `approver`, not yourself, for a yes, and write down who said it and \
         when; ask whether they accept each of these risks: unproven-fence, data-loss-over-max, \
         observers-disagree, no-way-back.",
        "[data-loss] Make the standby cluster the writer after settle-old-side",
        "aws rds failover-global-cluster --region us-west-2 --global-cluster-identifier covetpy \
         --target-db-cluster-identifier arn:aws:rds:us-west-2:123456789012:cluster:covetpy-us-west-2 \
         --allow-data-loss",
        "check the standby cluster is the only writer, and has an instance that accepts writes",
        "limit 5m at most, 3m expected then muster done RUN promote-database-main --reason TEXT",
        "go on if it fails then nobody marks this done",
        "aws s3api put-object --region us-west-2 --bucket covetpy-traffic-us-west-2 --key standby-serves",
        "== At the end, however it ended",
    ] {
        assert!(forced.contains(part), "{part}\n{forced}");
    }
    let failback = one_line(&page("region-failback", "graceful"));
    assert!(failback.contains("do Look at what the inventory found, at the measured data loss"));
}

/// Goal: the same page is printed, served and linked, and what there is none of is said.
/// Method: the command line and the status page of one daemon.
#[tokio::test]
async fn a_page_is_printed_and_served() {
    let house = House::open().await;
    let url = house.url.as_str();
    let said = type_at(url, "vic", "by-hand covetpy region-failover --forced", None).await;
    assert_eq!(said.exit, muster::cli::Exit::Done, "{}", said.err);
    let promote = "\naws rds failover-global-cluster --region us-west-2 ";
    assert!(said.out.starts_with("BY HAND: ") && said.out.contains(promote), "{}", said.out);
    let none = type_at(url, "vic", "by-hand covetpy region-failback --forced", None).await;
    assert_eq!(none.exit, muster::cli::Exit::BadUse, "it has no forced way: {}", none.err);
    let get = async |path: &str| {
        let answer = reqwest::get(format!("{url}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let link = "/applications/covetpy/by-hand/region-failover?manner=forced";
    let (_, first) = get("/").await;
    assert!(first.contains(&format!("href=\"{link}\"")), "{first}");
    let (status, page) = get(link).await;
    assert_eq!(status, 200);
    assert!(page.contains("aws rds failover-global-cluster --region us-west-2 "), "{page}");
    assert!(!page.contains("http-equiv=\"refresh\""), "nobody loses the place where they read");
    for path in
        ["/v1/applications/gone/by-hand/region-failover", "/v1/applications/covetpy/by-hand/gone"]
    {
        assert_eq!(get(path).await.0, 404, "{path}");
    }
    assert_eq!(get("/v1/applications/covetpy/by-hand/region-failover?manner=odd").await.0, 422);
}
