//! A real `muster observe` in a process of its own.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use muster::clock::Clock;
use serde_json::{Value, json};

use crate::daemon::{PATIENCE, binary, free_port, pause};

/// A running observer. Killed when it is dropped.
#[derive(Debug)]
pub struct Watcher {
    child: Child,
    /// Where it answers.
    pub url: String,
    /// What its reports are verified with.
    pub key: String,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Watcher {
    /// Makes a key, and starts an observer of `application` with it that looks at these URLs.
    ///
    /// # Panics
    ///
    /// When it does not answer in time.
    pub async fn start(application: &str, sees: &Value, control: &str) -> Watcher {
        Watcher::on(free_port(), application, sees, control).await
    }

    /// The same on a port, with a key of its own.
    ///
    /// # Panics
    ///
    /// When it does not answer in time.
    pub async fn on(port: u16, application: &str, sees: &Value, control: &str) -> Watcher {
        let folder = tempfile::tempdir().expect("a folder");
        let made = Command::new(binary())
            .args(["observe", "--output", "json", "--make-key"])
            .arg(folder.path().join("key"))
            .output()
            .expect("it makes a key");
        let made: Value = serde_json::from_slice(&made.stdout).expect("a key as JSON");
        let config = json!({
            "name": "watcher", "listen": format!("127.0.0.1:{port}"), "key": "key",
            "applications": [{ "name": application, "control": control, "sees": sees }],
        });
        let path = folder.path().join("observe.yaml");
        fs::write(&path, config.to_string()).expect("written");
        let child = Command::new(binary())
            .args(["observe", "--config"])
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let url = format!("http://127.0.0.1:{port}/report");
        let key = made["key"].as_str().expect("a public key").to_owned();
        let watcher = Watcher { child, url, key, port, _folder: folder };
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let live = format!("http://127.0.0.1:{port}/health/live");
        let until = Clock::Real.now() + PATIENCE;
        while client.get(&live).send().await.is_err() {
            assert!(Clock::Real.now() < until, "the observer does not answer");
            pause().await;
        }
        watcher
    }

    /// Ends it, and says which port is free now.
    pub fn stop(mut self) -> u16 {
        self.end();
        self.port
    }

    fn end(&mut self) {
        // Whoever has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}
