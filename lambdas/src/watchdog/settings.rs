//! What the watchdog is told by its environment, checked once at the cold start.
//!
//! `MUSTER_WATCH`, as in `deploy/covetpy/watchdog.json`:
//!
//! ```json
//! {"name": "covetpy",
//!  "heartbeat": {"region": "eu-central-1", "bucket": "covetpy-muster-lease", "key": "lease.heartbeat"},
//!  "databases": [
//!    {"application": "covetpy", "database": "main", "regions": ["us-east-1", "us-west-2"],
//!     "backup_max_age": "26h", "copy_max_age": "36h", "proof_max_age": "192h"}],
//!  "notices": {"failing_after": "3m", "silent_after": "26h"}}
//! ```

use std::collections::BTreeSet;

use muster_runbooks::{
    name::{ApplicationName, ComponentName, Region},
    value::Span,
};
use serde::Deserialize;

use crate::settings::{BadSettings, parse};

/// A heartbeat that is older is stale: four of them have not come.
const STALE_AFTER_DEFAULT: Span = Span::from_mins(2);

/// One may be late, and the clocks differ.
const STALE_AFTER_MIN: Span = Span::from_secs(45);

/// Without a backup for so long, a night's is missing (facts §10, GitLab).
const BACKUP_MAX_AGE_DEFAULT: Span = Span::from_hours(26);

/// Shorter is a typing error, longer is not a watch.
const AGE_MIN: Span = Span::from_hours(1);
const AGE_MAX: Span = Span::from_hours(24 * 100);

/// A notice is tried again and again; for so long nobody is told about that.
const FAILING_AFTER_DEFAULT: Span = Span::from_mins(3);

/// The most databases of one watchdog: each is up to three causes a minute, and PagerDuty takes 120
/// events a minute for one key.
const DATABASES_MAX: usize = 20;

const WATCH: &str = "MUSTER_WATCH";
const KEY: &str = "MUSTER_PAGERDUTY_KEY";
const SECRET: &str = "MUSTER_PAGERDUTY_SECRET";
const URL: &str = "MUSTER_PAGERDUTY_URL";

/// Where events go unless the environment says otherwise.
const ENQUEUE: &str = "https://events.pagerduty.com/v2/enqueue";

/// Everything that the watchdog is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// What is watched, in a word: it stands in every `dedup_key`.
    pub name: String,
    /// Where Muster's sign of life is.
    pub heartbeat: HeartbeatAt,
    /// What must have backups.
    pub databases: Vec<Database>,
    /// How it is judged whether notices arrive; not at all without.
    pub notices: Option<Notices>,
    /// How people are told.
    pub pager: Pager,
}

/// Where Muster's sign of life is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatAt {
    /// The bucket's region.
    pub region: Region,
    /// The bucket.
    pub bucket: String,
    /// The object: the lease's key and `.heartbeat`.
    pub key: String,
    /// An older one is stale.
    #[serde(default = "stale_after")]
    pub stale_after: Span,
}

/// A database that must have backups.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Its application.
    pub application: ApplicationName,
    /// Its name there.
    pub database: ComponentName,
    /// Where its recovery points are: both sides, as either may be the source.
    pub regions: BTreeSet<Region>,
    /// How old the newest one's data may be.
    #[serde(default = "backup_max_age")]
    pub backup_max_age: Span,
    /// How old the newest one's data may be in each region; not judged without.
    #[serde(default)]
    pub copy_max_age: Option<Span>,
    /// How long ago one that is still there may have been proven to restore; not judged without.
    #[serde(default)]
    pub proof_max_age: Option<Span>,
}

/// How it is judged whether notices arrive.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Notices {
    /// A receiver that takes nothing for so long does not work.
    #[serde(default = "failing_after")]
    pub failing_after: Span,
    /// So long after the last notice one must have come; not judged without. It takes a schedule that
    /// sends one often enough.
    #[serde(default)]
    pub silent_after: Option<Span>,
}

