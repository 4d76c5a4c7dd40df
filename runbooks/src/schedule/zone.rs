//! From the time on a wall clock to an instant, when the clock is put forward and back.
//!
//! Time is walked from one change of the clock to the next. Between two changes the clock and the
//! instants differ by a constant, so the order of one is the order of the other.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::Pass;

/// The instants after `after` and not after `until` at which a wall clock shows a matching time.
/// `find` gives the first match at or after a time of the clock, in seconds as if it were UTC.
pub(super) fn walk<'a>(
    zone: &'a TimeZone,
    pass: Pass,
    after: Timestamp,
    until: Timestamp,
    find: &'a dyn Fn(i64) -> Option<i64>,
) -> impl Iterator<Item = Timestamp> + 'a {
    // Rounded down, so that a match in the next second is still after `after`.
    let floor = after.as_second() - i64::from(after.subsec_nanosecond() < 0);
    let mut from = floor + 1;
    std::iter::from_fn(move || {
        let at = next(zone, pass, from, until.as_second(), find)?;
        from = at + 1;
        Timestamp::from_second(at).ok()
    })
}

/// The first match at or after `from`, unless it is later than `until`.
fn next(
    zone: &TimeZone,
    pass: Pass,
    mut from: i64,
    until: i64,
    find: &dyn Fn(i64) -> Option<i64>,
) -> Option<i64> {
    while from <= until {
        let stretch = Stretch::around(zone, from)?;
        if let Some(at) = stretch.first(pass, from, find) {
            return (at <= until).then_some(at);
        }
        from = stretch.end?;
    }
    None
}

/// The time between two changes of the clock, in seconds.
struct Stretch {
    /// What the clock shows beyond UTC.
    offset: i64,
    /// When the clock was changed, and what it showed beyond UTC before.
    change: Option<(i64, i64)>,
    /// The next change.
    end: Option<i64>,
}

impl Stretch {
    fn around(zone: &TimeZone, at: i64) -> Option<Stretch> {
        let second = SignedDuration::from_secs(1);
        let instant = Timestamp::from_second(at).ok()?;
        // Both searches leave out the instant they start from.
        let began = zone.preceding(instant.checked_add(second).ok()?).next();
        let change = began.and_then(|change| {
            let start = change.timestamp();
            let before = zone.to_offset(start.checked_sub(second).ok()?);
            Some((start.as_second(), i64::from(before.seconds())))
        });
        let end = zone.following(instant).next().map(|change| change.timestamp().as_second());
        Some(Stretch { offset: i64::from(zone.to_offset(instant).seconds()), change, end })
    }

    /// The first match of this stretch at or after `from`.
    fn first(&self, pass: Pass, from: i64, find: &dyn Fn(i64) -> Option<i64>) -> Option<i64> {
        let mut civil = from + self.offset;
        if let (Pass::Once, Some((start, offset_before))) = (pass, self.change) {
            // What the clock would have shown at the change, had nobody touched it.
            let untouched = start + offset_before;
            // Put forward: what it never showed is made up for at the first instant afterwards.
            if from == start && find(untouched).is_some_and(|at| at < start + self.offset) {
                return Some(start);
            }
            // Put back: what it shows for the second time has run.
            civil = civil.max(untouched);
        }
        let at = find(civil)? - self.offset;
        (self.end.is_none_or(|end| at < end)).then_some(at)
    }
}
