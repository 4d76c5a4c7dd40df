//! One keeper and a storage in a variable, moment by moment.

use jiff::Timestamp;

use super::*;

const TERMS: Terms = Terms {
    length: SignedDuration::from_secs(30),
    margin: SignedDuration::from_secs(5),
    longest_call: SignedDuration::from_secs(20),
};

/// So many seconds after the beginning, by both clocks.
fn at(secs: i64) -> Moment {
    set(secs, 0)
}

/// The same where somebody has set the clock.
fn set(secs: i64, by: i64) -> Moment {
    let wall = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(secs + by);
    Moment { wall, steady: SignedDuration::from_secs(secs) }
}

fn own(epoch: u64, granted: Option<(u64, &str)>) -> Own {
    let granted = granted.map(|(epoch, holder)| Granted { epoch, holder: holder.to_owned() });
    Own { epoch, granted, mark: Mark { sequence: 10, hash: "ten".to_owned() } }
}

fn keeper(holder: &str, process: &str) -> Keeper {
    Keeper::new(TERMS, holder.to_owned(), process.to_owned())
}

fn record(epoch: u64, holder: &str, until: i64) -> Record {
    let (holder, process) = (holder.to_owned(), format!("of {holder}"));
    let journal = Mark { sequence: 10, hash: "ten".to_owned() };
    Record { epoch, holder, process, until: at(until).wall, journal }
}

fn found(record: Record) -> Answer {
    Answer::Found { record, tag: "there".to_owned() }
}

/// Asks what is due, and takes the answer in at the same moment.
fn step(keeper: &mut Keeper, now: Moment, own: &Own, answer: Answer, fit: Fit) -> Ask {
    let ask = keeper.due(now, own).expect("something is due");
    keeper.heard(now, now, &ask, answer, own, |_| fit);
    ask
}

/// A keeper that has had the lease since the beginning.
fn holding() -> Keeper {
    let mut keeper = keeper("a", "one");
    let own = own(1, None);
    step(&mut keeper, at(0), &own, Answer::Absent, Fit::Known);
    step(&mut keeper, at(0), &own, Answer::Written { tag: "first".to_owned() }, Fit::Known);
    keeper.granted(2);
    keeper
}

fn until(secs: i64) -> Lease {
    Lease::Held { epoch: 2, acts_until: at(secs).wall }
}

/// Goal: it is taken on the condition that nobody has it, counts from before the write was sent, and
/// allows nothing before its grant is durable.
/// Method: an empty storage whose answer takes four seconds.
#[test]
fn taken_and_granted() {
    let mut keeper = keeper("a", "one");
    let own = own(1, None);
    assert_eq!(step(&mut keeper, at(0), &own, Answer::Absent, Fit::Known), Ask::Read);
    let ask = keeper.due(at(1), &own).expect("it takes it at once");
    let Ask::Write { record, only } = &ask else { panic!("{ask:?}") };
    assert_eq!((record.epoch, record.until, only), (2, at(31).wall, &Condition::Absent));
    let answer = Answer::Written { tag: "first".to_owned() };
    keeper.heard(at(5), at(1), &ask, answer, &own, |_| Fit::Known);
    assert_eq!(keeper.lease(at(5)), Lease::Missing(Missing::Unasked));
    assert_eq!(keeper.ungranted().map(|granted| granted.epoch), Some(2));
    keeper.granted(1);
    assert_eq!(keeper.lease(at(5)), Lease::Missing(Missing::Unasked), "that was another one");
    keeper.granted(2);
    assert_eq!(keeper.lease(at(5)), until(26));
    let again =
        keeper.due(at(6), &own).expect("it is renewed at once, with the grant in its journal");
    keeper
        .heard(at(7), at(6), &again, Answer::Written { tag: "-".to_owned() }, &own, |_| Fit::Known);
    assert_eq!(keeper.lease(at(7)), until(31));
    assert_eq!(keeper.asks_at(), at(16).steady, "a third of its length after it was sent");
}

/// Goal: a renewal that fails ends nothing early and lengthens nothing; a clock that is set neither.
/// Method: answers that do not come, and moments whose clocks differ.
#[test]
fn it_ends_when_it_ends() {
    let (mut keeper, own) = (holding(), own(2, Some((2, "a"))));
    let silent = || Answer::Failed { because: "no answer".to_owned() };
    for secs in [10, 11, 12] {
        step(&mut keeper, at(secs), &own, silent(), Fit::Known);
        assert_eq!(keeper.lease(at(secs)), until(25));
    }
    let unreadable = Missing::Unreadable { because: "no answer".to_owned() };
    assert_eq!(keeper.lease(at(25)), Lease::Missing(unreadable.clone()));
    // Set back by an hour: it ends after as long as it would have.
    let Lease::Held { acts_until, .. } = keeper.lease(set(20, -3_600)) else { panic!() };
    assert_eq!(acts_until, set(25, -3_600).wall);
    assert_eq!(keeper.lease(set(25, -3_600)), Lease::Missing(unreadable));
    // A machine that stood still for an hour: the steady clock did, too.
    let Lease::Held { acts_until, .. } = keeper.lease(set(20, 3_600)) else { panic!() };
    assert_eq!(acts_until, at(25).wall, "long ago");
}

