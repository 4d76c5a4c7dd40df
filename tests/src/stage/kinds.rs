//! The stages that there are: what each has that the plain one has not.

use serde_json::{Value, json};

use super::Stage;
use crate::{
    emulator::{EAST, Emulator, WEST},
    watcher::Watcher,
};

impl Stage {
    /// Builds everything and starts the daemon with these schedules; `None`, and a skip, where the
    /// python of the test world is missing.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn set(schedules: &str) -> Option<Stage> {
        Stage::with(schedules, "").await
    }

    /// The same with a runbook of the user's own.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn with(schedules: &str, runbook: &str) -> Option<Stage> {
        Stage::build(schedules, runbook, "", async |_, _| {}).await
    }

    /// The same with another account that keeps copies of the database, in the west.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn with_vault(schedules: &str) -> Option<Stage> {
        let vault = async |world: &Emulator, shop: &mut Value| {
            shop["databases"][0]["vault"] = world.vault(WEST).await;
        };
        Stage::build(schedules, "", "", vault).await
    }

    /// The same without schedules, watched by three real observers, which are put into `watchers`. They look
    /// at `observers` for the home and at `sides` for the standby.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn watched(watchers: &mut Vec<Watcher>) -> Option<Stage> {
        let seen = async |_: &Emulator, shop: &mut Value| {
            let one = shop["observers"][0].clone();
            let (home, away) = (one["sees"][EAST].clone(), shop["probes"][WEST].clone());
            let control = one["control"].as_str().expect("a URL").to_owned();
            let sees = json!({ EAST: home, WEST: away });
            let mut observers = Vec::new();
            for name in ["one", "two", "three"] {
                let watcher = Watcher::start("shop", &sees, &control).await;
                observers.push(json!({
                    "name": name, "domain": name, "report": watcher.url, "key": watcher.key,
                }));
                watchers.push(watcher);
            }
            shop["observers"] = json!(observers);
        };
        Stage::build("[]", "", "", seen).await
    }

    /// The same without schedules, under a lease in a bucket of a third region.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn under_a_lease(region: &str, more: &str) -> Option<Stage> {
        let lease = format!("lease: {{ region: {region}, bucket: muster-lease, key: lease }}\n");
        let bucket = async |world: &Emulator, _: &mut Value| {
            world.bucket(region, "muster-lease").await;
        };
        Stage::build("[]", "", &format!("{lease}{more}"), bucket).await
    }

    /// The same without schedules, with a bucket in each region for the pages for doing it by hand.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn with_pages() -> Option<Stage> {
        let copies = [EAST, WEST].map(|region| {
            format!("    - {{ region: {region}, bucket: pages-{region}, prefix: by-hand }}\n")
        });
        let more = format!("by_hand:\n  copies:\n{}", copies.concat());
        let buckets = async |world: &Emulator, _: &mut Value| {
            for region in [EAST, WEST] {
                world.bucket(region, &format!("pages-{region}")).await;
            }
        };
        Stage::build("[]", "", &more, buckets).await
    }

    /// The same without schedules, with a bucket in each region that says whether the application is frozen.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn with_freezes() -> Option<Stage> {
        let copies = [EAST, WEST].map(|region| {
            format!("    - {{ region: {region}, bucket: said-{region}, prefix: freezes }}\n")
        });
        let more = format!("freeze:\n  copies:\n{}", copies.concat());
        let buckets = async |world: &Emulator, _: &mut Value| {
            for region in [EAST, WEST] {
                world.bucket(region, &format!("said-{region}")).await;
            }
        };
        Stage::build("[]", "", &more, buckets).await
    }

    /// The same without schedules, with an alarm in the west that keeps a drill from moving users, and one that
    /// stops it.
    ///
    /// # Panics
    ///
    /// When something cannot be started.
    pub async fn drilled() -> Option<Stage> {
        let alarms = async |world: &Emulator, shop: &mut Value| {
            for name in ["before", "meanwhile"] {
                world.alarm(WEST, name, "OK").await;
            }
            shop["drills"] = json!({
                "blocking_alarms": [{ "region": WEST, "name": "before" }],
                "outcome_alarms": [{ "region": WEST, "name": "meanwhile" }],
            });
        };
        Stage::build("[]", "", "", alarms).await
    }
}
