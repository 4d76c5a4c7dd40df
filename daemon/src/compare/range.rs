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
            // Where all with a prefix end: no key has this letter.
            Some(Some(char::MAX)) if floor < ABOVE - 1 => ABOVE,
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

/// The most letters of a key that are looked at for where the others branch off.
const OUTLINE_MAX: usize = 24;

/// For each beginning of a key, behind everything that begins so; in order. Behind those of what all
/// keys begin with there is nothing.
pub fn outline(key: &str) -> Vec<String> {
    let letters = key.char_indices().take_while(|(_, letter)| *letter != char::MAX);
    let ends = letters.map(|(place, letter)| place + letter.len_utf8());
    let mut places: Vec<String> =
        ends.take(OUTLINE_MAX).map(|end| format!("{}{}", &key[..end], char::MAX)).collect();
    places.reverse();
    places
}

/// Letters between which most names branch: digits and small letters more finely than others.
const RUNGS: [char; 19] =
    ['1', '2', '3', '4', '5', '6', '7', '8', '9', ':', 'G', 'N', 'U', '`', 'e', 'j', 'o', 't', '{'];

/// Places between two keys that differ from the lower one in the first letter in which the two differ, or
/// in the next one where those are neighbours. None where that makes fewer than two.
pub fn rungs(after: &str, until: Option<&str>) -> Vec<String> {
    let letters = after.chars().zip(until.unwrap_or_default().chars());
    let shared: usize =
        letters.take_while(|(one, other)| one == other).map(|(one, _)| one.len_utf8()).sum();
    let deeper = after[shared..].chars().next().map(|letter| shared + letter.len_utf8());
    let at = |stem: usize| -> Vec<String> {
        let places = RUNGS.iter().map(|letter| format!("{}{letter}", &after[..stem]));
        let is_inside = |place: &String| {
            place.as_str() > after && until.is_none_or(|until| place.as_str() < until)
        };
        places.filter(is_inside).collect()
    };
    let stems = std::iter::once(shared).chain(deeper);
    stems.map(at).find(|places| places.len() > 1).unwrap_or_default()
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
        assert_eq!(midpoint("a/0", Some("a/\u{10ffff}")).as_deref(), Some("a/W"));
        assert_eq!(midpoint("a", Some("a ")), None);
        assert_eq!(midpoint("b", Some("a")), None);
        assert_eq!(midpoint("a", Some("a")), None);
    }

    #[test]
    fn places_where_names_branch() {
        assert_eq!(outline("a/é"), ["a/é\u{10ffff}", "a/\u{10ffff}", "a\u{10ffff}"]);
        let few = rungs("a/400/7", Some("a/8"));
        assert_eq!(few, ["a/5", "a/6", "a/7"]);
        let deeper = rungs("a/100/7", Some("a/2"));
        assert_eq!(deeper[..3], ["a/11", "a/12", "a/13"]);
        assert_eq!(rungs("a", Some("a!")), [""; 0]);
    }

    proptest! {
        /// Goal: neither has a place outside, and they come in order, as cuts must.
        #[test]
        fn places_are_inside(one in ".{0,6}", other in proptest::option::of(".{0,6}")) {
            let places = rungs(&one, other.as_deref());
            prop_assert!(places.is_sorted());
            for place in places {
                prop_assert!(one < place && other.as_ref().is_none_or(|other| place < *other));
            }
            prop_assert!(outline(&one).is_sorted());
        }

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
