//! Which points go, which stay, and why.

use super::*;

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A point whose data is from `text`.
fn point(text: &str) -> RecoveryPoint {
    let region: Region = "us-east-1".parse().unwrap();
    RecoveryPoint {
        purpose: Purpose::Backup,
        ..RecoveryPoint::new(
            format!("arn:aws:rds:{region}:123456789012:cluster-snapshot:{text}"),
            "main".parse().unwrap(),
            region,
            "123456789012".to_owned(),
            instant(text),
            "r00000000001".parse().unwrap(),
        )
    }
}

/// One point a night at two, from the first day on, so many of them.
fn nights(first: &str, count: i64) -> Vec<RecoveryPoint> {
    let first = instant(first);
    let night = |number| point(&(first + SignedDuration::from_hours(24 * number)).to_string());
    (0..count).map(night).collect()
}

fn hours(hours: u32) -> Retention {
    Retention::of(muster_runbooks::value::Span::from_hours(hours))
}

fn judged(points: &[RecoveryPoint], retention: &Retention, now: &str) -> Judged {
    let points: Vec<&RecoveryPoint> = points.iter().collect();
    judge(&points, &|_| true, retention, None, instant(now))
}

/// The days of what stays, with its reasons.
fn kept(judged: &Judged) -> Vec<String> {
    let line = |(id, why): (&String, &BTreeSet<Kept>)| {
        let day = id.rsplit_once("cluster-snapshot:").unwrap().1;
        let why: Vec<String> = why.iter().map(|one| format!("{one:?}")).collect();
        format!("{} {}", &day[..10], why.join("+"))
    };
    judged.kept.iter().map(line).collect()
}

/// Goal: a point stays for any of its reasons and goes only without one.
/// Method: sixty nights under a policy with every part, one point proven, one held.
#[test]
fn every_reason_keeps() {
    let mut points = nights("2026-01-15T02:00:00Z", 60);
    points[10].verified_at = Some(instant("2026-02-01T00:00:00Z"));
    points[20].verified_at = Some(instant("2026-02-20T00:00:00Z"));
    let hold = |at| Hold { name: "case 7".into(), by: "ana".into(), reason: "audit".into(), at };
    points[30].holds = vec![hold(instant("2026-03-01T00:00:00Z"))];
    points[30].marked_at = Some(instant("2026-03-01T00:00:00Z"));
    let retention = Retention { keep_last: 5, monthly: 2, ..hours(72) };
    let judged = judged(&points, &retention, "2026-03-15T12:00:00Z");
    assert_eq!(
        kept(&judged),
        [
            "2026-02-01 Monthly",
            "2026-02-04 NewestVerified",
            "2026-02-14 Held",
            "2026-03-01 Monthly",
            "2026-03-11 Last",
            "2026-03-12 Last",
            "2026-03-13 Newest+Last+Young",
            "2026-03-14 Newest+Last+Young",
            "2026-03-15 Newest+Last+Young",
        ]
    );
    assert_eq!(judged.mark.len(), 60 - 9);
    assert!(judged.mark[0].contains("2026-01-15"), "the oldest goes first: {}", judged.mark[0]);
    assert_eq!((judged.delete.len(), judged.waiting.len()), (0, 0));
}

/// Goal: what counts is the age of the data and never that of the copy, and the newest stay even for
/// a clock that is years ahead.
#[test]
fn the_newest_stay_whatever_the_clock_says() {
    let points = nights("2026-01-15T02:00:00Z", 10);
    let ahead = judged(&points, &hours(72), "2036-01-01T00:00:00Z");
    assert_eq!(kept(&ahead).len(), 3);
    let behind = judged(&points, &hours(72), "2016-01-01T00:00:00Z");
    assert_eq!(kept(&behind).len(), 10, "data of the future is young");
    let monthly = Retention { monthly: 12, ..hours(72) };
    assert_eq!(kept(&judged(&points, &monthly, "2026-12-31T23:59:59Z")).len(), 4);
    assert_eq!(kept(&judged(&points, &monthly, "2027-01-01T00:00:00Z")).len(), 3);
}

/// Goal: each region and each account keeps its own newest, and its own newest verified.
/// Method: the same nights in two regions and two accounts, judged together.
#[test]
fn each_place_keeps_its_own() {
    let mut points = nights("2026-01-15T02:00:00Z", 6);
    for (region, account) in [("us-west-2", "123456789012"), ("us-east-1", "210987654321")] {
        for mut one in nights("2026-01-15T02:00:00Z", 6) {
            one.region = region.parse().unwrap();
            account.clone_into(&mut one.account);
            one.id = format!("{}-{region}-{account}", one.id);
            points.push(one);
        }
    }
    points[0].verified_at = Some(instant("2026-02-01T00:00:00Z"));
    let judged = judged(&points, &hours(1), "2026-06-01T00:00:00Z");
    assert_eq!(judged.kept.len(), 3 * 3 + 1);
    assert_eq!(judged.mark.len(), 3 * 3 - 1);
}

