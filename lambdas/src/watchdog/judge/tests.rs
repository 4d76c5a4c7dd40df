//! Everything that can be wrong, and what is said about it.

use jiff::SignedDuration;
use muster_runbooks::heartbeat::{Heartbeat, Receiver};

use super::{
    fixture::{arn, at, beat, heartbeat, hours, settings, snapshot, well},
    *,
};

const NOW: &str = "2026-03-01T12:00:00Z";

fn now() -> Timestamp {
    at(NOW)
}

fn secs(secs: i64) -> SignedDuration {
    SignedDuration::from_secs(secs)
}

/// Everything that is not well, in words.
fn seen(spoil: impl Fn(&mut Seen)) -> Vec<String> {
    let mut seen = well(now());
    spoil(&mut seen);
    let judged = judge(now(), &seen, &settings());
    assert_eq!(judged.len(), 7, "every cause is judged in every look");
    let word = |Judgement { cause, state }| match state {
        State::Well => None,
        State::Unknown { because } => Some(format!("{cause}: unknown: {because}")),
        State::Alarm(Alarm { severity, summary, hint }) => {
            assert!(!hint.is_empty() && summary.len() < 1_000);
            Some(format!("{cause}: {severity:?}: {summary}"))
        }
    };
    judged.into_iter().filter_map(word).collect()
}