/// Goal: a write that took effect without an answer is known again, and counts from when it was sent.
/// Method: the renewal of second 10 is lost; the next one is refused, and a look shows the first.
#[test]
fn a_lost_answer() {
    let (mut keeper, own) = (holding(), own(2, Some((2, "a"))));
    let lost = step(
        &mut keeper,
        at(10),
        &own,
        Answer::Failed { because: "no answer".to_owned() },
        Fit::Known,
    );
    let Ask::Write { record: ours, .. } = lost else { panic!("{lost:?}") };
    step(&mut keeper, at(12), &own, Answer::Conflict, Fit::Known);
    assert_eq!(keeper.lease(at(12)), Lease::Missing(Missing::Unasked), "nobody knows whose it is");
    assert_eq!(step(&mut keeper, at(13), &own, found(ours), Fit::Known), Ask::Read);
    assert_eq!(keeper.lease(at(13)), until(35));
}

/// Goal: whoever was overtaken stands down at once, and says who acts.
/// Method: the renewal is refused, and a look shows somebody else.
#[test]
fn overtaken() {
    let (mut keeper, own) = (holding(), own(2, Some((2, "a"))));
    step(&mut keeper, at(10), &own, Answer::Conflict, Fit::Known);
    step(&mut keeper, at(10), &own, found(record(3, "b", 40)), Fit::Known);
    let Lease::Missing(why) = keeper.lease(at(11)) else { panic!() };
    assert!(why.to_string().contains("`b` holds the lease until"), "{why}");
    assert!(!why.may_be_overridden());
    step(&mut keeper, at(20), &own, Answer::Failed { because: "no answer".to_owned() }, Fit::Known);
    assert!(matches!(keeper.lease(at(20)), Lease::Missing(Missing::Taken { .. })));
}

/// Goal: a successor waits out the lease and the longest call, by the holder's clock and by its own
/// patience; another process on the same host does not have to.
/// Method: the same record looked at again and again, and one that is renewed in between.
#[test]
fn a_successor_waits() {
    let (mut keeper, own) = (keeper("b", "two"), own(5, Some((2, "a"))));
    let free = |keeper: &mut Keeper, secs: i64, until: i64| {
        keeper.due = at(secs).steady;
        step(keeper, at(secs), &own, found(record(2, "a", until)), Fit::Known);
        matches!(keeper.stage, Stage::Free { epoch: 6, .. })
    };
    assert!(!free(&mut keeper, 100, 20), "long over, by a clock that may be wrong");
    assert!(!free(&mut keeper, 149, 20));
    assert!(free(&mut keeper, 150, 20), "length and longest call after it was first seen");
    assert!(!free(&mut keeper, 150, 131), "the end by its own clock, and the longest call");
    let mut next = self::keeper("a", "three");
    let own = Own { epoch: 3, ..self::own(3, Some((2, "a"))) };
    step(&mut next, at(100), &own, found(record(2, "a", 125)), Fit::Known);
    assert!(matches!(next.stage, Stage::Free { epoch: 4, .. }), "the directory is ours alone");
    let mut copy = self::keeper("a", "three");
    let own = Own { epoch: 3, ..self::own(3, Some((1, "a"))) };
    step(&mut copy, at(100), &own, found(record(2, "a", 125)), Fit::Known);
    assert!(matches!(copy.stage, Stage::Elsewhere), "this journal has never seen that grant");
}

/// Goal: whoever has an older journal than the lease knows, or another one, never takes it.
/// Method: a lease that has long been over.
#[test]
fn an_older_journal_refuses() {
    let own = own(5, None);
    for (fit, said) in [
        (Fit::Beyond, "the journal here ends at 10, the lease knows 99"),
        (Fit::Other, "the journal here is not the one that the lease knows up to record 99"),
    ] {
        let mut keeper = keeper("b", "two");
        for secs in [100, 200, 300] {
            let journal = Mark { sequence: 99, hash: "other".to_owned() };
            let over = Record { journal, ..record(2, "a", 20) };
            assert_eq!(step(&mut keeper, at(secs), &own, found(over), fit), Ask::Read);
        }
        let Lease::Missing(why) = keeper.lease(at(300)) else { panic!() };
        assert_eq!(why.to_string(), said);
        step(&mut keeper, at(400), &own, Answer::Failed { because: "-".to_owned() }, fit);
        assert_eq!(keeper.lease(at(400)), Lease::Missing(why), "what is known stays known");
    }
}

/// Goal: a lease that somebody removed is not taken while its holder may not know.
/// Method: nothing stands there, and the journal knows another holder; or this one, or none.
#[test]
fn a_removed_lease() {
    let waits = |granted| {
        let (mut keeper, own) = (keeper("b", "two"), own(5, granted));
        step(&mut keeper, at(0), &own, Answer::Absent, Fit::Known);
        matches!(keeper.stage, Stage::Elsewhere)
    };
    assert!(waits(Some((2, "a"))));
    assert!(!waits(Some((2, "b"))) && !waits(None));
    let (mut keeper, own) = (keeper("b", "two"), own(5, Some((2, "a"))));
    for secs in [0, 10, 20, 30, 40, 50] {
        step(&mut keeper, at(secs), &own, Answer::Absent, Fit::Known);
    }
    assert!(matches!(keeper.stage, Stage::Free { epoch: 6, only: Condition::Absent }));
}