/// Goal: points from before a deployment have a retention of their own.
#[test]
fn a_deployment_has_its_own_retention() {
    let mut points = nights("2026-01-01T02:00:00Z", 8);
    points[1].purpose = Purpose::PreDeployment;
    points[2].purpose = Purpose::PreMaintenance;
    let own = muster_runbooks::application::policy::PreDeployment {
        keep_for: muster_runbooks::value::Span::from_hours(24),
    };
    let retention = Retention { pre_deployment: Some(own), ..hours(24 * 30) };
    let judged = judged(&points, &retention, "2026-01-09T12:00:00Z");
    assert_eq!(judged.mark, [points[1].id.clone()]);
}

/// Goal: a daily expiry deletes on the next day what it marked, also when it comes a little earlier
/// or the clock was put forward, and never on the same day.
#[test]
fn what_was_marked_goes_the_day_after() {
    let mut points = nights("2026-01-01T02:00:00Z", 8);
    points[0].marked_at = Some(instant("2026-01-20T12:00:07Z"));
    for (now, deletes) in [
        ("2026-01-20T12:00:08Z", false),
        ("2026-01-21T10:00:06Z", false),
        ("2026-01-21T11:00:06Z", true),
        ("2026-01-21T12:00:06Z", true),
    ] {
        let judged = judged(&points, &hours(24), now);
        assert_eq!(judged.delete.len(), usize::from(deletes), "{now}");
        assert_eq!(judged.waiting.len(), usize::from(!deletes), "{now}");
    }
}

/// Goal: while the application is being moved nothing goes, and it is said why.
#[test]
fn nothing_goes_while_the_application_moves() {
    let mut points = nights("2026-01-01T02:00:00Z", 8);
    points[0].marked_at = Some(instant("2026-01-10T12:00:00Z"));
    let all: Vec<&RecoveryPoint> = points.iter().collect();
    let run: RunId = "f00000000001".parse().unwrap();
    let now = instant("2026-02-01T00:00:00Z");
    let judged = judge(&all, &|_| true, &hours(24), Some(&run), now);
    assert_eq!((judged.mark.len(), judged.delete.len(), judged.kept.len()), (0, 0, 8));
    assert_eq!(kept(&judged)[0], "2026-01-01 Moving");
    let after = judge(&all, &|_| true, &hours(24), None, now);
    assert_eq!((after.mark.len(), after.delete.len(), after.kept.len()), (4, 1, 3));
}

/// Goal: what a complete listing does not show is neither counted nor touched.
#[test]
fn what_is_not_there_is_not_counted() {
    let points = nights("2026-01-01T02:00:00Z", 8);
    let all: Vec<&RecoveryPoint> = points.iter().collect();
    let shown = |id: &str| !id.contains("2026-01-08") && !id.contains("2026-01-07");
    let judged = judge(&all, &shown, &hours(24), None, instant("2026-02-01T00:00:00Z"));
    assert_eq!(kept(&judged), ["2026-01-04 Newest", "2026-01-05 Newest", "2026-01-06 Newest"]);
    assert_eq!(judged.mark.len(), 3);
}

/// Goal: a point of an older journal is a backup that nobody holds.
#[test]
fn an_old_point_is_read() {
    let mut row = serde_json::to_value(point("2026-01-01T02:00:00Z")).unwrap();
    let fields = row.as_object_mut().unwrap();
    assert!(!fields.contains_key("holds"), "{fields:?}");
    fields.remove("purpose");
    let read: RecoveryPoint = serde_json::from_value(row).unwrap();
    assert_eq!(read, point("2026-01-01T02:00:00Z"));
}

/// Goal: a test takes the point that was not proven for longest, and a day on which it is all that is left the
/// newest one, proven or not; what is marked, elsewhere or not there serves neither.
#[test]
fn which_point_serves() {
    let mut points = nights("2026-03-01T02:00:00Z", 5);
    let newest = points[3].id.clone();
    points[0].verified_at = Some(instant("2026-03-02T00:00:00Z"));
    points[1].verified_at = Some(instant("2026-03-03T00:00:00Z"));
    points[3].verified_at = Some(instant("2026-03-05T00:00:00Z"));
    points[4].marked_at = Some(instant("2026-03-06T00:00:00Z"));
    let (unproven, gone) = (points[2].id.clone(), points[3].id.clone());
    let chosen = |available: &dyn Fn(&RecoveryPoint) -> bool, prefer| {
        let (component, region) = (&points[0].component, &points[0].region);
        choose(&points, available, component, region, None, prefer).map(|point| point.id.clone())
    };
    assert_eq!(chosen(&|_| true, Preference::Unproven), Ok(unproven.clone()));
    assert_eq!(chosen(&|_| true, Preference::Newest), Ok(newest));
    assert_eq!(chosen(&|point| point.id != gone, Preference::Newest), Ok(unproven));
    let none = chosen(&|_| false, Preference::Newest).unwrap_err();
    assert_eq!(none, "`main` has no available recovery point in us-east-1");
}
