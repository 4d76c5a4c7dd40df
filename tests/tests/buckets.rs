//! Two buckets compared, over a server that only lists.

mod step;

use std::{collections::BTreeMap, path::Path, process::Command};

use futures::{FutureExt, future::Either};
use jiff::Timestamp;
use muster::{
    clock::Clock,
    compare::{Comparison, Depth, Extent, checkpoint::Checkpoint, judge::How, tally::Tally},
    world::{
        aws::{Access, Aws, listing::Shelf},
        rates::Rates,
    },
};
use muster_tests::{
    daemon::binary,
    listing::{Bucket, Flaw, ListServer, Version},
};
use serde_json::{Value, json};

/// How many keys the larger tests have.
const KEYS: usize = 12_000;

/// Names as people give them: deep, flat, with spaces, signs and other alphabets.
fn name(number: usize) -> String {
    match number % 6 {
        0 => format!("logs/2026/03/{:02}/{number:06}.json", number % 31),
        1 => format!("user uploads/a+b %25 {number}.png"),
        2 => format!("été/日本/{number:05}"),
        3 => format!("{number:x}"),
        4 => format!("z/\u{10348}{number}&<>\"'"),
        _ => format!("covet-database-backups/{}/{number}", number * 7919 % 1_000),
    }
}

fn shelf(keys: usize) -> Bucket {
    let mut bucket = Bucket::default();
    for number in 0..keys {
        let one = Version::object(format!("v{number}"), number as u64, format!("{number:032x}"));
        let mut versions = vec![one];
        if number % 50 == 7 {
            versions.insert(0, Version::marker(format!("m{number}")));
        }
        if number % 40 == 3 {
            versions.push(Version::object(format!("w{number}"), 1, "old"));
        }
        bucket.keys.insert(name(number), versions);
    }
    bucket
}

/// What was planted: every kind of difference, each a few times, everywhere.
fn planted(bucket: &mut Bucket) -> BTreeMap<String, How> {
    let mut expected = BTreeMap::new();
    let all: Vec<String> = bucket.keys.keys().cloned().collect();
    for (place, key) in all.iter().enumerate().filter(|(place, _)| place % 97 == 5) {
        let versions = bucket.keys.get_mut(key).expect("it is there");
        let first = versions.last_mut().expect("it has a version");
        let how = match place % 6 {
            0 => {
                bucket.keys.remove(key);
                How::Missing
            }
            1 => {
                first.object = first.object.take().map(|(size, _)| (size, "other".to_owned()));
                How::Etag
            }
            2 => {
                first.object = first.object.take().map(|(size, tag)| (size + 1, tag));
                How::Size
            }
            3 => {
                first.id = "other".to_owned();
                How::Version
            }
            4 if versions[0].object.is_some() => {
                versions.insert(0, Version::marker("new"));
                How::DeleteMarker
            }
            _ => {
                let key = format!("{key} (copy)");
                bucket.keys.insert(key.clone(), vec![Version::object("x", 1, "x")]);
                expected.insert(key, How::Extra);
                continue;
            }
        };
        expected.insert(key.clone(), how);
    }
    expected
}

fn serve(source: Bucket, target: Bucket) -> ListServer {
    ListServer::start(BTreeMap::from([
        ("source".to_owned(), source),
        ("target".to_owned(), target),
    ]))
}

async fn comparison(server: &ListServer, depth: Depth, shards: usize) -> Comparison {
    let aws =
        Aws::load(&Access::Emulator { endpoint: server.url() }, Rates::default(), Clock::Real)
            .await;
    let region = "us-east-1".parse().expect("a region");
    let client = aws.bulk(&region);
    let shelf = |bucket| Shelf::new(client.clone(), bucket, None, &region);
    Comparison::new(shelf("source"), shelf("target"), depth, shards)
}

fn found(tally: &Tally) -> BTreeMap<String, How> {
    tally.differences.iter().map(|one| (one.key.clone(), one.what)).collect()
}

