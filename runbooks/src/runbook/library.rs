//! All runbooks that can be asked for: the shipped ones and the user's own.

use std::collections::BTreeMap;

use super::{Runbook, lint::starts};
use crate::{
    check::{Finding, Findings, has_errors, unknown},
    name::RunbookName,
    tree::Place,
};

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// The shipped definitions: file and text.
        pub const SHIPPED: &[(&str, &str)] = &[
            $((
                concat!("definitions/", $name, ".yaml"),
                include_str!(concat!("../../definitions/", $name, ".yaml")),
            )),+
        ];
    };
}

shipped![
    "daily-backup",
    "pre-deployment-snapshot",
    "expire-recovery-points",
    "replication-check",
    "bucket-comparison",
    "restore-objects",
    "restore-test",
    "settle-workers",
    "data-check",
    "region-failover",
    "region-failback",
    "region-evacuation",
    "environment-rebuild",
    "database-failover",
    "node-loss",
    "cache-failover",
    "quarterly-drill",
    "maintenance-window",
    "page-on-call",
    "rehearsal",
];

/// Runbooks by name, with everything that is wrong with any of them.
#[derive(Clone, Debug)]
pub struct Library {
    runbooks: BTreeMap<RunbookName, Runbook>,
    findings: Vec<Finding>,
}

impl Library {
    /// The shipped runbooks.
    pub fn shipped() -> Library {
        Library::with([])
    }

    /// The shipped runbooks and the user's files. A user's runbook takes the place of a shipped one
    /// of the same name only when it says `replaces: shipped`; otherwise a name that happens to be
    /// taken would change what a schedule does without anybody having said so.
    pub fn with<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Library {
        Draft::default().shipped().add(files).finish()
    }

    /// Nothing but these files.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Library {
        Draft::default().add(files).finish()
    }

    /// The runbook of a name, unless there are errors in it.
    pub fn get(&self, name: &RunbookName) -> Option<&Runbook> {
        self.runbooks.get(name)
    }

    /// All runbooks without errors, by name.
    pub fn runbooks(&self) -> impl Iterator<Item = &Runbook> {
        self.runbooks.values()
    }

    /// Whether a run of a runbook may move an application, itself or by a run that it starts: nobody but a person
    /// starts that.
    pub fn moves(&self, runbook: &Runbook) -> bool {
        runbook.exclusive || runbook.moves_many() || starts::moves(runbook, &self.runbooks)
    }

    /// Everything that is wrong, file by file.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// Everything that is wrong with the runbooks of a library.
pub fn lint(library: &Library) -> Vec<Finding> {
    library.findings.clone()
}

#[derive(Default)]
struct Draft {
    runbooks: BTreeMap<RunbookName, Runbook>,
    shipped: Vec<RunbookName>,
    findings: Vec<Finding>,
}

impl Draft {
    fn shipped(mut self) -> Draft {
        self = self.add(SHIPPED.iter().copied());
        self.shipped = self.runbooks.keys().cloned().collect();
        self
    }

    fn add<'a>(mut self, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Draft {
        for (file, text) in files {
            let checked = Runbook::check(file, text);
            self.findings.extend(checked.findings);
            if let Some(runbook) = checked.value {
                self.place(runbook);
            }
        }
        self
    }

    fn place(&mut self, runbook: Runbook) {
        let mut out = Findings::new(&runbook.file);
        let taken = self.runbooks.get(&runbook.name);
        let takes_shipped = self.shipped.contains(&runbook.name);
        match taken {
            Some(_) if takes_shipped && runbook.replaces_shipped => {
                self.shipped.retain(|name| *name != runbook.name);
                self.runbooks.insert(runbook.name.clone(), runbook);
            }
            Some(other) => {
                let message = format!("`{}` is already in {}", runbook.name, other.file);
                let finding = out.error(Place::START, "duplicate-runbook", message);
                if takes_shipped {
                    finding.hint("say `replaces: shipped` if it shall take its place");
                }
            }
            None if runbook.replaces_shipped => {
                let message = format!("no shipped runbook is called `{}`", runbook.name);
                out.error(Place::START, "replaces-nothing", message);
            }
            None => {
                self.runbooks.insert(runbook.name.clone(), runbook);
            }
        }
        self.findings.extend(out.finish());
    }

    fn finish(mut self) -> Library {
        let names: Vec<&str> = self.runbooks.keys().map(RunbookName::as_str).collect();
        for runbook in self.runbooks.values() {
            let mut out = Findings::new(&runbook.file);
            if let Some(way_back) = &runbook.way_back
                && !self.runbooks.contains_key(&way_back.value)
            {
                let name = way_back.value.as_str();
                let place = way_back.place;
                unknown(place, "no runbook is called", "unknown-runbook", name, &names, &mut out);
            }
            starts::check(runbook, &self.runbooks, &mut out);
            self.findings.extend(out.finish());
        }
        self.findings.sort();
        let findings = &self.findings;
        self.runbooks.retain(|_, runbook| {
            let own: Vec<Finding> =
                findings.iter().filter(|finding| finding.file == runbook.file).cloned().collect();
            !has_errors(&own)
        });
        Library { runbooks: self.runbooks, findings: self.findings }
    }
}
