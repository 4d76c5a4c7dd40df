//! Terraform on a copy of `deploy`, with the provider of a filesystem mirror and nothing from the network.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::process::Command;

use crate::{
    aws,
    door::Door,
    emulator::{ministack::Ministack, python, skip},
    lambda,
};

/// The provider that the modules ask for, below a mirror.
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";

/// The version of it that was tried.
const VERSION: &str = "5.100.0";

/// No AWS answers sooner.
const ANSWERS_AFTER: Duration = Duration::from_millis(5);

/// Where mirrors usually lie; `~` is the home of whoever runs the tests.
const USUAL: [&str; 4] = [
    "~/.terraform.d/plugins",
    "/usr/share/terraform/plugins",
    "/usr/local/share/terraform/plugins",
    "/opt/tf-plugins",
];

/// A copy of `deploy` in a folder of its own, where Terraform may leave what it leaves.
#[derive(Debug)]
pub struct Terraform {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
}

/// How a command ended, and everything that it said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed for programs.
    pub stdout: String,
    /// All of it, for people.
    pub all: String,
}

impl Terraform {
    /// A copy; `None`, and a skip, where Terraform or a mirror of its provider is missing.
    ///
    /// # Panics
    ///
    /// When the copy cannot be made.
    pub async fn start() -> Option<Terraform> {
        let Some(mirror) = mirror() else {
            skip(
                "terraform-provider-mirror",
                "no mirror holds hashicorp/aws 5.100.0: MUSTER_TEST_TERRAFORM_MIRROR names one",
            );
            return None;
        };
        if Command::new("terraform").arg("version").output().await.is_err() {
            skip("terraform-provider-mirror", "there is a mirror, and terraform is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
        for part in ["iam", "terraform"] {
            copy(&deploy.join(part), &folder.path().join(part));
        }
        let settings = folder.path().join("settings");
        // Without `direct` nothing is ever fetched.
        let text = format!(
            "disable_checkpoint = true\nprovider_installation {{\n  filesystem_mirror {{\n    \
             path = {mirror:?}\n  }}\n}}\n"
        );
        fs::write(&settings, text).expect("the settings are written");
        let env = [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            // No profile and no credentials of whoever runs the tests.
            ("HOME", folder.path().display().to_string()),
            ("TF_CLI_CONFIG_FILE", settings.display().to_string()),
            ("TF_IN_AUTOMATION", "1".to_owned()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Some(Terraform { folder, env })
    }

    /// From now on AWS is an emulated one, and nothing else.
    ///
    /// The emulator answers before the provider has noticed that its question is sent. The provider then takes the
    /// answer for a broken one and asks again, which makes a second of what the first made. So each answer is late.
    pub fn reach(&mut self, stack: &Ministack) {
        let door = Door::late(stack.port(), ANSWERS_AFTER);
        self.reach_at(&format!("http://{}", door.endpoint()));
    }

    /// From now on AWS is what answers at a URL, and nothing else.
    pub fn reach_at(&mut self, url: &str) {
        self.env.extend(aws::env(url));
    }

    /// Adds an example to the copy, written as JSON.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, example: &str, root: &Value) {
        let folder = self.folder.path().join("terraform").join(example);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("main.tf.json"), root.to_string()).expect("it is written");
    }

    /// A value for a variable of the module.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.push((format!("TF_VAR_{name}"), value.to_owned()));
    }

    /// The modules, and the examples, by their paths below `terraform`.
    ///
    /// # Panics
    ///
    /// When they cannot be listed.
    pub fn list(&self, kind: &str) -> Vec<String> {
        let folder = self.folder.path().join("terraform").join(kind);
        let entries =
            fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry"));
        let mut list: Vec<String> =
            entries.map(|entry| format!("{kind}/{}", entry.file_name().display())).collect();
        list.sort();
        list
    }

    /// Runs one command in a module.
    ///
    /// # Panics
    ///
    /// When Terraform does not start.
    pub async fn run(&self, module: &str, arguments: &[&str]) -> Said {
        let output = Command::new("terraform")
            .args(arguments)
            .current_dir(self.folder.path().join("terraform").join(module))
            .env_clear()
            .envs(self.env.iter().cloned())
            .kill_on_drop(true)
            .output()
            .await
            .expect("terraform starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let all = format!("terraform {arguments:?} in {module}:\n{stdout}\n{stderr}");
        Said { code: output.status.code(), stdout, all }
    }

    /// Runs one command that must succeed; answers what it printed for programs.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn must(&self, module: &str, arguments: &[&str]) -> String {
        let said = self.run(module, arguments).await;
        assert_eq!(said.code, Some(0), "{}", said.all);
        said.stdout
    }

    /// A zip with a program that does nothing, as a function is given to AWS; its path. `None`, and a skip, where the
    /// python of the test world is missing.
    ///
    /// # Panics
    ///
    /// When the zip cannot be made.
    pub async fn function(&self) -> Option<String> {
        let Some(python) = python() else {
            skip("emulated-aws", "the python of the test world is missing: tests/world/setup.sh");
            return None;
        };
        let folder = self.folder.path().join("function");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("bootstrap"), "#!/bin/sh\n").expect("a program");
        Some(lambda::zip(&python, &folder).await.display().to_string())
    }
}

/// Everything that a module of a plan or a state holds, with the modules below it.
pub fn resources(module: &Value) -> Vec<&Value> {
    let own = module["resources"].as_array().into_iter().flatten();
    let below = module["child_modules"].as_array().into_iter().flatten();
    own.chain(below.flat_map(resources)).collect()
}

/// The folder that holds the provider, packed or not.
fn mirror() -> Option<PathBuf> {
    let home = std::env::var("HOME").unwrap_or_default();
    let named = std::env::var_os("MUSTER_TEST_TERRAFORM_MIRROR").map(PathBuf::from);
    let usual = USUAL.map(|path| PathBuf::from(path.replacen('~', &home, 1)));
    let holds = |mirror: &PathBuf| {
        let provider = mirror.join(PROVIDER);
        let packed = |name: String| name.starts_with(&format!("terraform-provider-aws_{VERSION}_"));
        provider.join(VERSION).is_dir()
            || fs::read_dir(provider).is_ok_and(|entries| {
                entries.flatten().any(|entry| packed(entry.file_name().display().to_string()))
            })
    };
    named.into_iter().chain(usual).find(holds)
}

/// Copies a folder, but for what Terraform left in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder can be read").flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        if path.is_dir() && name != ".terraform" {
            copy(&path, &to.join(name));
        } else if path.is_file() && !name.display().to_string().contains("tfstate") {
            fs::copy(&path, to.join(name)).expect("a file is copied");
        }
    }
}