/// How people are told: a service of PagerDuty that Muster itself does not use.
#[derive(Clone, Eq, PartialEq)]
pub struct Pager {
    /// Where its routing key is.
    pub key: Key,
    /// Where events go.
    pub url: String,
}

/// Where a routing key is. Whoever knows it can page people.
#[derive(Clone, Eq, PartialEq)]
pub enum Key {
    /// Here.
    Plain(String),
    /// In Secrets Manager, under this ARN; its region is the ARN's.
    Secret {
        /// The ARN.
        arn: String,
        /// Its region.
        region: Region,
    },
}

impl std::fmt::Debug for Pager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pager").field("url", &self.url).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Watch {
    name: String,
    heartbeat: HeartbeatAt,
    databases: Vec<Database>,
    #[serde(default)]
    notices: Option<Notices>,
}

fn stale_after() -> Span {
    STALE_AFTER_DEFAULT
}

fn backup_max_age() -> Span {
    BACKUP_MAX_AGE_DEFAULT
}

fn failing_after() -> Span {
    FAILING_AFTER_DEFAULT
}

impl Settings {
    /// Reads all variables by `variable`, such as `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    ///
    /// When one is missing or wrong.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, BadSettings> {
        let Watch { name, heartbeat, databases, notices } = parse(WATCH, &variable)?;
        let pager = pager(&variable)?;
        let settings = Settings { name, heartbeat, databases, notices, pager };
        let invalid = |because| BadSettings::Invalid { variable: WATCH, because };
        settings.check().map_err(invalid)?;
        Ok(settings)
    }

    /// Every region that recovery points are listed in.
    pub fn regions(&self) -> BTreeSet<Region> {
        self.databases.iter().flat_map(|one| &one.regions).cloned().collect()
    }

    fn check(&self) -> Result<(), String> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.name.is_empty() || self.name.len() > 40 || !self.name.bytes().all(is_word) {
            return Err("`name` must be 1 to 40 of a-z, 0-9 and `-`".to_owned());
        }
        let HeartbeatAt { bucket, key, stale_after, .. } = &self.heartbeat;
        if bucket.is_empty() || key.is_empty() {
            return Err("`heartbeat` must name a bucket and a key".to_owned());
        }
        if *stale_after < STALE_AFTER_MIN || *stale_after > AGE_MIN {
            return Err(format!("`stale_after` must be {STALE_AFTER_MIN} to {AGE_MIN}"));
        }
        if self.databases.is_empty() || self.databases.len() > DATABASES_MAX {
            return Err(format!("`databases` must name 1 to {DATABASES_MAX}"));
        }
        let mut names = BTreeSet::new();
        for one in &self.databases {
            let name = format!("database `{}` of `{}`", one.database, one.application);
            if one.regions.is_empty() {
                return Err(format!("{name}: `regions` must name at least one"));
            }
            let ages = [Some(one.backup_max_age), one.copy_max_age, one.proof_max_age];
            if ages.into_iter().flatten().any(|age| age < AGE_MIN || age > AGE_MAX) {
                return Err(format!("{name}: an age must be {AGE_MIN} to {AGE_MAX}"));
            }
            if !names.insert((&one.application, &one.database)) {
                return Err(format!("{name} is declared twice"));
            }
        }
        if let Some(Notices { failing_after, silent_after }) = &self.notices
            && (*failing_after > AGE_MAX || silent_after.is_some_and(|span| span < AGE_MIN))
        {
            return Err("`notices`: a limit of them is no span that makes sense".to_owned());
        }
        Ok(())
    }
}

