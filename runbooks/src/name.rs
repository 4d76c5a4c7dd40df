//! Identifiers: what may stand in a name, checked once where the name enters.

use std::{borrow::Borrow, fmt, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not the identifier it was meant to be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not a {what}: {rule}")]
pub struct BadName {
    /// What it should have been, such as `step id`.
    pub what: &'static str,
    /// The text as it was given, cut to 80 characters.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

pub(crate) fn bad(what: &'static str, text: &str, rule: &'static str) -> BadName {
    BadName { what, text: text.chars().take(80).collect(), rule }
}

/// `^[a-z](-?[a-z0-9])*$`, the shape that AWS accepts in every name that Muster gives out (facts §2).
fn is_kebab(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|b| *b != b'-')
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && !text.contains("--")
}

/// A short text in place. Names are copied with every event and compared at every look; in place
/// neither asks for memory. What is not used is zeros, so that the order is that of the texts.
#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
struct Short<const MAX: usize> {
    bytes: [u8; MAX],
    len: u8,
}

impl<const MAX: usize> Short<MAX> {
    fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        u8::try_from(text.len()).ok().map(|len| Short { bytes, len })
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("it was copied from a text")
    }
}

impl<const MAX: usize> fmt::Debug for Short<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Reads a name out of a text that need not live on.
struct Parsed<T>(PhantomData<T>);

impl<T: FromStr<Err = BadName>> de::Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! name {
    ($(#[doc = $doc:literal])+ $name:ident, $max:literal, $what:literal, $rule:literal, $test:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub struct $name(Short<$max>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let fits: fn(&str) -> bool = $test;
                let short = if fits(text) { Short::new(text) } else { None };
                short.map(Self).ok_or_else(|| bad($what, text, $rule))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(Parsed(PhantomData))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }
    };
}

name!(
    /// Names one step inside its runbook, such as `promote-database`.
    StepId, 32, "step id", "a lower-case letter, then letters, digits and single hyphens, 32 at most",
    is_kebab
);
name!(
    /// Names a runbook, such as `region-failover`.
    RunbookName, 48, "runbook name", "a lower-case letter, then letters, digits and single hyphens, 48 at most",
    is_kebab
);
name!(
    /// Names an application, such as `covetpy`.
    ApplicationName, 32, "application name", "a lower-case letter, then letters, digits and single hyphens, 32 at most",
    is_kebab
);
name!(
    /// Names a component inside its application, such as `orders`.
    ComponentName, 24, "component name", "a lower-case letter, then letters, digits and single hyphens, 24 at most",
    is_kebab
);
name!(
    /// Names a schedule, such as `covetpy-daily-backup`.
    ScheduleId, 64, "schedule id", "a lower-case letter, then letters, digits and single hyphens, 64 at most",
    is_kebab
);
name!(
    /// Names a run: a letter and eleven letters or digits, so that the token of any step fits the
    /// 63 characters that AWS allows (design §6).
    RunId, 12, "run id", "a lower-case letter and eleven lower-case letters or digits",
    |text| text.len() == 12 && is_kebab(text) && !text.contains('-')
);
name!(
    /// An AWS region that Muster knows.
    Region, 16, "region", "an AWS region such as us-east-1",
    |text| REGIONS.contains(&text)
);

/// The regions of the standard, China and GovCloud partitions as the AWS endpoint rules list them.
/// A region that is missing here is a typing error until a release adds it.
const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// The name that one attempt's outside work bears: `muster-<run>-<step>-<attempt>`, the same before
/// and after a crash, new only for a new attempt. At most 63 characters (facts §2).
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Token(Box<str>);

impl Token {
    /// The token of one attempt. `drill` tokens name objects that a drill owns and may delete.
    pub fn new(run: &RunId, step: &StepId, attempt: u32, drill: bool) -> Token {
        let owner = if drill { "muster-drill" } else { "muster" };
        let attempt = attempt.to_string();
        Token([owner, "-", run.as_str(), "-", step.as_str(), "-", &attempt].concat().into())
    }

    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the longest possible token is a legal AWS identifier.
    /// Method: build it from the longest step id and the highest attempt.
    #[test]
    fn the_longest_token_fits() {
        let run: RunId = "r12345678901".parse().unwrap();
        let step: StepId = "a23456789-123456789-123456789-12".parse().unwrap();
        assert_eq!(step.as_str().len(), 32);
        assert!(Token::new(&run, &step, 9999, true).as_str().len() <= 63);
    }

    /// Goal: a name is as long as its rule says, and in the order of its text.
    /// Method: the longest of a kind and one longer; every region; short names that share a start.
    #[test]
    fn names_keep_their_length_and_their_order() {
        let long = "a".repeat(33);
        assert_eq!(long[..32].parse::<StepId>().unwrap().as_str(), &long[..32]);
        assert!(long.parse::<StepId>().is_err());
        for region in REGIONS {
            assert_eq!(region.parse::<Region>().unwrap().as_str(), *region);
        }
        let mut texts = ["ab", "a-b", "a", "abc", "a0", "a1-x"];
        let mut names = texts.map(|text| text.parse::<StepId>().unwrap());
        texts.sort_unstable();
        names.sort_unstable();
        assert_eq!(names.each_ref().map(StepId::as_str), texts);
    }

    #[test]
    fn names_that_aws_would_refuse_are_refused_here() {
        for text in ["", "-a", "a-", "a--b", "A", "1a", "a_b", "ä", "a/b", "../x"] {
            assert!(text.parse::<StepId>().is_err(), "{text}");
        }
        assert!("us-east-9".parse::<Region>().is_err());
        assert!("abc".parse::<RunId>().is_err());
    }
}
