//! Everything that can be asked for, read from files at the start. All findings come at once.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use muster_runbooks::{
    application::{Application, recovery},
    check::{Finding, Severity, has_errors},
    name::ApplicationName,
    runbook::library::Library,
    schedule::{self, Schedule},
    tree::{self, Content, Node, Place},
};

use crate::config::{self, BadConfig, Config, Home};

/// Everything that can be asked for in this process.
#[derive(Debug)]
pub struct Catalogue {
    /// The runbooks.
    pub library: Library,
    /// The applications.
    pub applications: BTreeMap<ApplicationName, Application>,
    /// The schedules.
    pub schedules: Vec<Schedule>,
    /// Where this process runs, if its configuration says so.
    pub runs_in: Option<Home>,
}

/// The most files that one entry of the configuration may stand for.
const FILES_MAX: usize = 1_000;

impl Catalogue {
    /// Reads what a configuration points to. Warnings come back beside the catalogue.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or anything is wrong inside: then every finding comes with file,
    /// line and column.
    pub fn load(config: &Config) -> Result<(Catalogue, Vec<Finding>), BadConfig> {
        let mut findings = Vec::new();
        let runbooks = texts(&config.runbooks)?;
        let library =
            Library::with(runbooks.iter().map(|(file, text)| (file.as_str(), text.as_str())));
        findings.extend_from_slice(library.findings());
        let applications = applications(&texts(&config.applications)?, &mut findings);
        findings.extend(config.check_beside(&library, &applications));
        let schedules = Self::schedules(config, &library, &applications, &mut findings)?;
        if has_errors(&findings) {
            return Err(BadConfig::Invalid { findings });
        }
        let runs_in = config.runs_in.clone();
        Ok((Catalogue { library, applications, schedules, runs_in }, findings))
    }

    fn schedules(
        config: &Config,
        library: &Library,
        applications: &BTreeMap<ApplicationName, Application>,
        findings: &mut Vec<Finding>,
    ) -> Result<Vec<Schedule>, BadConfig> {
        let Some(path) = &config.schedules else { return Ok(Vec::new()) };
        let text = config::read(path)?;
        let checked = schedule::check(&path.display().to_string(), &text);
        findings.extend(checked.findings);
        let schedules = checked.value.unwrap_or_default();
        let applications: Vec<Application> = applications.values().cloned().collect();
        findings.extend(schedule::lint(&schedules, library, &applications));
        Ok(schedules)
    }
}

/// The applications of some files. Two of one name would be one, and which one nobody could tell.
pub fn applications(
    files: &[(String, String)],
    findings: &mut Vec<Finding>,
) -> BTreeMap<ApplicationName, Application> {
    let mut applications: BTreeMap<ApplicationName, Application> = BTreeMap::new();
    let mut homes: BTreeMap<ApplicationName, &str> = BTreeMap::new();
    for (file, text) in files {
        let checked = Application::check(file, text);
        findings.extend(checked.findings);
        let Some(application) = checked.value else { continue };
        let name = application.name.clone();
        if let Some(other) = homes.insert(name.clone(), file) {
            findings.push(Finding {
                file: file.clone(),
                place: name_of(text),
                severity: Severity::Error,
                rule: "clash",
                message: format!("application `{name}` stands in {other} too"),
                hint: None,
            });
        }
        applications.insert(name, application);
    }
    findings.extend(recovery_problems(&applications, &homes));
    applications
}

/// What is wrong with the order in which applications leave a region.
fn recovery_problems(
    applications: &BTreeMap<ApplicationName, Application>,
    homes: &BTreeMap<ApplicationName, &str>,
) -> Vec<Finding> {
    let finding = |name: &ApplicationName, rule, message| Finding {
        file: homes.get(name).map_or_else(String::new, |file| (*file).to_owned()),
        place: Place::START,
        severity: Severity::Error,
        rule,
        message,
        hint: None,
    };
    let mut problems = Vec::new();
    for application in applications.values() {
        let others = application.recovery.after.iter();
        for other in others.filter(|other| !applications.contains_key(*other)) {
            let message =
                format!("`recovery` comes after `{other}`, and there is no such application");
            problems.push(finding(&application.name, "unknown-application", message));
        }
    }
    if let Err(names) = recovery::in_order(applications.values()) {
        for name in &names {
            let message = format!("`{name}` and others wait for each other; see `recovery.after`");
            problems.push(finding(name, "wait-for-each-other", message));
        }
    }
    problems
}

fn name_of(text: &str) -> Place {
    let Ok(Node { content: Content::Map(entries), .. }) = tree::parse(text) else {
        return Place::START;
    };
    entries.iter().find(|entry| entry.key == "name").map_or(Place::START, |name| name.value.place)
}

/// The YAML files that a list of files and directories stands for, in the order of their names.
///
/// # Errors
///
/// When one cannot be read, or a directory holds too many.
pub fn texts(paths: &[PathBuf]) -> Result<Vec<(String, String)>, BadConfig> {
    let mut texts = Vec::new();
    for path in paths {
        for file in files(path)? {
            texts.push((file.display().to_string(), config::read(&file)?));
        }
    }
    Ok(texts)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, BadConfig> {
    let unreadable = |source| BadConfig::Unreadable { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(file);
        }
        if files.len() > FILES_MAX {
            return Err(BadConfig::Invalid { findings: vec![too_many(path)] });
        }
    }
    files.sort();
    Ok(files)
}

fn too_many(path: &Path) -> Finding {
    Finding {
        file: path.display().to_string(),
        place: Place::START,
        severity: Severity::Error,
        rule: "too-many-files",
        message: format!("more than {FILES_MAX} files"),
        hint: None,
    }
}
