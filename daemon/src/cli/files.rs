//! `muster lint`: everything that is wrong with the files, without a daemon.

use std::path::{Path, PathBuf};

use clap::Args;
use muster_runbooks::{
    application::Application,
    check::{Finding, has_errors},
    runbook::{
        library::{self, Library},
        schema::schema,
    },
    schedule,
};

use super::{Exit, Failure, Terminal};
use crate::{
    catalogue::{self, Catalogue},
    config::{self, BadConfig, Config},
    offline::chain,
};

/// The most files of one call.
const FILES_MAX: usize = 1_000;

/// Arguments of `lint`.
#[derive(Clone, Debug, Args)]
pub struct Lint {
    /// Files or directories with runbooks, applications, schedules and configurations.
    #[arg(required_unless_present = "schema")]
    pub paths: Vec<PathBuf>,
    /// Print the JSON Schema of runbooks.
    #[arg(long)]
    pub schema: bool,
}

/// Files by what is in them.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) runbooks: Vec<(String, String)>,
    pub(super) applications: Vec<(String, String)>,
    pub(super) schedules: Vec<(String, String)>,
    /// Configurations of a daemon.
    pub(super) configurations: Vec<PathBuf>,
}

impl Files {
    /// Reads files, and the YAML files of directories.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Files, Failure> {
        let mut files = Files::default();
        for path in list(paths)? {
            let text = config::read(&path).map_err(|why| {
                let cause = std::error::Error::source(&why).map(|cause| format!(": {cause}"));
                Failure::bad_use(format!("{why}{}", cause.unwrap_or_default()))
            })?;
            let name = path.display().to_string();
            match sort(&text) {
                Sort::Runbook => files.runbooks.push((name, text)),
                Sort::Application => files.applications.push((name, text)),
                Sort::Schedules => files.schedules.push((name, text)),
                Sort::Configuration => files.configurations.push(path),
            }
        }
        Ok(files)
    }

    /// The shipped runbooks and these. A file that is a shipped one to the letter is that one.
    pub(super) fn library(&self) -> Library {
        let is_shipped = |text: &str| library::SHIPPED.iter().any(|(_, shipped)| *shipped == text);
        let own = self.runbooks.iter().filter(|(_, text)| !is_shipped(text));
        Library::with(own.map(|(name, text)| (name.as_str(), text.as_str())))
    }
}

enum Sort {
    Runbook,
    Application,
    Schedules,
    Configuration,
}

/// Schedules are a list, applications have a home, configurations a state directory; what is none of
/// them is meant to be a runbook.
fn sort(text: &str) -> Sort {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    if lines.clone().find(|line| *line != "---").is_some_and(|line| line.starts_with('-')) {
        Sort::Schedules
    } else if lines.clone().any(|line| line.starts_with("home:")) {
        Sort::Application
    } else if lines.any(|line| line.starts_with("state:")) {
        Sort::Configuration
    } else {
        Sort::Runbook
    }
}

fn list(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut left: Vec<PathBuf> = paths.to_vec();
    while let Some(path) = left.pop() {
        let bad = |why: std::io::Error| Failure::bad_use(format!("{}: {why}", path.display()));
        if !path.is_dir() {
            files.push(path);
        } else {
            for entry in std::fs::read_dir(&path).map_err(bad)? {
                let entry = entry.map_err(bad)?.path();
                if entry.is_dir() || is_yaml(&entry) {
                    left.push(entry);
                }
            }
        }
        if files.len() + left.len() > FILES_MAX {
            return Err(Failure::bad_use(format!("more than {FILES_MAX} files")));
        }
    }
    files.sort();
    Ok(files)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// Checks every file by itself, and all of them next to each other.
pub(super) fn lint(args: &Lint, terminal: &mut Terminal) -> Result<Exit, Failure> {
    if args.schema {
        let text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
        terminal.raw(text.as_bytes());
        terminal.raw(b"\n");
        return Ok(Exit::Done);
    }
    let files = Files::read(&args.paths)?;
    let library = files.library();
    let mut findings: Vec<Finding> = library::lint(&library);
    let applications = catalogue::applications(&files.applications, &mut findings);
    let applications: Vec<Application> = applications.into_values().collect();
    for (name, text) in &files.schedules {
        let checked = schedule::check(name, text);
        findings.extend(checked.findings);
        if let Some(schedules) = checked.value {
            findings.extend(schedule::lint(&schedules, &library, &applications));
        }
    }
    for path in &files.configurations {
        findings.extend(configuration(path)?);
    }
    findings.sort();
    findings.dedup();
    terminal.json(&findings);
    for finding in &findings {
        terminal.line(finding.to_string());
    }
    let count = files.runbooks.len()
        + files.applications.len()
        + files.schedules.len()
        + files.configurations.len();
    if has_errors(&findings) {
        terminal.line(format!("{count} files, {} findings", findings.len()));
        return Ok(Exit::No);
    }
    terminal.line(format!("{count} files are sound, {} warnings", findings.len()));
    if let Some(runbook) = files.runbooks.first() {
        terminal.then(format!("muster plan {} --application FILE", runbook.0));
    }
    Ok(Exit::Done)
}

/// What is wrong with a configuration and with the files that it points to.
fn configuration(path: &Path) -> Result<Vec<Finding>, Failure> {
    match Config::load(path).and_then(|config| Catalogue::load(&config)) {
        Ok((_, warnings)) => Ok(warnings),
        Err(BadConfig::Invalid { findings }) => Ok(findings),
        Err(why @ BadConfig::Unreadable { .. }) => Err(Failure::bad_use(chain(&why))),
    }
}
