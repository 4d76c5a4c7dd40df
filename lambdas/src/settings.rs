//! What the function is told by its environment, checked once at the cold start.
//!
//! `MUSTER_RULES`:
//!
//! ```json
//! {"accounts": ["123456789012"],
//!  "regions": ["us-east-1", "us-west-2"],
//!  "schedules": [
//!    {"rule": "muster-daily-backup", "runbook": "daily-backup", "application": "covetpy",
//!     "inputs": {}, "reason": "nightly backup", "max_age": "6h"}],
//!  "deployments": [
//!    {"by": {"pipeline": "covetpy-release"}, "runbook": "pre-deployment-snapshot",
//!     "application": "covetpy", "execution_input": "schema_version", "max_age": "10m"}],
//!  "carriers": ["arn:aws:sns:us-east-1:123456789012:muster-alarms"],
//!  "buckets": {"covetpy-media-us-east-1": "123456789012"}}
//! ```
//!
//! `MUSTER_QUEUES`:
//!
//! ```json
//! [{"region": "us-west-2", "url": "https://sqs.us-west-2.amazonaws.com/123456789012/muster"}]
//! ```

use std::collections::{BTreeMap, BTreeSet};

use muster_runbooks::{
    message,
    name::{ApplicationName, Region, RunbookName},
    value::Span,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// How old a scheduled occurrence may be unless its rule says otherwise.
pub const AGE_DEFAULT: Span = Span::from_hours(1);

/// How old the beginning of a deployment may be unless its rule says otherwise: what is kept later than
/// that is no longer what was there before.
pub const DEPLOYMENT_AGE_DEFAULT: Span = Span::from_mins(10);

/// The oldest that an event may be told to become: EventBridge gives up after 24 hours, and the
/// daemon takes nothing that lives longer.
pub const AGE_MAX: Span = Span::from_hours(23);

/// The most that one rule's inputs may take as JSON, so that every message fits the queue.
const INPUT_BYTES_MAX: usize = 16 * 1024;

/// Both variables, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `MUSTER_RULES`.
    pub rules: Rules,
    /// `MUSTER_QUEUES`.
    pub queues: Vec<QueueAddress>,
}

/// Which events are ours, and what they start.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The accounts whose events are ours.
    pub accounts: BTreeSet<String>,
    /// The regions whose events are ours.
    pub regions: BTreeSet<Region>,
    /// What EventBridge's scheduled rules start.
    #[serde(default)]
    pub schedules: Vec<ScheduleRule>,
    /// What the beginning of a deployment starts.
    #[serde(default)]
    pub deployments: Vec<DeploymentRule>,
    /// The topics and queues, by ARN, that may carry events to this function. Whoever may write there
    /// can ask for whatever these rules can start.
    #[serde(default)]
    pub carriers: BTreeSet<String>,
    /// The buckets that tell of their replication, and the account of each: S3 does not say whose they
    /// are.
    #[serde(default)]
    pub buckets: BTreeMap<String, String>,
}

/// What one scheduled rule starts.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRule {
    /// The rule's name, without its ARN: the same rule in two regions is one schedule.
    pub rule: String,
    /// The runbook.
    pub runbook: RunbookName,
    /// The application it is bound to.
    #[serde(default)]
    pub application: Option<ApplicationName>,
    /// Values for its inputs.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// Why, in words.
    #[serde(default)]
    pub reason: String,
    /// How late an occurrence may still start.
    #[serde(default = "age_default")]
    pub max_age: Span,
}

/// What the beginning of a deployment starts.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct DeploymentRule {
    /// Who deploys.
    pub by: Deployer,
    /// The runbook, such as `pre-deployment-snapshot`.
    pub runbook: RunbookName,
    /// The application it is bound to.
    pub application: ApplicationName,
    /// Values for its inputs.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
    /// The input that is given `before EXECUTION`, so that a snapshot can be told from the next one's.
    #[serde(default)]
    pub execution_input: Option<String>,
    /// Why, in words.
    #[serde(default)]
    pub reason: String,
    /// How late it may still start.
    #[serde(default = "deployment_age_default")]
    pub max_age: Span,
}

/// Who deploys.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Deployer {
    /// A pipeline of CodePipeline, by name.
    Pipeline(String),
    /// A deployment group of CodeDeploy.
    CodeDeploy {
        /// CodeDeploy's application.
        application: String,
        /// The group in it.
        group: String,
    },
}

fn age_default() -> Span {
    AGE_DEFAULT
}

fn deployment_age_default() -> Span {
    DEPLOYMENT_AGE_DEFAULT
}

