//! What stands on every stage: the application `shop`, and what its daemon needs to reach AWS.

use serde_json::{Value, json};

use super::{AWAY, HOME, MARKERS};
use crate::emulator::{EAST, Emulator, WEST, aws::cluster_arn, calls, site::Site};

/// Two clusters, a key for copies in each region, a zone with its marker, probes and observers.
pub(super) async fn shop(
    world: &mut Emulator,
    sides: &Site,
    observers: &Site,
    control: &Site,
) -> Value {
    world.global_pair().await;
    let keys = json!({ EAST: world.key(EAST).await, WEST: world.key(WEST).await });
    world.bucket(WEST, MARKERS).await;
    let zone = world.zone(HOME, AWAY).await;
    world.serve_names(MARKERS);
    // Whoever is the standby later has samples too.
    world.lag(WEST, "orders-west", json!(1_500)).await;
    world.lag(EAST, "orders-east", json!(1_500)).await;
    let observer = |name: &str| {
        json!({
            "name": name, "domain": name, "control": control.url(),
            "sees": { EAST: observers.url(), WEST: observers.url() },
        })
    };
    let shop = calls::application(json!({
        "databases": [{
            "name": "orders",
            "global_cluster": "orders",
            "clusters": {
                EAST: cluster_arn(EAST, "orders-east"),
                WEST: cluster_arn(WEST, "orders-west"),
            },
            "copy_keys": keys,
            "retention": { "keep_for": "24h" },
            "restore_test": calls::restore_test(),
        }],
        "traffic": {
            "name": "app.example.com",
            "zone": zone,
            "primary": EAST,
            "marker": { "region": WEST, "bucket": MARKERS, "key": "moved" },
            "answers": { EAST: [HOME], WEST: [AWAY] },
            "name_servers": world.name_servers(),
        },
        "probes": { EAST: sides.url(), WEST: sides.url() },
        "observers": [observer("one"), observer("two"), observer("three")],
    }));
    serde_json::to_value(shop).expect("an application")
}

/// What the daemon needs to reach the emulated AWS by way of the faults, and nothing else.
pub(super) fn environment(world: &Emulator, pager: &Site) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", world.endpoint()),
        ("AWS_ACCESS_KEY_ID", "muster".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "none".to_owned()),
        ("AWS_REGION", WEST.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("MUSTER_TEST_PAGER", pager.url()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