/// Goal: every difference is found, once, under its name, however many ranges are read at a time,
/// and a range is never read twice.
/// Method: plant all kinds among names of every alphabet; compare by one range and by many.
#[tokio::test(flavor = "multi_thread")]
async fn every_planted_difference_is_found_once() {
    let mut target = shelf(KEYS);
    let expected = planted(&mut target);
    assert!(expected.len() > 100);
    let server = serve(shelf(KEYS), target);
    let mut pages = Vec::new();
    for shards in [1, 3, 16] {
        let tally = comparison(&server, Depth::List, shards).await.run().await.expect("an answer");
        assert_eq!(found(&tally), expected, "{shards} ranges");
        let count = |how: &[How]| expected.values().filter(|one| how.contains(one)).count() as u64;
        assert_eq!(tally.missing, count(&[How::Missing]));
        assert_eq!(tally.extra, count(&[How::Extra]));
        let differ = [How::Etag, How::Size, How::Version, How::DeleteMarker];
        assert_eq!(tally.different, count(&differ));
        assert_eq!(tally.keys() - tally.extra, KEYS as u64);
        assert_eq!(tally.unknown, 0);
        pages.push(tally.pages);
    }
    // Each range ends with a page that is not full, on both sides.
    assert!(pages[2] <= pages[0] + 6 * 16, "{pages:?}");
}

/// Goal: a slow listing is read in many places at a time (the lists are half of what a comparison
/// takes), and the cuts cost few pages.
/// Method: count how many pages the server is asked for at once.
#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_read_at_the_same_time() {
    let server = serve(shelf(KEYS), shelf(KEYS));
    server.slow_down(std::time::Duration::from_millis(20));
    let tally = comparison(&server, Depth::List, 8).await.run().await.expect("an answer");
    assert!(!tally.differs());
    // Both sides of most of the eight; one range alone would have two.
    assert!(server.most_at_once() >= 10, "{}", server.most_at_once());
}

/// Goal: an entity tag that says nothing is never taken for "the same" (facts §4).
/// Method: one bucket encrypts with KMS, then one that may not be asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_seen_is_unknown() {
    let mut target = shelf(500);
    target.encryption = Some("aws:kms");
    for versions in target.keys.values_mut() {
        for (_, etag) in versions.iter_mut().filter_map(|version| version.object.as_mut()) {
            *etag = format!("kms-{etag}");
        }
    }
    let server = serve(shelf(500), target);
    let tally = comparison(&server, Depth::List, 4).await.run().await.expect("an answer");
    assert_eq!((tally.unknown, tally.differs(), tally.same), (500, false, 0));
}

/// Goal: `--depth head` sees checksums, failed replication and other encryption, and says unknown
/// where there is none of that.
#[tokio::test(flavor = "multi_thread")]
async fn heads_say_more() {
    let (mut source, mut target) = (Bucket::default(), Bucket::default());
    let cases = [
        ("same", "s1", "s1", "AES256", "COMPLETED", None),
        ("checksum", "s1", "s2", "AES256", "COMPLETED", Some(How::Checksum)),
        ("failed", "s1", "s1", "AES256", "FAILED", Some(How::Replication)),
        ("encryption", "s1", "s1", "aws:kms", "COMPLETED", Some(How::Encryption)),
    ];
    for (key, ours, theirs, encryption, replication, _) in cases {
        let version = |sum: &str, encryption: &str| {
            Version::object("1", 3, "tag")
                .with("x-amz-checksum-sha256", sum)
                .with("x-amz-server-side-encryption", encryption)
        };
        let one = version(ours, "AES256").with("x-amz-replication-status", replication);
        source.keys.insert(key.to_owned(), vec![one]);
        target.keys.insert(key.to_owned(), vec![version(theirs, encryption)]);
    }
    let mute = Version::object("1", 3, "tag").with("x-amz-server-side-encryption", "aws:kms");
    source.keys.insert("mute".to_owned(), vec![mute.clone()]);
    target.keys.insert("mute".to_owned(), vec![mute]);
    let server = serve(source, target);
    let tally = comparison(&server, Depth::Head, 2).await.run().await.expect("an answer");
    let expected = cases.into_iter().filter_map(|(key, .., how)| Some((key.to_owned(), how?)));
    assert_eq!(found(&tally), expected.collect());
    assert_eq!((tally.same, tally.unknown), (1, 1));
}