/// A queue that the daemon reads.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct QueueAddress {
    /// Its region; not read from the URL, which may be a private endpoint's.
    pub region: Region,
    /// Its URL.
    pub url: String,
}

/// Why the function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// A variable is missing.
    #[error("`{variable}` is not set")]
    Missing {
        /// The variable.
        variable: &'static str,
    },
    /// A variable does not hold what it should.
    #[error("`{variable}` is not what it should be")]
    Unreadable {
        /// The variable.
        variable: &'static str,
        /// What is wrong, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A value makes no sense.
    #[error("`{variable}`: {because}")]
    Invalid {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        because: String,
    },
}

const RULES: &str = "MUSTER_RULES";
const QUEUES: &str = "MUSTER_QUEUES";

impl Settings {
    /// Reads both variables by `variable`, such as `|name| std::env::var(name).ok()`.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, BadSettings> {
        let rules: Rules = parse(RULES, &variable)?;
        let queues: Vec<QueueAddress> = parse(QUEUES, &variable)?;
        rules.check().map_err(|because| BadSettings::Invalid { variable: RULES, because })?;
        check(&queues).map_err(|because| BadSettings::Invalid { variable: QUEUES, because })?;
        Ok(Settings { rules, queues })
    }
}

pub(crate) fn parse<T: DeserializeOwned>(
    variable: &'static str,
    read: impl Fn(&str) -> Option<String>,
) -> Result<T, BadSettings> {
    let text = read(variable).ok_or(BadSettings::Missing { variable })?;
    serde_json::from_str(&text).map_err(|source| BadSettings::Unreadable { variable, source })
}

impl Rules {
    fn check(&self) -> Result<(), String> {
        if self.accounts.is_empty() || self.regions.is_empty() {
            return Err("`accounts` and `regions` must each name at least one".into());
        }
        if let Some(text) = self.accounts.iter().find(|text| !message::is_account(text)) {
            return Err(format!("account `{text}` is not twelve digits"));
        }
        let mut names = BTreeSet::new();
        for schedule in &self.schedules {
            schedule.check()?;
            if !names.insert(&schedule.rule) {
                return Err(format!("schedule rule `{}` is declared twice", schedule.rule));
            }
        }
        let mut deployers = BTreeSet::new();
        for deployment in &self.deployments {
            deployment.check()?;
            if !deployers.insert(&deployment.by) {
                return Err(format!("{} is declared twice", deployment.what()));
            }
        }
        if let Some(carrier) = self.carriers.iter().find(|carrier| !self.may_carry(carrier)) {
            return Err(format!(
                "carrier `{carrier}` is not the ARN of a topic or queue in a listed account and region"
            ));
        }
        if let Some((name, account)) =
            self.buckets.iter().find(|(_, account)| !self.accounts.contains(*account))
        {
            return Err(format!("bucket `{name}` is of account `{account}`, which is not listed"));
        }
        Ok(())
    }

    fn may_carry(&self, arn: &str) -> bool {
        let parts: Vec<&str> = arn.split(':').collect();
        let [head, _partition, service, region, account, name] = parts[..] else { return false };
        let is_here = region.parse::<Region>().is_ok_and(|region| self.regions.contains(&region));
        head == "arn"
            && matches!(service, "sns" | "sqs")
            && is_here
            && self.accounts.contains(account)
            && !name.is_empty()
    }
}

/// The checks that rules have in common. `what` names the rule.
fn check_rule(
    what: &str,
    max_age: Span,
    reason: &str,
    inputs: &BTreeMap<String, Value>,
) -> Result<(), String> {
    if max_age < Span::from_mins(1) || max_age > AGE_MAX {
        return Err(format!("{what}: `max_age` must be 1m to {AGE_MAX}"));
    }
    if reason.len() > message::TEXT_BYTES_MAX || reason.chars().any(char::is_control) {
        return Err(format!("{what}: `reason` is no line of 1,024 bytes"));
    }
    let bytes = serde_json::to_vec(inputs).map_or(usize::MAX, |text| text.len());
    if bytes > INPUT_BYTES_MAX {
        return Err(format!("{what}: `inputs` take more than 16 KiB"));
    }
    Ok(())
}

