//! What two sides say together.

use super::*;

/// Each was written at the second that is its key.
fn page(rows: &[(i64, &str)]) -> Vec<Newest> {
    let row = |(key, row): &(i64, &str)| Newest {
        key: key.to_string(),
        digest: (*row).to_owned(),
        written_at: Timestamp::from_second(*key).ok(),
    };
    rows.iter().map(row).collect()
}

fn there(rows: &[(i64, &str)]) -> BTreeMap<String, BTreeSet<String>> {
    page(rows).into_iter().map(|row| (row.key, [row.digest].into())).collect()
}

fn tally(old: &[(i64, &str)], new: &[(i64, &str)], is_whole: bool) -> Tally {
    let mut tally = Tally { is_whole, ..Tally::default() };
    tally.take(&page(old), &there(new));
    tally
}

/// Goal: rows that are missing and rows that are others are told apart, and a page is the same only when
/// every row of it is.
#[test]
fn what_a_page_shows() {
    let old = [(9, "i"), (8, "h"), (7, "g"), (6, "f")];
    let mut whole = Tally::default();
    assert!(whole.take(&page(&old), &there(&old)));
    assert_eq!((whole.left_behind, whole.conflicting, whole.looked_at), (0, 0, 4));
    let mut some = Tally::default();
    assert!(!some.take(&page(&old), &there(&[(9, "other"), (6, "f")])));
    assert_eq!((some.left_behind, some.conflicting), (2, 1));
    assert_eq!((some.lowest.as_deref(), some.highest.as_deref()), (Some("7"), Some("8")));
    let said = some.to_string();
    assert!(said.contains("at least 2 rows were left behind, keys 7 to 8"), "{said}");
    assert!(said.contains("at least 1 keys hold another row"), "{said}");
}

fn mark(sequence: i64, epoch: i64, secs: i64) -> Mark {
    Mark { sequence, epoch, written_at: Timestamp::from_second(1_772_330_400 + secs).unwrap() }
}

/// Goal: a canary counts as left behind when it was, and as nothing when nobody can tell.
/// Method: the two rings of canaries as they are after a failover, sooner and later.
#[test]
fn what_the_canaries_show() {
    let old: Vec<Mark> = (1..=5).map(|nth| mark(nth, 7, nth * 5)).collect();
    let left = |from: usize, is_least| Canaries::Left {
        count: 5 - from,
        is_least,
        from: old[from].written_at,
        to: old[4].written_at,
    };
    let same = |sequence: i64, secs: i64| mark(sequence, 7, secs);
    let table = [
        (old.clone(), Canaries::Arrived),
        (old[..3].to_vec(), left(3, false)),
        // The same process counts on: the number is the same, and the canary is another one.
        ([&old[..3], &[same(4, 60), same(5, 65)][..]].concat(), left(3, false)),
        (vec![same(4, 60), same(5, 65), same(6, 70)], left(3, false)),
        (vec![same(1, 60), same(2, 65)], left(0, true)),
        ((900..960).map(|nth| same(nth, nth * 5)).collect(), Canaries::Overwritten),
    ];
    for (new, meant) in table {
        assert_eq!(Canaries::compare(&old, &new), meant, "{new:?}");
    }
    assert!(matches!(Canaries::compare(&[], &old), Canaries::Unread(_)));
}