/// Goal: a listing that cannot be trusted is an error, and never a difference that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_page_is_an_error() {
    let mut source = shelf(KEYS);
    source.repeats_after = Some(3);
    let server = serve(source, shelf(KEYS));
    let why = comparison(&server, Depth::List, 1).await.run().await.expect_err("no answer");
    let said = muster::offline::chain(&why);
    assert!(said.contains("bucket `source`: its list is not in the order of keys"), "{said}");
}

/// Goal: what changes while it is listed is told as it was seen, and nothing else is disturbed.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_goes_meanwhile_is_missing_and_no_more() {
    let mut target = shelf(KEYS);
    let last = target.keys.keys().next_back().cloned().expect("a key");
    target.goes_after = Some((2, last.clone()));
    let server = serve(shelf(KEYS), target);
    let tally = comparison(&server, Depth::List, 1).await.run().await.expect("an answer");
    assert_eq!(found(&tally), BTreeMap::from([(last, How::Missing)]));
}

/// Goal: a comparison that was cut off goes on where it was, and comes to the same.
/// Method: drop it again and again after a few pages, and go on from its checkpoint.
#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_is_resumed() {
    let mut target = shelf(KEYS);
    let expected = planted(&mut target);
    let server = serve(shelf(KEYS), target);
    let mut before = None;
    let mut cuts = 0;
    let tally = loop {
        let mut one = comparison(&server, Depth::List, 4).await;
        if let Some(checkpoint) = before.take() {
            one =
                one.from(Some(checkpoint), Extent::Full, Timestamp::UNIX_EPOCH).expect("the same");
        }
        let until = server.pages() + 3;
        let enough = futures::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if server.pages() >= until {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        });
        let ended = match futures::future::select(one.run().boxed(), enough).await {
            Either::Left((tally, _)) => Some(tally.expect("an answer")),
            Either::Right(_) => None,
        };
        if let Some(tally) = ended {
            break tally;
        }
        cuts += 1;
        assert!(cuts < 500, "it never ends");
        before = Some(one.checkpoint());
    };
    assert!(cuts > 2, "{cuts}");
    assert_eq!(found(&tally), expected);
    assert_eq!(tally.keys() - tally.extra, KEYS as u64);
}

/// Goal: the command answers by its exit code, and programs read integers.
#[test]
fn the_command_says_no_when_they_differ() {
    let mut target = shelf(300);
    let expected = planted(&mut target);
    let server = serve(shelf(300), target);
    let run = |more: &[&str]| {
        Command::new(binary())
            .args(["compare-buckets", "source"])
            .args(more)
            .args(["--endpoint-url", &server.url()])
            .envs([("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")])
            .env("AWS_REGION", "us-east-1")
            .output()
            .expect("it runs")
    };
    let done = run(&["target", "--output", "json"]);
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let summary: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let sum = ["missing", "extra", "different", "unknown"].map(|name| summary[name].as_u64());
    assert_eq!(
        sum.iter().map(|count| count.expect("an integer")).sum::<u64>(),
        expected.len() as u64
    );
    assert_eq!(run(&["source"]).status.code(), Some(0));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("checkpoint").display().to_string();
    let by_heads = ["source", "--depth", "head", "--checkpoint", &file, "--incremental"];
    let heads = |run: std::process::Output| {
        let summary = [&run.stdout[..]].concat();
        let summary: Value = serde_json::from_slice(&summary).expect("JSON");
        (summary["heads"].as_u64().expect("an integer"), summary["unchanged"].clone())
    };
    let json: Vec<&str> = by_heads.into_iter().chain(["--output", "json"]).collect();
    let (asked, unchanged) = heads(run(&json));
    assert!(asked > 600 && unchanged == json!(0), "{asked} {unchanged}");
    assert_eq!(heads(run(&json)), (0, json!(300)), "nothing is new");
    let lost = run(&["nowhere"]);
    assert_eq!(lost.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&lost.stderr).contains("NoSuchBucket"));
}

