//! Who watches an application from elsewhere, and what follows when enough of them say that its region is
//! lost.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    name::{ComponentName, Region},
    value::{Span, words},
};

/// Somebody who watches an application's regions.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Observer {
    /// What it is called in verdicts.
    pub name: ComponentName,
    /// What fails together with it; one vote per domain.
    pub domain: String,
    /// How it is asked.
    pub by: Sight,
}

/// How an observer is asked about a region. None of them is believed while what it surely must reach
/// does not answer either.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sight {
    /// By URLs whose status is the report.
    Http {
        /// Per region the URL whose answer is its report about that region.
        sees: BTreeMap<String, String>,
        /// A URL that answers while the observer itself is well.
        control: String,
    },
    /// By the URL of a `muster observe`, which signs what it says together with a number that is asked
    /// along: nothing can be forged on the way, and nothing that was said before can be said again.
    Report {
        /// Where it answers.
        url: String,
        /// The key that its reports are signed with.
        key: PublicKey,
    },
    /// By alarms of CloudWatch. What has no data knows nothing.
    Alarms(BTreeMap<String, Alarm>),
    /// By what of a workload is available where it serves. Its control target is the other region's API
    /// server.
    Workload(ComponentName),
    /// By the rows of a database's canary: none could be written for a while. Its control target is the
    /// reader at the standby.
    Canary(ComponentName),
}

/// An alarm that tells about a region.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// Where the alarm is: best elsewhere, for a region that is lost takes its alarms along.
    pub region: Region,
    /// Its name.
    pub name: String,
}

impl Observer {
    /// Whether it is asked over the network by a URL that its file names.
    pub fn urls(&self) -> Vec<&str> {
        match &self.by {
            Sight::Http { sees, control } => {
                sees.values().chain([control]).map(String::as_str).collect()
            }
            Sight::Report { url, .. } => vec![url],
            Sight::Alarms(_) | Sight::Workload(_) | Sight::Canary(_) => Vec::new(),
        }
    }
}

/// An observer as it stands in a frozen plan, where one way of asking is given.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: ComponentName,
    domain: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sees: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    control: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<PublicKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alarms: Option<BTreeMap<String, Alarm>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workload: Option<ComponentName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    canary: Option<ComponentName>,
}

impl TryFrom<Written> for Observer {
    type Error = String;

    fn try_from(written: Written) -> Result<Observer, String> {
        let Written { name, domain, sees, control, report, key, alarms, workload, canary } =
            written;
        let by = match (sees, control, report, key, alarms, workload, canary) {
            (Some(sees), Some(control), None, None, None, None, None) => {
                Sight::Http { sees, control }
            }
            (None, None, Some(url), Some(key), None, None, None) => Sight::Report { url, key },
            (None, None, None, None, Some(alarms), None, None) => Sight::Alarms(alarms),
            (None, None, None, None, None, Some(workload), None) => Sight::Workload(workload),
            (None, None, None, None, None, None, Some(canary)) => Sight::Canary(canary),
            (..) => return Err(format!("observer `{name}` is not asked in one way")),
        };
        Ok(Observer { name, domain, by })
    }
}

impl From<Observer> for Written {
    fn from(observer: Observer) -> Written {
        let mut written = Written {
            name: observer.name,
            domain: observer.domain,
            sees: None,
            control: None,
            report: None,
            key: None,
            alarms: None,
            workload: None,
            canary: None,
        };
        match observer.by {
            Sight::Http { sees, control } => {
                (written.sees, written.control) = (Some(sees), Some(control));
            }
            Sight::Report { url, key } => {
                (written.report, written.key) = (Some(url), Some(key));
            }
            Sight::Alarms(alarms) => written.alarms = Some(alarms),
            Sight::Workload(workload) => written.workload = Some(workload),
            Sight::Canary(canary) => written.canary = Some(canary),
        }
        written
    }
}

/// An Ed25519 public key, written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublicKey([u8; 32]);

/// A text that is no [`PublicKey`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a public key has 64 hexadecimal digits, as `muster observe --print-key` shows it")]
pub struct BadKey;

impl PublicKey {
    /// The key out of its bytes.
    pub const fn new(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<PublicKey, BadKey> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(BadKey);
        }
        let mut bytes = [0; 32];
        for (byte, two) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let two = std::str::from_utf8(two).map_err(|_| BadKey)?;
            *byte = u8::from_str_radix(two, 16).map_err(|_| BadKey)?;
        }
        Ok(PublicKey(bytes))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<PublicKey, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

words! {
    /// What follows when a region is lost.
    Then {
        /// A finding, and nothing else.
        Nothing = "nothing",
        /// A plan that a person starts, and a page to the on-call.
        Propose = "propose",
        /// The run itself, approved beforehand by whoever signed the policy.
        Auto = "auto",
    }
}

/// When a region counts as lost, and what follows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// How many failure domains must say so.
    pub quorum: u32,
    /// For how long without a break.
    pub window: Span,
    /// For how long it must have been well again before it no longer counts as lost.
    pub clear_after: Span,
    /// What follows.
    pub then: Then,
    /// So long after a failover has ended none starts by itself, unless somebody acknowledged it.
    pub min_delay: Span,
    /// Who approved beforehand what starts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorised: Option<Authorised>,
}

/// A named person's approval that was given beforehand. It ends.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Authorised {
    /// Who.
    pub by: String,
    /// The last day, in UTC, on which it counts.
    pub until: Date,
    /// Why nobody has to be asked.
    pub because: String,
}

impl Default for Detection {
    /// Two domains for two minutes, and a person starts it. Forty-three seconds of a partition are far
    /// below that, and two of the quarter of an hour that a recovery may take are left to be sure.
    fn default() -> Detection {
        Detection {
            quorum: 2,
            window: Span::from_mins(2),
            clear_after: Span::from_mins(5),
            then: Then::Propose,
            min_delay: Span::from_hours(1),
            authorised: None,
        }
    }
}
