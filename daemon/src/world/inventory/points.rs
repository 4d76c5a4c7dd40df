//! How old the data is that could be restored, and how far apart recovery points come.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::value::Span;
use muster_state::catalog::RecoveryPoint;

use super::Seen;

/// How many of the newest gaps say how far apart points come.
const GAPS: usize = 14;

/// When the data of each snapshot is from that could be restored now, newest first. For ours the
/// catalogue knows it; a copy that somebody else made does not say it, and is left out.
pub fn usable<'a>(
    seen: impl IntoIterator<Item = &'a Seen>,
    catalogue: &BTreeMap<String, RecoveryPoint>,
) -> Vec<Timestamp> {
    let available = seen.into_iter().filter(|one| one.is_available());
    let mut times: Vec<Timestamp> = available
        .filter_map(|one| catalogue.get(&one.id).map(|point| point.data_time).or(one.data_time))
        .collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    times
}

/// What points at these instants keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kept {
    /// There is none.
    Nothing,
    /// There is one, so old: nobody has seen when the next comes.
    One(Span),
    /// The longest time that was ever between two of the newest, or that has passed since the newest.
    /// Tonight's point is young tonight and old tomorrow: its own age promises nothing.
    Apart(Span),
}

/// Judges points that are sorted, newest first.
pub fn kept(times: &[Timestamp], now: Timestamp) -> Kept {
    let Some(newest) = times.first() else { return Kept::Nothing };
    let age = Span::between(*newest, now);
    let gaps = times.windows(2).take(GAPS).map(|pair| Span::between(pair[1], pair[0]));
    match gaps.max() {
        None => Kept::One(age),
        Some(gap) => Kept::Apart(gap.max(age)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a point that was just made is no promise that the next comes as soon (facts §0.1).
    /// Method: points of several nights, looked at a minute after the newest and a day later.
    #[test]
    fn how_far_apart_points_come() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let nights =
            [at("2026-03-03T02:00:00Z"), at("2026-03-02T02:00:00Z"), at("2026-03-01T02:00:00Z")];
        let minute = at("2026-03-03T02:01:00Z");
        assert_eq!(kept(&[], minute), Kept::Nothing);
        assert_eq!(kept(&nights[..1], minute), Kept::One(Span::from_mins(1)));
        assert_eq!(kept(&nights, minute), Kept::Apart(Span::from_hours(24)));
        let later = at("2026-03-04T08:00:00Z");
        assert_eq!(kept(&nights, later), Kept::Apart(Span::from_hours(30)), "one was missed");
    }
}
