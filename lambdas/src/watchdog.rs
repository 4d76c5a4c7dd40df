//! The watchdog: says through a way of its own that Muster is silent, that backups are missing, or that
//! nobody is told any more. It tells, and never acts.
//!
//! | what it reads | from where | what it pages for |
//! |---|---|---|
//! | the heartbeat | S3, beside the lease | older than two minutes, absent, foreign, unreadable twice in a row |
//! | recovery points | RDS, in every region of a database, by Muster's names and tags | no backup for 26 h; no copy; no proof |
//! | whether receivers take notices | the heartbeat | one takes none, or nobody has been told anything |
//! | whether it sees all this | its own calls | a list that is not whole: what is unknown is never well |
//!
//! It keeps nothing between two invocations. Every cause has one `dedup_key`, so what is said each minute is
//! one incident; what is well is said every few minutes, which closes it and otherwise does nothing. A
//! page that is not taken is an error of the invocation, for an alarm of its own to count.

pub mod judge;
pub mod look;
pub mod page;
pub mod settings;

use jiff::{SignedDuration, Timestamp};
use judge::{Beat, Seen, beat_age};
use settings::Settings;

/// How often the function is invoked.
const INVOKED_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// How soon it looks again at what it could not see: throttling and a lost packet have passed by then.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(15);

/// So long after a heartbeat has become stale it is looked at.
const PAST_STALE: SignedDuration = SignedDuration::from_secs(1);

/// After how long everything is looked at once more before it is judged, if at all: where something could
/// not be seen, or where the heartbeat will be stale before the next invocation would see it.
pub fn again_in(now: Timestamp, seen: &Seen, settings: &Settings) -> Option<SignedDuration> {
    let is_blind = matches!(seen.heartbeat, Beat::Unreadable { .. })
        || seen.lists.values().any(Result::is_err);
    let stale_after = settings.heartbeat.stale_after.duration();
    let left = beat_age(now, &seen.heartbeat).map(|age| stale_after - age);
    let is_due = |left: &SignedDuration| !left.is_negative() && *left < INVOKED_EVERY;
    let until_stale = left.filter(is_due).map(|left| left + PAST_STALE);
    until_stale.max(is_blind.then_some(AGAIN_AFTER))
}

/// Two looks as one: what could not be seen the second time counts as it was the first time.
pub fn merged(first: Seen, second: Seen) -> Seen {
    let heartbeat = match (first.heartbeat, second.heartbeat) {
        (first @ Beat::Read { .. }, Beat::Unreadable { .. }) => first,
        (
            Beat::Read { .. } | Beat::Missing | Beat::Foreign { .. } | Beat::Unreadable { .. },
            second,
        ) => second,
    };
    let mut lists = first.lists;
    for (region, list) in second.lists {
        let is_kept = list.is_err() && lists.get(&region).is_some_and(Result::is_ok);
        if !is_kept {
            lists.insert(region, list);
        }
    }
    Seen { heartbeat, lists }
}

#[cfg(test)]
mod tests {
    use super::{
        judge::fixture::{at, beat, heartbeat, settings, well},
        *,
    };

    /// Goal: a daemon that stops is paged for two minutes after its last sign, whenever the function is
    /// invoked; and nobody is woken by one lost answer.
    #[test]
    fn it_looks_again_where_that_may_change_its_mind() {
        let now = at("2026-03-01T12:00:00Z");
        let secs = |secs| Some(SignedDuration::from_secs(secs));
        let settings = settings();
        let again = |age_secs: i64, spoil: &dyn Fn(&mut Seen)| {
            let mut seen = well(now);
            let beaten_at = now - SignedDuration::from_secs(age_secs);
            seen.heartbeat = beat(heartbeat(beaten_at), None);
            spoil(&mut seen);
            again_in(now, &seen, &settings)
        };
        let nothing = |_: &mut Seen| {};
        for (age, wanted) in
            [(5, None), (60, None), (61, secs(60)), (90, secs(31)), (120, secs(1)), (121, None)]
        {
            assert_eq!(again(age, &nothing), wanted, "{age} s");
        }
        let blind = |seen: &mut Seen| {
            seen.lists.insert("us-east-1".parse().unwrap(), Err("Throttling".to_owned()));
        };
        assert_eq!(again(5, &blind), secs(15));
        assert_eq!(again(90, &blind), secs(31), "late enough for both");
        let silent = |seen: &mut Seen| {
            seen.heartbeat = Beat::Unreadable { because: "AccessDenied".to_owned() };
        };
        assert_eq!(again(5, &silent), secs(15));
        let gone = |seen: &mut Seen| seen.heartbeat = Beat::Missing;
        assert_eq!(again(5, &gone), None, "that is an answer");
    }

    /// Goal: what was seen once is not unknown, and gets no younger by that.
    #[test]
    fn a_look_that_fails_the_second_time_keeps_the_first() {
        let now = at("2026-03-01T12:00:00Z");
        let blind = || Seen {
            heartbeat: Beat::Unreadable { because: "no answer".to_owned() },
            lists: well(now).lists.into_keys().map(|region| (region, Err("x".into()))).collect(),
        };
        assert_eq!(merged(well(now), blind()), well(now));
        assert_eq!(merged(blind(), well(now)), well(now));
        assert_eq!(merged(blind(), blind()), blind());
        let gone = Seen { heartbeat: Beat::Missing, ..well(now) };
        assert_eq!(merged(well(now), gone.clone()), gone);
    }
}
