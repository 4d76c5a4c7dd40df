//! A real Alertmanager with the shipped rules of what keeps what quiet.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use muster_tests::{
    daemon::{free_port, pause},
    emulator::skip,
};
use serde_json::{Value, json};

use super::{LOUD, QUIETABLE, list, text, yaml};

/// So often is it given time.
const LOOKS_MAX: usize = 400;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Goal: nothing may keep an alert about replication, backups or a failover quiet (facts, R11), whoever adds a rule.
/// Method: what the rules and the muted routes are about.
#[test]
fn only_named_classes_are_kept_quiet() {
    let config = yaml("alertmanager/alertmanager.yml");
    let quiet = |matchers: &Value| -> Vec<String> {
        let classes = list(matchers).iter().filter_map(|one| one.as_str()?.strip_prefix("class="));
        let classes = classes.map(|one| one.trim_start_matches('~').trim_matches('"').to_owned());
        classes.flat_map(|one| one.split('|').map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let rules = list(&config["inhibit_rules"]).iter().map(|rule| &rule["target_matchers"]);
    let muted = list(&config["route"]["routes"]).iter();
    let muted = muted.filter(|route| !route["mute_time_intervals"].is_null());
    let all: Vec<&Value> = rules.chain(muted.map(|route| &route["matchers"])).collect();
    assert_eq!(all.len(), 3);
    for matchers in all {
        let classes = quiet(matchers);
        assert!(!classes.is_empty(), "{matchers} is about everything");
        assert!(classes.iter().all(|class| QUIETABLE.contains(&class.as_str())), "{matchers}");
    }
    let always = &config["route"];
    assert!(always["mute_time_intervals"].is_null() && always["active_time_intervals"].is_null());
    let times = &config["time_intervals"][0]["time_intervals"][0];
    assert_eq!(text(&times["times"][0], "start_time"), "02:00");
    assert_eq!(text(&times["times"][0], "end_time"), "06:00");
}

/// Goal: a region that is lost, and a deployment, keep their symptoms quiet, at that application alone, and nothing else.
/// Method: one alert of each class and severity for two applications; what the running Alertmanager calls suppressed.
#[tokio::test]
async fn a_lost_region_hides_its_symptoms_and_nothing_else() {
    let mut config = yaml("alertmanager/alertmanager.yml");
    // The routes stand as shipped; behind them is nobody, so that nothing is sent anywhere.
    for receiver in config["receivers"].as_array_mut().expect("receivers") {
        *receiver = json!({ "name": receiver["name"] });
    }
    config.as_object_mut().expect("a map").remove("global");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("alertmanager.yml");
    fs::write(&file, config.to_string()).expect("written");
    let port = free_port();
    let started = ["prometheus-alertmanager", "alertmanager"].into_iter().find_map(|name| {
        let mut command = Command::new(name);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        // Alone: it looks for no others.
        command.arg("--cluster.listen-address=");
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
    });
    let Some(started) = started else {
        skip("prometheus-alertmanager", "no Alertmanager to see what keeps what quiet");
        return;
    };
    let _running = Running(started);

    let mut alerts = vec![
        json!({ "labels": { "alertname": "MusterRegionLost", "application": "covetpy",
                            "severity": "critical", "class": "failover" } }),
        json!({ "labels": { "alertname": "DeploymentRunning", "application": "billing",
                            "severity": "info", "class": "application" } }),
    ];
    for application in ["covetpy", "billing", "shop"] {
        for class in LOUD.iter().chain(QUIETABLE) {
            for severity in ["critical", "warning", "info"] {
                alerts.push(json!({ "labels": { "alertname": format!("{class}-{severity}"),
                    "application": application, "severity": severity, "class": class } }));
            }
        }
    }
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("http://127.0.0.1:{port}/api/v2/alerts");
    let mut shown = Vec::new();
    for _ in 0..LOOKS_MAX {
        // Until it listens, and has taken all in: what hides others is learnt a moment after it was told.
        let sent = http.post(&url).json(&alerts).send().await;
        if sent.is_ok_and(|answer| answer.status().is_success()) {
            let answer = http.get(&url).send().await.expect("it answers");
            let all: Value = answer.json().await.expect("JSON");
            shown = list(&all).to_vec();
            if shown.len() == alerts.len()
                && shown.iter().all(|alert| hidden(alert).is_as_it_must())
            {
                break;
            }
        }
        pause().await;
    }
    assert_eq!(shown.len(), alerts.len());
    for alert in &shown {
        assert!(hidden(alert).is_as_it_must(), "{}: {}", alert["labels"], alert["status"]);
    }
}

/// Whether an alert is hidden, and whether it must be.
struct Hidden {
    is: bool,
    must: bool,
}

impl Hidden {
    fn is_as_it_must(&self) -> bool {
        self.is == self.must
    }
}

fn hidden(alert: &Value) -> Hidden {
    let label = |key: &str| text(&alert["labels"], key);
    let (class, severity) = (label("class"), label("severity"));
    let may = severity != "critical" && label("alertname") != "DeploymentRunning";
    let must = match label("application") {
        "covetpy" => may && QUIETABLE.contains(&class),
        "billing" => may && class == "application",
        _ => false,
    };
    Hidden { is: alert["status"]["state"] == "suppressed", must }
}
