//! Ranges of keys, and where to cut one in two when nothing is known of how its keys lie.

/// The keys behind `after` up to and with `until`.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Where it begins; this key is not in it. Empty for the first key there is.
    pub after: String,
    /// Its last possible key; `None` for no end.
    pub until: Option<String>,
}

impl Range {
    /// Every key that begins with `prefix`, if one is given.
    pub fn below(prefix: Option<&str>) -> Range {
        let until = prefix.map(|prefix| format!("{prefix}{}", char::MAX));
        Range { after: String::new(), until }
    }

    /// Whether a key that lies behind `after` is in it.
    pub fn holds(&self, key: &[u8]) -> bool {
        self.until.as_ref().is_none_or(|until| key <= until.as_bytes())
    }
}

/// Behind the last printable letter of ASCII: where a search from above begins, because most keys
/// are written in it. What lies higher falls into the upper half, and is cut when its turn comes.
const ABOVE: u32 = 0x7f;

/// Below the first printable letter: a key that ends stands before every key that goes on.
const BELOW: u32 = 0x1f;

/// A key about half-way between two, in the order of UTF-8 in which S3 lists. `None` when nothing fits
/// between them.
pub fn midpoint(after: &str, until: Option<&str>) -> Option<String> {
    let (mut low, mut high) = (after.chars(), until.map(str::chars));
    let mut middle = String::with_capacity(after.len() + 1);
    loop {
        let (one, other) = (low.next(), high.as_mut().map(Iterator::next));
        let floor = one.map_or(BELOW, u32::from);
        let ceiling = match other {
            Some(Some(letter)) => u32::from(letter),
            // The upper key is a part of the lower one: they are not in order.
            Some(None) => return None,
            None if floor < ABOVE - 1 => ABOVE,
            None => u32::from(char::MAX),
        };
        if ceiling > floor + 1 {
            middle.push(letter(floor + (ceiling - floor) / 2));
            return Some(middle);
        }
        // Equal letters are in both; neighbours leave room only behind the lower one.
        middle.push(one?);
        if ceiling > floor {
            high = None;
        }
    }
}

/// The letter with a number; the numbers in the middle that are no letters count as the next one.
fn letter(number: u32) -> char {
    char::from_u32(number).unwrap_or('\u{e000}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_lie_between() {
        assert_eq!(midpoint("", None).as_deref(), Some("O"));
        assert_eq!(midpoint("", Some("O")).as_deref(), Some("7"));
        assert_eq!(midpoint("logs/2024/01", Some("logs/2025")).as_deref(), Some("logs/2024W"));
        assert_eq!(midpoint("a", Some("a ")), None);
        assert_eq!(midpoint("b", Some("a")), None);
        assert_eq!(midpoint("a", Some("a")), None);
    }

    proptest! {
        /// Goal: a cut is always inside, so that no key is listed twice or never.
        #[test]
        fn a_midpoint_is_inside(one in ".{0,6}", other in proptest::option::of(".{0,6}")) {
            if let Some(middle) = midpoint(&one, other.as_deref()) {
                let in_order = other.as_deref().is_none_or(|other| one.as_str() < other);
                if in_order {
                    prop_assert!(one < middle, "{one:?} {middle:?}");
                    prop_assert!(other.is_none_or(|other| middle < other), "{one:?} {middle:?}");
                }
            }
        }
    }
}
