//! Where Muster itself runs: nowhere that it may have to leave.

use std::{fmt, str::FromStr};

use muster_runbooks::name::Region;
use serde::{Deserialize, Deserializer, de};

/// Where this process runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Home {
    /// In a region of AWS.
    Region(Region),
    /// Somewhere that fails with no region of AWS.
    Elsewhere,
}

const ELSEWHERE: &str = "elsewhere";

impl FromStr for Home {
    type Err = String;

    fn from_str(text: &str) -> Result<Home, String> {
        if text == ELSEWHERE {
            return Ok(Home::Elsewhere);
        }
        let region =
            text.parse().map_err(|_| format!("`{text}` is neither a region nor `{ELSEWHERE}`"));
        region.map(Home::Region)
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Home::Region(region) => write!(f, "{region}"),
            Home::Elsewhere => f.write_str(ELSEWHERE),
        }
    }
}

impl<'de> Deserialize<'de> for Home {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Home, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