/// One row: what is spoilt, how, and the beginning of each word that is said.
type Row<'a> = (&'a str, &'a dyn Fn(&mut Seen), &'a [&'a str]);

fn check(rows: &[Row<'_>]) {
    for (name, spoil, wanted) in rows {
        let found = seen(spoil);
        let fits = found.len() == wanted.len()
            && found.iter().zip(*wanted).all(|(found, wanted)| found.starts_with(wanted));
        assert!(fits, "{name}: {found:#?}\n{wanted:#?}");
    }
}

/// What a daemon says of which everything is unknown once it is not trusted.
const SILENT: [&str; 2] = [
    "notices: unknown: the heartbeat says nothing",
    "proof/covetpy/main: unknown: the heartbeat says nothing",
];

fn said(seen: &mut Seen, change: impl Fn(&mut Heartbeat)) {
    let Beat::Read { heartbeat, .. } = &mut seen.heartbeat else { panic!("no heartbeat") };
    change(heartbeat);
}

fn east(seen: &mut Seen) -> &mut Result<Vec<Snapshot>, String> {
    seen.lists.get_mut(&"us-east-1".parse::<Region>().unwrap()).unwrap()
}

/// Every snapshot on both sides.
fn each(seen: &mut Seen, change: impl Fn(&mut Snapshot)) {
    seen.lists.values_mut().flatten().flatten().for_each(change);
}

fn newest(seen: &mut Seen, change: impl Fn(&mut Snapshot)) {
    each(seen, |one| {
        if one.arn.ends_with("muster-new") {
            change(one);
        }
    });
}

/// Goal: silence in every form is told, and nothing that a silent daemon said is believed.
#[test]
fn silence_in_every_form() {
    let aged =
        |age: i64| move |seen: &mut Seen| seen.heartbeat = beat(heartbeat(now() - secs(age)), None);
    let [notices, proof] = SILENT;
    check(&[
        ("fresh", &|_| {}, &[]),
        ("two minutes old", &aged(120), &[]),
        ("a second older", &aged(121), &["heartbeat: Critical: Muster is silent", notices, proof]),
        (
            "of yesterday by S3, of now by itself",
            &|seen| seen.heartbeat = beat(heartbeat(now()), Some(now() - hours(24))),
            &["heartbeat: Critical: Muster is silent", notices, proof],
        ),
        (
            "written now, of yesterday by itself",
            &|seen| seen.heartbeat = beat(heartbeat(now() - hours(24)), Some(now())),
            &["heartbeat: Critical: Muster is silent", notices, proof],
        ),
        ("a clock a little ahead", &aged(-60), &[]),
        (
            "a clock ahead",
            &aged(-61),
            &["heartbeat: Error: Muster's clock is 1m 1s ahead", notices, proof],
        ),
        (
            "nothing there",
            &|seen| seen.heartbeat = Beat::Missing,
            &["heartbeat: Critical: Muster has no heartbeat", notices, proof],
        ),
        (
            "a page of somebody's",
            &|seen| seen.heartbeat = Beat::Foreign { because: "no JSON".to_owned() },
            &["heartbeat: Critical: where Muster's heartbeat should be", notices, proof],
        ),
        (
            "not to be read",
            &|seen| seen.heartbeat = Beat::Unreadable { because: "AccessDenied".to_owned() },
            &["heartbeat: Error: Muster's heartbeat cannot be read: AccessDenied", notices, proof],
        ),
    ]);
}

/// Goal: a backup counts when it is whole, ours, of a night and of the last 26 hours; what is not seen is
/// unknown, and never well.
#[test]
fn backups_that_count() {
    let aged = |age: SignedDuration| {
        move |seen: &mut Seen| {
            each(seen, |one| one.data_time = one.data_time.map(|at| at.min(now() - age)));
        }
    };
    let lost =
        "backup/covetpy/main: Critical: no backup of `main` of `covetpy` has succeeded for 26h";
    let none = "backup/covetpy/main: Critical: there is no backup of `main` of `covetpy`";
    let no_copy = "copy/covetpy/main: Error: no backup of `main` of `covetpy` has arrived in";
    let unproven = "proof/covetpy/main: Error: no backup of `main` of `covetpy` that was proven";
    let blind = [
        "backup/covetpy/main: unknown: the recovery points in us-east-1",
        "copy/covetpy/main: unknown: the recovery points in us-east-1",
        "proof/covetpy/main: unknown: the recovery points in us-east-1",
        "sight/us-east-1: Error: the recovery points in us-east-1 cannot be listed",
    ];
    let (just, over) = (hours(25) + secs(59 * 60), hours(26) + secs(60));
    check(&[
        ("25:59 h old", &aged(just), &[]),
        ("26:00 h old", &aged(hours(26)), &[]),
        ("26:01 h old", &aged(over), &[lost]),
        ("37 h old", &aged(hours(37)), &[lost, no_copy]),
        ("the newest failed", &|seen| newest(seen, |one| one.status = "failed".into()), &[lost]),
        ("it is being made", &|seen| newest(seen, |one| one.status = "creating".into()), &[lost]),
        ("no time", &|seen| newest(seen, |one| one.data_time = None), &[lost]),
        (
            "of the future",
            &|seen| newest(seen, |one| one.data_time = Some(now() + hours(1))),
            &[lost],
        ),
        (
            "before a deployment",
            &|seen| newest(seen, |one| one.purpose = Some("pre-deployment".into())),
            &[lost],
        ),
        ("without a purpose", &|seen| newest(seen, |one| one.purpose = None), &[]),
        (
            "of another application",
            &|seen| each(seen, |one| one.application = "shop".into()),
            &[none, no_copy, unproven],
        ),
        (
            "all failed",
            &|seen| each(seen, |one| one.status = "failed".into()),
            &[
                "backup/covetpy/main: Critical: there is no backup of `main` of `covetpy`; 4 are of no \
               use, one is failed",
                no_copy,
                unproven,
            ],
        ),
        ("only the copy's region", &|seen| east(seen).as_mut().unwrap().clear(), &[no_copy]),
        ("a list that is not whole", &|seen| *east(seen) = Err("Throttling".into()), &blind),
        (
            "a region that nobody asked",
            &|seen| drop(seen.lists.remove(&"us-east-1".parse::<Region>().unwrap())),
            &blind,
        ),
    ]);
}

/// Goal: the newest backup need not be proven, but one that is still there must have been lately.
#[test]
fn proofs_age_apart_from_backups() {
    let unproven = "proof/covetpy/main: Error: no backup of `main` of `covetpy` was ever proven";
    let old = "proof/covetpy/main: Error: no backup of `main` of `covetpy` was proven to restore for 192h";
    let gone = "proof/covetpy/main: Error: no backup of `main` of `covetpy` that was proven to restore is left";
    let aged =
        |age: i64| move |seen: &mut Seen| said(seen, |beat| beat.proven[0].at = now() - hours(age));
    check(&[
        ("the newest is unproven, an older one was proven", &aged(100), &[]),
        ("192 h ago", &aged(192), &[]),
        ("193 h ago", &aged(193), &[old]),
        ("never", &|seen| said(seen, |beat| beat.proven.clear()), &[unproven]),
        (
            "of another database",
            &|seen| said(seen, |beat| beat.proven[0].component = "other".parse().unwrap()),
            &[unproven],
        ),
        (
            "of one that is gone",
            &|seen| said(seen, |beat| beat.proven[0].point = arn("us-west-2", "muster-gone")),
            &[gone],
        ),
        (
            "of one that is being deleted",
            &|seen| {
                each(seen, |one| {
                    if one.arn.ends_with("muster-old") {
                        one.status = "deleting".into();
                    }
                });
            },
            &[gone],
        ),
    ]);
    let mut seen = well(now());
    east(&mut seen).as_mut().unwrap().push(snapshot("us-east-1", "muster-newest", now()));
    assert!(judge(now(), &seen, &settings()).iter().all(|one| one.state == State::Well));
}

/// Goal: a receiver that takes nothing is told; one that was told nothing is not said to be well.
#[test]
fn notices_that_do_not_arrive() {
    let first = |change: fn(&mut Receiver)| {
        move |seen: &mut Seen| {
            said(seen, |beat| change(&mut beat.notices.as_mut().unwrap().receivers[0]));
        }
    };
    check(&[
        (
            "refused for three minutes",
            &first(|one| {
                one.failing_since = Some(now() - secs(180));
                one.because = Some("it answered 500".into());
            }),
            &[
                "notices: Error: `on-call` takes no notices since 2026-03-01T11:57:00Z: it answered 500",
            ],
        ),
        (
            "refused for a minute",
            &first(|one| one.failing_since = Some(now() - secs(60))),
            &["notices: unknown: `on-call` takes no notices for now"],
        ),
        (
            "nothing for 27 h",
            &first(|one| one.taken_at = Some(now() - hours(27))),
            &["notices: Error: `on-call` has taken no notice since 2026-02-28T09:00:00Z"],
        ),
        (
            "nothing since the start",
            &first(|one| one.taken_at = None),
            &["notices: Error: `on-call` has taken no notice since Muster started"],
        ),
        (
            "nothing since a start that is not long ago",
            &|seen| {
                said(seen, |beat| {
                    let notices = beat.notices.as_mut().unwrap();
                    notices.since = now() - hours(1);
                    notices.receivers[0].taken_at = None;
                });
            },
            &["notices: unknown: `on-call` was not told anything yet"],
        ),
        (
            "no receivers",
            &|seen| said(seen, |beat| beat.notices.as_mut().unwrap().receivers.clear()),
            &["notices: Error: Muster has no receivers"],
        ),
        (
            "a program that does not say",
            &|seen| said(seen, |beat| beat.notices = None),
            &["notices: Error: Muster 0.1.0 does not say whether notices arrive"],
        ),
        (
            "five of them",
            &|seen| {
                said(seen, |beat| {
                    let notices = beat.notices.as_mut().unwrap();
                    notices.receivers[0].failing_since = Some(now() - hours(1));
                    notices.receivers = vec![notices.receivers[0].clone(); 5];
                });
            },
            &[
                "notices: Error: `on-call` takes no notices since 2026-03-01T11:00:00Z: nobody knows why; ",
            ],
        ),
    ]);
}

/// Goal: each cause is an incident of its own, under a name that does not change.
#[test]
fn each_cause_has_its_key() {
    let judged = judge(now(), &well(now()), &settings());
    let keys: Vec<String> = judged.iter().map(|one| one.cause.key("covetpy")).collect();
    assert_eq!(
        keys,
        [
            "muster-watchdog/covetpy/heartbeat",
            "muster-watchdog/covetpy/notices",
            "muster-watchdog/covetpy/backup/covetpy/main",
            "muster-watchdog/covetpy/copy/covetpy/main",
            "muster-watchdog/covetpy/proof/covetpy/main",
            "muster-watchdog/covetpy/sight/us-east-1",
            "muster-watchdog/covetpy/sight/us-west-2",
        ]
    );
}
