//! What watches Muster: rules, routes and the dashboard, over figures that Muster really has.

mod alertmanager;
mod figures;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use muster_runbooks::tree;
use muster_tests::{emulator::skip, manifests::deploy};
use serde_json::{Value, json};

use self::figures::{Figures, identifiers, labels_and_values};

/// Who is told, by severity.
const ROUTES: &[(&str, &str)] = &[("critical", "page"), ("warning", "chat"), ("info", "mail")];

/// What alerts are about. Those of the second list may be kept quiet, and no others (facts, R11).
const LOUD: &[&str] = &["replication", "backup", "failover", "muster", "schedule"];
const QUIETABLE: &[&str] = &["node", "application", "finding"];

/// Labels that Prometheus and the rules themselves give.
const OWN_LABELS: &[&str] =
    &["job", "instance", "alertname", "alertstate", "severity", "class", "node", "pod"];

fn folder(path: &str) -> PathBuf {
    deploy("observability").join(path)
}

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(folder(path)).expect("a shipped file can be read");
    tree::parse(&text).unwrap_or_else(|why| panic!("{path}: {why} at {}", why.place)).to_json()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("`{key}` of {value}"))
}

/// All rules of a file.
fn rules(path: &str) -> Vec<Value> {
    let file = yaml(path);
    list(&file["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect()
}

fn alerts() -> Vec<Value> {
    let mut all = rules("prometheus/rules/alerts.yml");
    all.extend(rules("prometheus/rules/cluster.yml"));
    all
}

/// Everything that the dashboard asks Prometheus.
fn asked_by_dashboard() -> Vec<String> {
    let text = fs::read_to_string(folder("grafana/muster.json")).expect("a dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = list(&dashboard["panels"]).iter().flat_map(|panel| list(&panel["targets"]));
    let mut all: Vec<String> = panels.map(|target| text_of(target, "expr")).collect();
    let variables = list(&dashboard["templating"]["list"]).iter();
    all.extend(variables.filter_map(|one| Some(one["definition"].as_str()?.to_owned())));
    all.extend(list(&dashboard["annotations"]["list"]).iter().map(|one| text_of(one, "expr")));
    assert!(all.len() > 20, "{all:?}");
    all
}

fn text_of(value: &Value, key: &str) -> String {
    text(value, key).to_owned()
}

/// Runs a tool of Prometheus in a folder; `None`, and a skip, where it is not installed.
fn tool(name: &str, package: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let ran = Command::new(name).args(arguments).current_dir(folder).output();
    let Ok(ran) = ran else {
        skip(package, &format!("there is no {name} to check what watches Muster"));
        return None;
    };
    let said =
        format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{name} {arguments:?}: {said}");
    Some(said)
}

/// Goal: no alert waits for a figure that is never shown, and no figure is shown that nobody looks at.
/// Method: every name, label and value in rules and dashboard against the sources of the metrics, and every name of those
/// against rules and dashboard.
#[test]
fn every_figure_is_musters_own() {
    let figures = Figures::of_sources();
    let recorded: Vec<Value> = rules("prometheus/rules/recording.yml");
    let names: BTreeSet<String> = recorded.iter().map(|rule| text_of(rule, "record")).collect();
    let mut asked: Vec<String> = asked_by_dashboard();
    asked.extend(recorded.iter().chain(&alerts()).map(|rule| text_of(rule, "expr")));
    let mut used = BTreeSet::new();
    let mut faults = Vec::new();
    for expression in &asked {
        for name in identifiers(expression) {
            if name.contains(':') {
                if !names.contains(&name) {
                    faults.push(format!("nothing records `{name}`: {expression}"));
                }
            } else if name.starts_with("muster_") {
                if !figures.names.contains(&name) {
                    faults.push(format!("Muster has no `{name}`: {expression}"));
                }
                used.insert(name);
            }
        }
        for (label, value) in labels_and_values(expression) {
            if OWN_LABELS.contains(&label.as_str()) {
                continue;
            }
            if !figures.labels.contains(&label) {
                faults.push(format!("Muster has no label `{label}`: {expression}"));
            }
            if let Some(value) = value.filter(|value| !figures.says(value)) {
                faults.push(format!("no `{label}` is ever `{value}`: {expression}"));
            }
        }
    }
    faults.extend(figures.names.difference(&used).map(|name| format!("nobody looks at `{name}`")));
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Goal: whoever is woken knows what is wrong, what to do and where it is described; and every alert was seen to ring.
#[test]
fn every_alert_says_what_to_do() {
    let anchors: BTreeSet<String> = include_str!("../../README.md")
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| {
            let kept = title
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || *c == ' ')
                .collect::<String>();
            format!("README.md#{}", kept.replace(' ', "-"))
        })
        .collect();
    let tested = ["prometheus/tests/muster.yml", "prometheus/tests/cluster.yml"]
        .map(|path| fs::read_to_string(folder(path)).expect("rule tests"))
        .concat();
    let mut names = BTreeSet::new();
    for alert in alerts() {
        let name = text(&alert, "alert");
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        let severity = text(&alert["labels"], "severity");
        assert!(ROUTES.iter().any(|(known, _)| *known == severity), "{name}: {severity}");
        let class = text(&alert["labels"], "class");
        assert!(LOUD.contains(&class) || QUIETABLE.contains(&class), "{name}: {class}");
        let notes = &alert["annotations"];
        assert!(text(notes, "summary").len() > 10 && text(notes, "action").len() > 20, "{name}");
        let page = text(notes, "page");
        assert!(anchors.contains(page), "{name}: there is no {page}");
        let rings = tested.contains(&format!("alertname=\"{name}\""))
            || tested.contains(&format!("alertname: {name}"));
        assert!(rings, "no rule test sees {name} ring");
    }
    assert!(names.len() > 40, "{names:?}");
}

/// Goal: rules and configurations are what Prometheus takes, and each alert rings when it must and not before.
/// Method: Prometheus's own checker and its rule tests.
#[test]
fn prometheus_takes_them() {
    let here = folder("prometheus");
    let rules = ["check", "rules", "rules/alerts.yml", "rules/recording.yml", "rules/cluster.yml"];
    if tool("promtool", "prometheus", &rules, &here).is_none() {
        return;
    }
    tool("promtool", "prometheus", &["check", "config", "muster.yml"], &here);
    let tests = ["test", "rules", "muster.yml", "cluster.yml"];
    tool("promtool", "prometheus", &tests, &here.join("tests"));

    // Debian builds Prometheus without the discovery of Kubernetes: for its checker each is a fixed target.
    let aside = tempfile::tempdir().expect("a folder");
    let stand_in = |line: &str| match line.split_once("kubernetes_sd_configs:") {
        Some((indent, _)) => format!("{indent}static_configs: [{{ targets: [stand-in] }}]"),
        None => line
            .replace("/var/run/secrets/kubernetes.io/serviceaccount", &here.display().to_string()),
    };
    let cluster = fs::read_to_string(here.join("cluster.yml")).expect("a configuration");
    assert_eq!(cluster.matches("kubernetes_sd_configs:").count(), 4);
    let cluster = cluster.lines().map(stand_in).collect::<Vec<_>>().join("\n");
    for (folder, file) in [("rules", "cluster.yml"), ("targets", "alertmanager.yml")] {
        fs::create_dir(aside.path().join(folder)).expect("a folder");
        let to = aside.path().join(folder).join(file);
        fs::copy(here.join(folder).join(file), to).expect("copied");
    }
    let check = ["check", "config", "--syntax-only", "cluster.yml"];
    fs::write(aside.path().join("cluster.yml"), cluster).expect("written");
    tool("promtool", "prometheus", &check, aside.path());
}

/// Goal: each severity reaches whom the architecture guide names, and what bears none reaches somebody.
/// Method: Alertmanager's own checker, and its answer for each route.
#[test]
fn alertmanager_takes_them() {
    let here = folder("alertmanager");
    let package = "prometheus-alertmanager";
    if tool("amtool", package, &["check-config", "alertmanager.yml"], &here).is_none() {
        return;
    }
    let classes = || LOUD.iter().chain(QUIETABLE);
    let mut rows: Vec<(Vec<String>, &str)> = vec![(vec!["class=muster".to_owned()], "page")];
    for (severity, receiver) in ROUTES {
        rows.extend(classes().map(|class| {
            (vec![format!("severity={severity}"), format!("class={class}")], *receiver)
        }));
    }
    for (labels, receiver) in rows {
        let mut test = vec!["config", "routes", "test", "--config.file=alertmanager.yml"];
        test.extend(labels.iter().map(String::as_str));
        let said = tool("amtool", package, &test, &here).unwrap_or_default();
        assert_eq!(said.lines().next().map(str::trim), Some(receiver), "{labels:?}: {said}");
    }
}

/// Goal: the figures are those of the architecture guide.
#[test]
fn the_figures_are_the_guides() {
    for file in ["muster", "cluster"] {
        let config = yaml(&format!("prometheus/{file}.yml"));
        assert_eq!(config["global"]["scrape_interval"], "15s");
    }
    let flags = fs::read_to_string(folder("prometheus/default")).expect("flags");
    assert!(flags.contains("--storage.tsdb.retention.time=15d "), "{flags}");
    let jobs = yaml("prometheus/cluster.yml");
    let jobs: Vec<&str> =
        list(&jobs["scrape_configs"]).iter().map(|job| text(job, "job_name")).collect();
    assert_eq!(jobs, ["apiserver", "node", "cadvisor", "application"]);

    let collector = yaml("tracing/otel-collector.yaml");
    let sampled = &collector["processors"]["probabilistic_sampler"]["sampling_percentage"];
    assert_eq!(sampled, &json!(0.1));
    let strategies =
        fs::read_to_string(folder("tracing/jaeger-sampling.json")).expect("strategies");
    let strategies: Value = serde_json::from_str(&strategies).expect("JSON");
    assert_eq!(strategies["default_strategy"]["param"], json!(0.001));
    let jaeger = fs::read_to_string(folder("tracing/jaeger.env")).expect("an environment");
    assert!(jaeger.contains("\nSPAN_STORAGE_TYPE=elasticsearch\n") && jaeger.contains("=168h\n"));

    let kept = fs::read_to_string(folder("logs/retention.json")).expect("a policy");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    let phases = &kept["policy"]["phases"];
    assert_eq!([&phases["warm"]["min_age"], &phases["delete"]["min_age"]], ["30d", "120d"]);
    let shipped = yaml("logs/fluent-bit.yaml");
    let to: Vec<&str> =
        list(&shipped["pipeline"]["outputs"]).iter().map(|one| text(one, "name")).collect();
    assert_eq!(to, ["cloudwatch_logs", "es"]);
}