fn pager(variable: &impl Fn(&str) -> Option<String>) -> Result<Pager, BadSettings> {
    let find = |name| variable(name).map(|text| text.trim().to_owned());
    let find = |name| find(name).filter(|text| !text.is_empty());
    let key = match (find(KEY), find(SECRET)) {
        (Some(key), None) if key.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Key::Plain(key)
        }
        // Not what it is: it is a secret.
        (Some(_), None) => {
            let because = "it is not a routing key: letters and digits".to_owned();
            return Err(BadSettings::Invalid { variable: KEY, because });
        }
        (None, Some(arn)) => {
            let region = arn.split(':').nth(3).and_then(|region| region.parse().ok());
            let is_arn = arn.starts_with("arn:") && arn.split(':').nth(2) == Some("secretsmanager");
            match region.filter(|_| is_arn) {
                Some(region) => Key::Secret { arn, region },
                None => {
                    let because = format!("`{arn}` is not the ARN of a secret");
                    return Err(BadSettings::Invalid { variable: SECRET, because });
                }
            }
        }
        (None, None) => return Err(BadSettings::Missing { variable: SECRET }),
        (Some(_), Some(_)) => {
            let because = format!("`{KEY}` is set as well; give one of them");
            return Err(BadSettings::Invalid { variable: SECRET, because });
        }
    };
    let url = find(URL).unwrap_or_else(|| ENQUEUE.to_owned());
    if !url.starts_with("https://") && !url.starts_with("http://127.0.0.1:") {
        let because = format!("`{url}` is not an `https:` address");
        return Err(BadSettings::Invalid { variable: URL, because });
    }
    Ok(Pager { key, url })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../deploy/covetpy/watchdog.json");
    const ARN: &str =
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:muster/watchdog-Ab12Cd";

    fn read(watch: &str, more: &[(&str, &str)]) -> Result<Settings, BadSettings> {
        Settings::read(|name| match name {
            WATCH => Some(watch.to_owned()),
            _ => more.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned()),
        })
    }

    #[test]
    fn good_settings_are_read() {
        let settings = read(GOOD, &[(SECRET, ARN)]).unwrap();
        assert_eq!(settings.heartbeat.stale_after, Span::from_mins(2));
        assert_eq!(settings.databases[0].backup_max_age, Span::from_hours(26));
        assert_eq!(settings.pager.url, ENQUEUE);
        assert_eq!(settings.regions().len(), 2);
        let settings = read(GOOD, &[(KEY, "a1B2"), (URL, "http://127.0.0.1:9/")]).unwrap();
        assert!(settings.pager.key == Key::Plain("a1B2".to_owned()));
        assert!(!format!("{settings:?}").contains("a1B2"), "it is a secret");
    }

    /// Goal: a typing error is found at the deployment, and no secret stands in what is said about it.
    /// Method: spoil one thing after the other in good settings.
    #[test]
    fn a_cold_start_says_what_is_wrong() {
        for (from, to, wanted) in [
            ("\"databases\"", "\"database\"", "unknown field `database`"),
            ("\"covetpy\"", "\"Covet Py\"", "`name` must be"),
            ("\"lease.heartbeat\"", "\"\"", "must name a bucket and a key"),
            ("\"stale_after\": \"2m\"", "\"stale_after\": \"10s\"", "`stale_after` must be"),
            ("\"backup_max_age\": \"26h\"", "\"backup_max_age\": \"26m\"", "an age must be"),
            ("[\"us-east-1\", \"us-west-2\"]", "[]", "`regions` must name at least one"),
            ("\"us-west-2\"", "\"us-west-9\"", "`us-west-9` is not a region"),
            ("\"3m\"", "\"3m\", \"silent_after\": \"26s\"", "`notices`"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            found(read(&GOOD.replacen(from, to, 1), &[(SECRET, ARN)]), wanted);
        }
        found(read(GOOD, &[]), "`MUSTER_PAGERDUTY_SECRET` is not set");
        found(read(GOOD, &[(SECRET, ARN), (KEY, "a1")]), "give one of them");
        found(read(GOOD, &[(SECRET, "muster/watchdog")]), "is not the ARN of a secret");
        found(read(GOOD, &[(SECRET, ARN), (URL, "http://example.com/")]), "is not an `https:`");
        let said = found(read(GOOD, &[(KEY, "s3cret!")]), "it is not a routing key");
        assert!(!said.contains("s3cret"), "{said}");
    }

    fn found(result: Result<Settings, BadSettings>, wanted: &str) -> String {
        let error = result.unwrap_err();
        let text = crate::function::chain(&error);
        assert!(text.contains(wanted), "{text}\n{wanted}");
        text
    }
}
