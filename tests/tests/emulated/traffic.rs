//! Where users go: the marker, the zone's own name servers, and a probe.

use muster_runbooks::application::Application;
use muster_state::call::{CallError, Progress};
use muster_tests::emulator::{
    EAST, Emulator, WEST,
    calls::{application, call, carry_out, look},
    site::Site,
};
use serde_json::json;

use super::world;

const HOME: &str = "192.0.2.1";
const AWAY: &str = "198.51.100.1";

/// The application with its zone and its marker; the standby's probe goes to `site`.
async fn shop(world: &mut Emulator, site: &Site) -> Application {
    world.bucket(WEST, "markers").await;
    let zone = world.zone(HOME, AWAY).await;
    world.serve_names("markers");
    application(json!({
        "traffic": {
            "name": "app.example.com",
            "zone": zone,
            "primary": EAST,
            "marker": { "region": WEST, "bucket": "markers", "key": "moved" },
            "answers": { EAST: [HOME], WEST: [AWAY] },
            "name_servers": world.name_servers(),
        },
        "probes": { EAST: site.url(), WEST: site.url() },
    }))
}

/// Goal: users are moved by one object in the standby region while us-east-1, and Route 53's control
/// plane with it, are gone; done when the zone's own name servers say so and the side serves.
/// Method: the health check takes 30 s to turn; the side starts to serve only after a while.
#[tokio::test]
async fn a_marker_moves_the_users() {
    let mut world = world!();
    let site = Site::start(503);
    let shop = shop(&mut world, &site).await;
    world.fault("silence", json!({ "region": EAST, "how": "reset" })).await;
    let real = world.real(Vec::new()).await;
    let mut shifting = call(&world, &shop, "shift-traffic", json!({ "to": "standby" }));
    // Users never go to a side that does not serve.
    let seen = look(&world, &real, &mut shifting).await.to_string();
    assert!(seen.contains("us-west-2 does not serve: its probe answers 503"), "{seen}");
    site.set(200);
    world.fault("lose", json!({ "service": "s3", "operation": "PutObject" })).await;
    let moved = carry_out(&mut world, &real, &mut shifting, 10).await;
    let aim = shifting.aim.clone().unwrap();
    assert_eq!(aim.before, json!({ "marker": null, "answers": format!("{EAST} ({HOME})") }));
    assert_eq!(aim.targets, ["s3://markers/moved"]);
    assert_eq!(moved.done.outputs["answers"], json!(format!("{WEST} ({AWAY})")));
    // The emulated check probes when it is asked, first 10 s after the marker was written.
    assert_eq!(moved.done.outputs["took"], json!("40s"));
    assert_eq!(moved.begins, 1, "{:?}", moved.seen);
    assert!(
        moved.seen.contains(&format!("the name servers say {EAST} ({HOME})")),
        "{:?}",
        moved.seen
    );
    let marker = world.get(WEST, "markers/moved").await;
    assert_eq!(marker, format!("run=r00000000001\ntoken={}\nepoch=7\n", shifting.token));
}

/// Goal: the way back takes the marker away, whoever wrote it.
#[tokio::test]
async fn the_way_back_takes_any_marker_away() {
    let mut world = world!();
    let site = Site::start(200);
    let shop = shop(&mut world, &site).await;
    world.put(WEST, "markers/moved", &[]).await;
    let real = world.real(Vec::new()).await;
    let mut shifting = call(&world, &shop, "shift-traffic", json!({ "to": "active" }));
    // The check was never asked, so it stands where it is: with the users at the standby.
    let back = carry_out(&mut world, &real, &mut shifting, 10).await;
    assert_eq!(shifting.aim.unwrap().before["marker"], json!("x"));
    assert_eq!(back.done.outputs["answers"], json!(format!("{EAST} ({HOME})")));
}

/// Goal: without the name servers nobody says that users have moved, and the marker is written anyway.
#[tokio::test]
async fn silent_name_servers_are_no_answer() {
    let mut world = world!();
    let site = Site::start(200);
    let mut shop = shop(&mut world, &site).await;
    let traffic = shop.traffic.as_mut().unwrap();
    traffic.name_servers = vec!["127.0.0.1:9".to_owned()];
    let real = world.real(Vec::new()).await;
    let mut shifting = call(&world, &shop, "shift-traffic", json!({ "to": "standby" }));
    assert!(matches!(look(&world, &real, &mut shifting).await, Progress::NotStarted { .. }));
    real.begin(&shifting).await.unwrap();
    let why = real.observe(&shifting).await.unwrap_err();
    assert!(matches!(&why, CallError::NoAnswer { service, .. } if service == "dns"), "{why}");
}

/// Goal: weights are for applications that may be written in both regions, and for nobody else.
#[tokio::test]
async fn weights_move_only_what_may_be_written_twice() {
    let mut world = world!();
    let site = Site::start(200);
    let mut shop = shop(&mut world, &site).await;
    let real = world.real(Vec::new()).await;
    let with = json!({ "at": "standby", "percent": 100 });
    let why = real.observe(&call(&world, &shop, "weigh-traffic", with.clone())).await.unwrap_err();
    assert!(why.to_string().contains("writable_in_both"), "{why}");
    let traffic = shop.traffic.as_mut().unwrap();
    (traffic.writable_in_both, traffic.name) = (true, "both.example.com".to_owned());
    let mut weighing = call(&world, &shop, "weigh-traffic", with);
    let weighed = carry_out(&mut world, &real, &mut weighing, 5).await;
    assert_eq!(weighed.begins, 1);
    assert_eq!(weighing.aim.unwrap().before, json!({ EAST: 100, WEST: 0 }));
    let mut shop = shop.clone();
    shop.traffic.as_mut().unwrap().zone = "Z0".to_owned();
    let with = json!({ "at": "standby", "percent": 50 });
    let why = real.observe(&call(&world, &shop, "weigh-traffic", with)).await.unwrap_err();
    assert!(matches!(why, CallError::Refused { .. }), "{why}");
}

/// Goal: a side is active when it writes, is what users are told, and serves.
#[tokio::test]
async fn a_side_is_active_when_everything_says_so() {
    let mut world = world!();
    world.global_pair().await;
    let site = Site::start(503);
    let shop = shop(&mut world, &site).await;
    let real = world.real(Vec::new()).await;
    let mut away = call(&world, &shop, "check-active", json!({ "at": "standby" }));
    let seen = look(&world, &real, &mut away).await.to_string();
    assert!(seen.contains("writes, not us-west-2"), "{seen}");
    let mut home = call(&world, &shop, "check-active", json!({ "at": "active" }));
    let seen = look(&world, &real, &mut home).await.to_string();
    assert!(seen.contains("the probe of us-east-1 answers 503"), "{seen}");
    site.set(204);
    let Progress::Done(done) = look(&world, &real, &mut home).await else { panic!() };
    assert_eq!(done.outputs["writer"], json!(EAST));
    assert_eq!(done.outputs["answers"], json!(format!("{EAST} ({HOME})")));
}
