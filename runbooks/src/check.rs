//! What is wrong with a file: findings with their place, and a reader that collects all of them.
//!
//! Second stage of reading a file. Nothing here stops at the first finding: a person who mends a
//! file wants the whole list.

mod fields;

use std::fmt;

use serde::Serialize;

pub(crate) use fields::{Fields, list, map, parsed, text, unknown, wrong_kind};

use crate::tree::{self, Node, Place};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The file is not used.
    Error,
    /// The file is used, and somebody should look.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// Something wrong in a file.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Finding {
    /// The file, as the person named it.
    pub file: String,
    /// Where in it.
    #[serde(flatten)]
    pub place: Place,
    /// How bad.
    pub severity: Severity,
    /// The rule that it breaks, a word to search the documentation for.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { file, place, severity, rule, message, hint } = self;
        write!(f, "{file}:{place}: {severity}: {message} [{rule}]")?;
        if let Some(hint) = hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// What came of a file: a value unless something essential was missing, and everything found.
#[derive(Clone, Debug)]
pub struct Checked<T> {
    /// The value, with gaps where there are errors among the findings.
    pub value: Option<T>,
    /// Everything found, in the order of the file.
    pub findings: Vec<Finding>,
}

impl<T> Checked<T> {
    /// The value if it may be used: warnings pass, errors do not.
    pub fn into_result(self) -> Result<T, Vec<Finding>> {
        match self.value {
            Some(value) if !has_errors(&self.findings) => Ok(value),
            Some(_) | None => Err(self.findings),
        }
    }
}

/// Whether any of the findings is an error.
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// The findings about one file while it is being read.
#[derive(Debug)]
pub(crate) struct Findings {
    file: String,
    list: Vec<Finding>,
}

impl Findings {
    pub(crate) fn new(file: &str) -> Findings {
        Findings { file: file.to_owned(), list: Vec::new() }
    }

    /// Adds an error; the returned reference takes a hint.
    pub(crate) fn error(
        &mut self,
        place: Place,
        rule: &'static str,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.add(place, Severity::Error, rule, message.into())
    }

    pub(crate) fn warning(
        &mut self,
        place: Place,
        rule: &'static str,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.add(place, Severity::Warning, rule, message.into())
    }

    /// Whether something was found under one of these rules.
    pub(crate) fn has(&self, rules: &[&str]) -> bool {
        self.list.iter().any(|finding| rules.contains(&finding.rule))
    }

    fn add(
        &mut self,
        place: Place,
        severity: Severity,
        rule: &'static str,
        message: String,
    ) -> &mut Finding {
        let at = self.list.len();
        let file = self.file.clone();
        self.list.push(Finding { file, place, severity, rule, message, hint: None });
        &mut self.list[at]
    }

    /// Everything found, in the order of the file, nothing twice.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        self.list.sort();
        self.list.dedup();
        self.list
    }

    /// Reads the text as a tree, or finds out where it is none.
    pub(crate) fn tree(&mut self, text: &str) -> Option<Node> {
        match tree::parse(text) {
            Ok(node) => Some(node),
            Err(broken) => {
                self.error(broken.place, "yaml", broken.message);
                None
            }
        }
    }
}

impl Finding {
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}