impl DeploymentRule {
    fn what(&self) -> String {
        match &self.by {
            Deployer::Pipeline(name) => format!("deployment rule of pipeline `{name}`"),
            Deployer::CodeDeploy { application, group } => {
                format!("deployment rule of CodeDeploy's `{application}`, group `{group}`")
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        let what = self.what();
        let is_named = match &self.by {
            Deployer::Pipeline(name) => !name.is_empty(),
            Deployer::CodeDeploy { application, group } => {
                !application.is_empty() && !group.is_empty()
            }
        };
        if !is_named {
            return Err(format!("{what}: an empty name is nobody's"));
        }
        if let Some(name) =
            self.execution_input.as_ref().filter(|name| self.inputs.contains_key(*name))
        {
            return Err(format!("{what}: input `{name}` is given twice"));
        }
        check_rule(&what, self.max_age, &self.reason, &self.inputs)
    }
}

impl ScheduleRule {
    fn check(&self) -> Result<(), String> {
        let rule = &self.rule;
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if rule.is_empty() || rule.len() > 64 || !rule.bytes().all(fits) {
            return Err(format!("`{rule}` is not the name of an EventBridge rule; give no ARN"));
        }
        check_rule(&format!("schedule rule `{rule}`"), self.max_age, &self.reason, &self.inputs)
    }
}

fn check(queues: &[QueueAddress]) -> Result<(), String> {
    if queues.is_empty() {
        return Err("no queue is named".into());
    }
    let mut urls = BTreeSet::new();
    for QueueAddress { url, .. } in queues {
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(format!("`{url}` is not the URL of a queue"));
        }
        if url.ends_with(".fifo") {
            // It would hold everything behind one message, and dedupes for five minutes only.
            return Err(format!("`{url}` is a FIFO queue; give a standard one"));
        }
        if !urls.insert(url) {
            return Err(format!("queue `{url}` is named twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD_RULES: &str = include_str!("../fixtures/rules.json");
    const GOOD_QUEUES: &str = r#"[{"region":"us-west-2","url":"https://sqs.us-west-2.amazonaws.com/123456789012/muster"}]"#;

    fn read(rules: &str, queues: &str) -> Result<Settings, BadSettings> {
        Settings::read(|name| match name {
            RULES => Some(rules.to_owned()),
            QUEUES => Some(queues.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn good_settings_are_read() {
        let settings = read(GOOD_RULES, GOOD_QUEUES).unwrap();
        assert_eq!(settings.rules.schedules[1].max_age, AGE_DEFAULT);
        assert!(matches!(Settings::read(|_| None), Err(BadSettings::Missing { variable: RULES })));
    }

    /// Goal: a typing error is found at the deployment, not at two in the morning.
    /// Method: spoil one thing after the other in good settings.
    #[test]
    fn a_cold_start_says_what_is_wrong() {
        for (from, to, wanted) in [
            ("\"accounts\"", "\"account\"", "unknown field `account`"),
            ("\"123456789012\"", "\"12345\"", "account `12345` is not twelve digits"),
            ("\"123456789012\"", "", "must each name at least one"),
            ("\"us-west-2\"", "\"us-west-9\"", "`us-west-9` is not a region"),
            ("\"6h\"", "\"24h\"", "`max_age` must be 1m to 23h"),
            ("\"6h\"", "\"0s\"", "`max_age` must be 1m to 23h"),
            ("\"daily-backup\"", "\"Daily\"", "`Daily` is not a runbook name"),
            ("\"muster-daily-backup\"", "\"arn:x\"", "`arn:x` is not the name of"),
            ("\"muster-daily-backup\"", "\"muster-failover\"", "is declared twice"),
            ("\"covetpy-release\"", "\"\"", "an empty name is nobody's"),
            ("\"10m\"", "\"10s\"", "`max_age` must be 1m to 23h"),
            ("\"execution_input\"", "\"execution\"", "unknown field `execution`"),
            ("arn:aws:sns:us-east-1:1", "arn:aws:sns:us-east-1:9", "is not the ARN of a topic"),
            ("arn:aws:sqs:us-east-1", "arn:aws:s3:us-east-1", "is not the ARN of a topic"),
            ("-use1\": \"123456789012\"", "-use1\": \"999999999999\"", "which is not listed"),
        ] {
            assert!(GOOD_RULES.contains(from), "{from}");
            found(read(&GOOD_RULES.replacen(from, to, 1), GOOD_QUEUES), wanted);
        }
        found(read(GOOD_RULES, "[]"), "no queue is named");
        found(read(GOOD_RULES, &GOOD_QUEUES.replace("https", "ftp")), "is not the URL of a queue");
        found(read(GOOD_RULES, &GOOD_QUEUES.replace("muster\"", "m.fifo\"")), "is a FIFO queue");
    }

    fn found(result: Result<Settings, BadSettings>, wanted: &str) {
        let error = result.unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let text = format!("{error}: {}", source.unwrap_or_default());
        assert!(text.contains(wanted), "{text}\n{wanted}");
    }
}
