//! What runs in a namespace, by kind and name: `deployment/api`, `cronjob/nightly-report`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    name::{BadName, bad},
    value::words,
};

words! {
    /// The kinds of objects that start pods by themselves.
    ControllerKind {
        /// Starts a job at its times.
        CronJob = "cronjob",
        /// Keeps so many equal pods.
        Deployment = "deployment",
        /// Keeps so many pods, each with a name of its own.
        StatefulSet = "statefulset",
    }
}

/// One object that starts pods, the same in both regions.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Controller {
    /// Its kind.
    pub kind: ControllerKind,
    /// Its name, without a wildcard: what nobody has named is not touched.
    pub name: String,
}

impl Controller {
    /// Whether it keeps a number of pods, and so has a strength.
    pub fn is_set(&self) -> bool {
        match self.kind {
            ControllerKind::CronJob => false,
            ControllerKind::Deployment | ControllerKind::StatefulSet => true,
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl FromStr for Controller {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Controller, BadName> {
        const RULE: &str = "write `cronjob/NAME`, `deployment/NAME` or `statefulset/NAME`, in full";
        let parts = text.split_once('/');
        let found = parts.and_then(|(kind, name)| {
            let kind = kind.parse().ok()?;
            is_name(name).then(|| Controller { kind, name: name.to_owned() })
        });
        found.ok_or_else(|| bad("name of what runs", text, RULE))
    }
}

impl TryFrom<String> for Controller {
    type Error = BadName;

    fn try_from(text: String) -> Result<Controller, BadName> {
        text.parse()
    }
}

impl From<Controller> for String {
    fn from(controller: Controller) -> String {
        controller.to_string()
    }
}

/// A name that Kubernetes accepts for an object, and that is safe in a path.
fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253
        && name.bytes().all(inner)
        && name.starts_with(ends)
        && name.ends_with(ends)
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: only what names one object is taken, and it is written as it was read.
    #[test]
    fn one_object_has_one_name() {
        for text in ["cronjob/nightly", "deployment/api", "statefulset/queue.v2"] {
            assert_eq!(text.parse::<Controller>().unwrap().to_string(), text);
        }
        for text in
            ["nightly", "cronjob/", "cronjob/*", "job/nightly", "deployment/a/b", "deployment/../x"]
        {
            assert!(text.parse::<Controller>().is_err(), "{text}");
        }
    }
}