/// Goal: what goes wrong on the way is waited out or said, and never a difference that is not there.
/// Method: throttle, break off and shorten pages; then pages that nothing can be made of.
#[tokio::test(flavor = "multi_thread")]
async fn a_spoilt_page_is_asked_for_again_or_an_error() {
    let server = serve(shelf(KEYS), shelf(KEYS));
    server.spoil(&[Flaw::SlowDown, Flaw::Broken, Flaw::Shortened, Flaw::Broken]);
    let tally = comparison(&server, Depth::List, 2).await.run().await.expect("an answer");
    assert_eq!((tally.differs(), tally.same), (false, KEYS as u64));

    let table: [(&[Flaw], &str); 3] = [
        (&[Flaw::Garbled], "its answer is no list that S3 writes"),
        (&[Flaw::Shortened; 40], "its list breaks off"),
        (&[Flaw::Expired], "did not accept our credentials for ListObjectVersions (ExpiredToken)"),
    ];
    for (flaws, reason) in table {
        let server = serve(shelf(KEYS), shelf(KEYS));
        server.spoil(flaws);
        let why = comparison(&server, Depth::List, 1).await.run().await.expect_err("no answer");
        let said = muster::offline::chain(&why);
        assert!(said.contains(reason), "{said}");
    }
}

/// A comparison by heads that writes into a file, at an instant.
async fn by_heads(server: &ListServer, file: &Path, extent: Extent, now: &str) -> Tally {
    let before = Checkpoint::read(file).expect("a file");
    let one = comparison(server, Depth::Head, 4).await;
    let one = one.from(before, extent, now.parse().expect("an instant")).expect("the same");
    let clock = Clock::Real;
    one.follow(&clock, Some(file), |_| ()).await.expect("an answer")
}

/// Goal: an incremental comparison asks for the heads of what is new and of what differed, counts what it
/// leaves out, and forgets no difference that was found before.
/// Method: a complete one; then one version more, a replication that fails later, and one that was mended.
#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_comparison_asks_for_what_may_have_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("checkpoint");
    let sum = |sum: &str| Version::object("1", 3, "tag").with("x-amz-checksum-sha256", sum);
    let buckets = |bad: &[&str], young: bool| {
        let (mut source, mut target) = (Bucket::default(), Bucket::default());
        for number in 0..300 {
            let key = format!("k{number:03}");
            let theirs = if bad.contains(&&*key) { "other" } else { "s" };
            source.keys.insert(key.clone(), vec![sum("s")]);
            target.keys.insert(key, vec![sum(theirs)]);
        }
        if young {
            let modified = "2026-03-09T12:00:00.000Z";
            let young = |text| Version { modified, ..sum(text) };
            source.keys.insert("new".to_owned(), vec![young("s")]);
            target.keys.insert("new".to_owned(), vec![young("t")]);
        }
        serve(source, target)
    };
    let server = buckets(&["k007", "k200"], false);
    let full = by_heads(&server, &file, Extent::Incremental, "2026-03-10T00:00:00Z").await;
    assert_eq!((full.different, full.same, full.unchanged, full.heads), (2, 298, 0, 600));
    assert_eq!(server.heads(), 600);
    assert_eq!(full.differences[0].version.as_deref(), Some("1"));

    let server = buckets(&["k200"], true);
    let next = by_heads(&server, &file, Extent::Incremental, "2026-03-10T06:00:00Z").await;
    let differ =
        BTreeMap::from([("k200".to_owned(), How::Checksum), ("new".into(), How::Checksum)]);
    assert_eq!(found(&next), differ);
    assert_eq!((next.same, next.unchanged, next.heads), (1, 298, 6), "{next:?}");
    assert_eq!((server.heads(), next.keys()), (6, 301));

    // Whoever asks for everything gets it, and a comparison that left something unknown saves nothing.
    let all = by_heads(&server, &file, Extent::Full, "2026-03-10T07:00:00Z").await;
    assert_eq!((all.unchanged, all.heads), (0, 602));
    let mut last = Checkpoint::read(&file).expect("a file").expect("one");
    last.began.last.as_mut().expect("it was complete").tally.unknown = 1;
    last.write(&file).expect("a file");
    let again = by_heads(&server, &file, Extent::Incremental, "2026-03-10T08:00:00Z").await;
    assert_eq!((again.unchanged, again.heads), (0, 602));
}
