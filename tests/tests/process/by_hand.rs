//! Pages for doing it by hand: a real daemon keeps them beside its journal and in two buckets.

use std::{fs, path::PathBuf, process::Command};

use muster_tests::{
    daemon::binary,
    emulator::{EAST, WEST, aws::cluster_arn},
    stage::{Stage, brief},
};
use serde_json::Value;

use super::failover;

fn page(stage: &Stage, name: &str) -> PathBuf {
    stage.setup.state().join("by-hand/shop").join(name)
}

fn read(stage: &Stage, name: &str) -> String {
    fs::read_to_string(page(stage, name)).unwrap_or_default()
}

async fn copy(stage: &Stage, region: &str, name: &str) -> String {
    stage.world.get(region, &format!("pages-{region}/by-hand/shop/{name}")).await
}

/// The finding about the pages, if it stands.
async fn finding(stage: &Stage) -> Option<Value> {
    let (_, shop) = stage.daemon.get("/v1/applications/shop").await?;
    shop["findings"].as_array()?.iter().find(|finding| finding["id"] == "by-hand").cloned()
}

/// The page of a forced failover, once its text holds and every copy is the same.
async fn settled(stage: &mut Stage, active: &str, copies: &[&str]) -> String {
    const NAME: &str = "region-failover-forced.txt";
    let top = format!("active region   {active}, since ");
    stage
        .until("the pages hold, here and there", async |stage| {
            let text = read(stage, NAME);
            let mut same = text.contains(&top);
            for region in copies {
                same = same && copy(stage, region, NAME).await == text;
            }
            same
        })
        .await;
    read(stage, NAME)
}

fn printed(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let state = stage.setup.state();
    let mut muster = Command::new(binary());
    muster.args(["by-hand", "shop"]).args(arguments).arg("--state").arg(state);
    // Nobody listens there: what is read from a disk asks no daemon.
    let said = muster.env("MUSTER_SERVER", "http://127.0.0.1:1").output().expect("it starts");
    (said.status.code(), String::from_utf8_lossy(&said.stdout).into_owned())
}

/// Goal: whoever must do it without Muster finds every command with the real names, for the roles as they
/// are now, on this host and in a bucket of either region; a copy that cannot be kept up is said, for as
/// long as that is so.
/// Method: a failover moves the application while one region takes no object; then that is mended, the
/// daemon dies, and its files are spoilt.
#[tokio::test]
async fn pages_follow_the_roles() {
    let Some(mut stage) = Stage::with_pages().await else { return };
    let text = settled(&mut stage, EAST, &[EAST, WEST]).await;
    let promote = format!(
        "aws rds failover-global-cluster --region {WEST} --global-cluster-identifier orders \
         --target-db-cluster-identifier {} --allow-data-loss",
        cluster_arn(WEST, "orders-west")
    );
    assert!(text.contains(&format!("\n{promote}\n")), "{text}");
    assert!(text.contains("muster done RUN promote-database-orders --reason TEXT"), "{text}");
    // The page for people is put there after the text.
    stage
        .until("the copy is the page", async |stage| {
            let page = read(stage, "region-failover-forced.html");
            copy(stage, WEST, "region-failover-forced.html").await == page
        })
        .await;
    let html = read(&stage, "region-failover-forced.html");
    assert!(html.contains(&promote) && !html.contains("href=\"/") && !html.contains("src="));
    let path = "/v1/applications/shop/by-hand/region-failover?manner=forced";
    let (status, view) = stage.daemon.get(path).await.expect("an answer");
    assert_eq!((status, &view["active"], &view["kept"]["copies"]), (200, &EAST.into(), &2.into()));
    assert!(view["text"].as_str().is_some_and(|text| text.contains(&promote)), "{view}");
    let before = finding(&stage).await;
    assert_eq!(before, None);

    // The plan of the page is the one that a run carries out.
    let graceful = read(&stage, "region-failover-graceful.txt");
    let how = serde_json::json!({ "region": EAST, "service": "s3", "operation": "PutObject", "how": "reset" });
    stage.world.fault("silence", how).await;
    let run = stage.ask("ana", "one", failover("graceful")).await;
    let view = stage.carry(&run, &["ben"]).await;
    assert_eq!(view["status"], "succeeded", "{}", brief(&view));
    let hash = view["plan_hash"].as_str().expect("a hash");
    assert!(graceful.contains(&format!("sha256 {hash}\n")), "{hash}: {graceful}");

    let text = settled(&mut stage, WEST, &[WEST]).await;
    assert!(text.contains(&cluster_arn(EAST, "orders-east")) && !text.contains(&promote), "{text}");
    stage.until("the old copy is said", async |stage| finding(stage).await.is_some()).await;
    let said = finding(&stage).await.expect("it stands").to_string();
    assert!(said.contains(&format!("s3://pages-{EAST}/by-hand in {EAST}: no answer")), "{said}");
    assert_ne!(copy(&stage, EAST, "region-failover-forced.txt").await, text);
    stage.world.heal().await;
    settled(&mut stage, WEST, &[EAST, WEST]).await;
    stage.until("nothing is said any more", async |stage| finding(stage).await.is_none()).await;

    let stranger = stage.setup.state().join("by-hand/gone/region-failover-forced.txt");
    fs::create_dir(stranger.parent().expect("a folder")).expect("made");
    fs::write(&stranger, "this held once").expect("written");
    fs::write(page(&stage, "region-failover-forced.txt"), "spoilt").expect("written");
    fs::remove_file(page(&stage, "region-failback-graceful.html")).expect("removed");
    stage.crash();
    let (code, said) = printed(&stage, &["region-failover", "--forced"]);
    assert_eq!((code, said.trim()), (Some(0), "spoilt"), "it prints what is there");
    stage.revive().await;
    settled(&mut stage, WEST, &[EAST, WEST]).await;
    assert!(!stranger.exists() && page(&stage, "region-failback-graceful.html").exists());
    let (code, said) = printed(&stage, &["region-failback"]);
    assert_eq!(code, Some(0));
    assert!(said.starts_with("BY HAND: Move an application back home after a failover"), "{said}");
    assert_eq!(printed(&stage, &["daily-backup"]).0, Some(2));
}

/// Goal: a disk that takes no page is said, and nothing else stops.
/// Method: a file stands where the folder should be.
#[tokio::test]
async fn a_page_that_cannot_be_written_is_said() {
    let Some(mut stage) = Stage::with_pages().await else { return };
    settled(&mut stage, EAST, &[EAST, WEST]).await;
    let folder = stage.setup.state().join("by-hand");
    fs::remove_dir_all(&folder).expect("removed");
    fs::write(&folder, "in the way").expect("written");
    stage.until("it is said", async |stage| finding(stage).await.is_some()).await;
    let said = finding(&stage).await.expect("it stands").to_string();
    assert!(said.contains("cannot be written"), "{said}");
    fs::remove_file(&folder).expect("removed");
    settled(&mut stage, EAST, &[EAST, WEST]).await;
    stage.until("nothing is said any more", async |stage| finding(stage).await.is_none()).await;
}
