//! What starts nothing, and what counts.

use super::*;

fn secs(secs: i64) -> SignedDuration {
    SignedDuration::from_secs(secs)
}

fn start() -> Timestamp {
    "2026-03-02T01:00:00Z".parse().unwrap()
}

/// Votes by letters: `l` lost, `h` healthy, `u` unknown; each of a domain of its own.
fn votes(letters: &str) -> Vec<Vote> {
    let vote = |(number, letter): (usize, char)| Vote {
        observer: format!("o{number}").parse().unwrap(),
        domain: format!("d{number}"),
        sees: match letter {
            'l' => Sees::Lost,
            'h' => Sees::Healthy,
            _ => Sees::Unknown,
        },
        since: None,
        why: "a test".to_owned(),
    };
    letters.chars().enumerate().map(vote).collect()
}

/// Asks every ten seconds; each word stands for so many seconds.
fn follow(story: &[(&str, i64)]) -> Vec<Standing> {
    let policy = Detection::default();
    let mut detector = Detector::default();
    let mut now = start();
    let mut stood = Vec::new();
    for (letters, length) in story {
        let until = now + secs(*length);
        while now < until {
            stood.push(detector.hear(now, votes(letters), &policy));
            now += ASKS_EVERY;
        }
    }
    stood
}

fn is_lost(standing: &Standing) -> bool {
    matches!(standing, Standing::Lost { .. })
}

/// Goal: votes count as the design says.
/// Method: a table of three domains under a quorum of two.
#[test]
fn verdicts() {
    let table = [
        ("llh", Verdict::Disagree),
        ("lhh", Verdict::Disagree),
        ("llu", Verdict::Lost),
        ("lll", Verdict::Lost),
        ("luu", Verdict::Unknown),
        ("uuu", Verdict::Unknown),
        ("huu", Verdict::Healthy),
        ("hhh", Verdict::Healthy),
        ("", Verdict::Unknown),
    ];
    for (letters, wanted) in table {
        assert_eq!(verdict(&votes(letters), 2), wanted, "{letters}");
    }
}

/// Goal: three observers of one failure domain are one voice, and one of them that sees it well is theirs (I8).
#[test]
fn one_vote_a_domain() {
    let same = |letters| {
        let mut votes = votes(letters);
        votes.iter_mut().for_each(|vote| vote.domain = "one".to_owned());
        votes
    };
    assert_eq!(verdict(&same("lll"), 2), Verdict::Unknown);
    assert_eq!(verdict(&same("lll"), 1), Verdict::Lost);
    assert_eq!(verdict(&same("lh"), 1), Verdict::Healthy);
    assert_eq!(verdict(&same("lu"), 1), Verdict::Lost);
    let mut mixed = votes("lhl");
    mixed[1].domain = mixed[0].domain.clone();
    assert_eq!(
        verdict(&mixed, 2),
        Verdict::Disagree,
        "nobody is outvoted by a domain that is divided"
    );
}

/// Goal: what passes by itself, one liar, silence and a quarrel start nothing.
/// Method: each for as long as it likes to last.
#[test]
fn what_is_no_loss() {
    let stories: &[&[(&str, i64)]] = &[
        &[("hhh", 100), ("lll", 43), ("hhh", 600)],
        &[("hhh", 100), ("lhh", 6_000)],
        &[("hhh", 100), ("uuu", 6_000)],
        &[("hhh", 100), ("luu", 6_000)],
        &[("hhh", 100), ("llh", 6_000)],
        // Each break begins the window again.
        &[("lll", 110), ("luu", 10), ("lll", 110), ("llh", 10), ("lll", 110)],
    ];
    for story in stories {
        assert!(!follow(story).iter().any(is_lost), "{story:?}");
    }
}

/// Goal: a loss is one after the window, and stays one until it has been well for long enough.
#[test]
fn a_loss_and_its_end() {
    let stood =
        follow(&[("hhh", 20), ("llu", 200), ("uuu", 600), ("hhh", 200), ("llu", 10), ("hhh", 310)]);
    let first = stood.iter().position(is_lost).unwrap();
    assert_eq!(first, 2 + 12, "two minutes after it was first seen");
    let Standing::Lost { since, symptom_at, .. } = stood[first] else { panic!("it is lost") };
    assert_eq!(since, start() + secs(140));
    assert_eq!(symptom_at, start() + secs(20));
    let last = stood.len() - 1;
    assert!(stood[first..last].iter().all(is_lost), "neither silence nor 200 s of health end it");
    assert_eq!(stood[last], Standing::Well);
}

/// Goal: a clock that jumps, or a process that stood still, fills no window.
/// Method: everybody says lost; the clock jumps an hour ahead, and back, within the window.
#[test]
fn a_jump_fills_no_window() {
    let policy = Detection::default();
    for jump in [3_600, -3_600, 46] {
        let mut detector = Detector::default();
        detector.hear(start(), votes("hhh"), &policy);
        detector.hear(start() + secs(10), votes("lll"), &policy);
        let mut now = start() + secs(20 + jump);
        detector.hear(now, votes("lll"), &policy);
        for _ in 0..11 {
            now += ASKS_EVERY;
            assert!(!is_lost(&detector.hear(now, votes("lll"), &policy)), "{jump}");
        }
        now += ASKS_EVERY;
        assert!(is_lost(&detector.hear(now, votes("lll"), &policy)), "{jump}");
    }
}

/// Goal: the recovery-time clock starts when somebody first saw it, and no liar moves it to yesterday.
#[test]
fn the_first_symptom() {
    let policy = Detection::default();
    let says = |at: Timestamp, ago: i64| {
        let mut said = votes("llu");
        said[0].since = Some(at - secs(ago));
        said
    };
    let mut detector = Detector::default();
    detector.hear(start(), votes("hhh"), &policy);
    let now = start() + secs(10);
    let symptom = |standing| {
        let Standing::Suspected { symptom_at, .. } = standing else { panic!("{standing:?}") };
        symptom_at
    };
    assert_eq!(symptom(detector.clone().hear(now, says(now, 4), &policy)), now - secs(4));
    assert_eq!(symptom(detector.clone().hear(now, says(now, 86_400), &policy)), start());
    assert_eq!(symptom(Detector::default().hear(now, says(now, 86_400), &policy)), now);
}

/// Goal: that monitoring is lost is said within a minute.
#[test]
fn blindness_is_seen() {
    let policy = Detection::default();
    let mut detector = Detector::default();
    detector.hear(start(), votes("hhh"), &policy);
    let lost_at = start() + secs(10);
    let mut now = lost_at;
    let blind_at = loop {
        if detector.hear(now, votes("huu").into_iter().skip(1).collect(), &policy).is_blind(now) {
            break now;
        }
        now += ASKS_EVERY;
    };
    assert!(blind_at.duration_since(lost_at) <= secs(60));
}