/// Goal: the time that was lost reaches from the newest row that arrived, in whichever table, to the newest
/// that never did; and is unknown where a row does not say when it was written.
#[test]
fn what_was_lost_in_time() {
    let lost_beside = |tables: &[Tally], canaries: &Canaries| {
        let named: Vec<_> = tables.iter().map(|one| ("t".to_owned(), Ok(one.clone()))).collect();
        let Progress::Done(done) = told(&named, canaries) else { panic!("no verdict") };
        done.outputs["data_loss"].as_str().map(str::to_owned)
    };
    let lost = |tables: &[Tally]| lost_beside(tables, &Canaries::Arrived);
    let said = |text: &str| Some(text.to_owned());
    let left = tally(&[(90, "d"), (70, "c"), (40, "b"), (30, "a")], &[(40, "b"), (30, "a")], true);
    let later = tally(&[(60, "x"), (50, "y")], &[(60, "x"), (50, "y")], true);
    assert_eq!(lost(std::slice::from_ref(&left)), said("50s"));
    assert_eq!(lost(&[left.clone(), later.clone()]), said("30s"), "it was committed before");
    let (from, to) = (mark(1, 7, 0).written_at, mark(2, 7, 5).written_at);
    let canaries = Canaries::Left { count: 2, is_least: false, from, to };
    let later = &[later];
    assert_eq!(lost(later), said("0s"));
    assert_eq!(lost_beside(later, &canaries), said("unknown"), "it was lost somewhere else");
    assert_eq!(lost(&[tally(&[(90, "d")], &[], true)]), said("unknown"), "nothing arrived");
    assert_eq!(lost(&[Tally { is_whole: false, ..left.clone() }]), said("unknown"));
    assert_eq!(lost(&[Tally { is_undated: true, ..left }]), said("unknown"));
    let mut undated = Tally::default();
    undated.take(&[Newest { written_at: None, ..page(&[(1, "a")])[0].clone() }], &there(&[]));
    assert!(undated.is_undated);
}

/// Goal: nothing that was not read, or not to its end, is none or zero.
#[test]
fn what_it_comes_to() {
    let same = tally(&[(1, "a")], &[(1, "a")], true);
    let left = tally(&[(2, "b"), (1, "a")], &[(1, "a")], true);
    let capped = tally(&[(2, "b")], &[], false);
    let (at, from) = (mark(1, 7, 5).written_at, mark(1, 7, 0).written_at);
    let lost = Canaries::Left { count: 2, is_least: false, from, to: at };
    let unread = || Canaries::Unread("no permission".to_owned());
    let bad: Result<Tally, String> = Err("no permission".to_owned());
    let table = [
        (vec![Ok(same.clone())], Canaries::Arrived, ("none", "0")),
        (vec![Ok(same.clone())], Canaries::Overwritten, ("none", "0")),
        (vec![Ok(same.clone())], Canaries::Undeclared, ("none", "0")),
        (vec![Ok(same.clone())], unread(), ("unknown", "0")),
        (vec![Ok(same.clone())], lost.clone(), ("found", "0")),
        (vec![Ok(left.clone())], Canaries::Arrived, ("found", "1")),
        (vec![Ok(left.clone()), bad.clone()], Canaries::Arrived, ("found", "at least 1")),
        (vec![Ok(capped)], Canaries::Arrived, ("found", "at least 1")),
        (vec![Ok(same), bad.clone()], Canaries::Arrived, ("unknown", "unknown")),
        (vec![bad], Canaries::Undeclared, ("unknown", "unknown")),
        (vec![], Canaries::Arrived, ("none", "unknown")),
        (vec![], Canaries::Overwritten, ("unknown", "unknown")),
        (vec![], lost, ("found", "unknown")),
    ];
    for (tables, canaries, (verdict, left_behind)) in table {
        let named: Vec<_> =
            tables.into_iter().map(|tally| ("public.orders".to_owned(), tally)).collect();
        let Progress::Done(done) = told(&named, &canaries) else { panic!("no verdict") };
        let seen = (&done.outputs["verdict"], &done.outputs["left_behind"]);
        assert_eq!(seen, (&json!(verdict), &json!(left_behind)), "{named:?} {canaries:?}");
        assert_eq!(done.notes.is_empty(), verdict == "none", "{:?}", done.notes);
    }
    let Progress::Done(done) = unknown("no answer") else { panic!("no verdict") };
    assert_eq!(done.outputs["left_behind"], json!("unknown"));
}
