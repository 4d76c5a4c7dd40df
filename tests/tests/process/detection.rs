//! A region is lost, and those who watch say so: real observers, each signing what it sees.

use muster_tests::{
    emulator::{EAST, WEST},
    stage::Stage,
    watcher::Watcher,
};
use serde_json::{Value, json};

/// Three real observers of failure domains of their own on the stage of a test.
async fn watched() -> Option<(Stage, Vec<Watcher>)> {
    let mut watchers = Vec::new();
    let stage = Stage::watched(&mut watchers).await?;
    Some((stage, watchers))
}

async fn detection(stage: &Stage) -> Value {
    let (status, view) =
        stage.daemon.get("/v1/applications/shop/detection").await.expect("an answer");
    assert_eq!(status, 200, "{view}");
    view
}

async fn until_it_stands(stage: &mut Stage, standing: &str) {
    stage.until(standing, async |stage| detection(stage).await["standing"] == standing).await;
}

async fn proposals(stage: &Stage) -> Vec<Value> {
    let (_, open) = stage.daemon.get("/v1/proposals").await.expect("an answer");
    open.as_array().cloned().expect("a list")
}

fn vote<'a>(view: &'a Value, observer: &str) -> &'a Value {
    let votes = view["observers"].as_array().expect("votes");
    votes.iter().find(|one| one["observer"] == observer).expect("an observer")
}

/// Goal: a region that is lost is proposed to be left, and the on-call is paged with the command that starts it;
/// an impostor has no vote, downtime keeps quiet, and nothing is begun before a person starts it.
/// Method: three real `muster observe`; the site of the home fails. One observer is replaced by another one on its
/// port, with a key of its own. Downtime is declared before, and ended while the region is lost.
#[tokio::test]
async fn a_loss_is_proposed_and_paged() {
    let Some((mut stage, mut watchers)) = watched().await else { return };
    until_it_stands(&mut stage, "well").await;
    let view = detection(&stage).await;
    assert!(
        view["observers"].as_array().expect("votes").iter().all(|one| one["sees"] == "healthy")
    );

    let port = watchers.remove(0).stop();
    let (home, away, control) = (stage.observers.url(), stage.sides.url(), stage.control.url());
    let sees = json!({ EAST: home, WEST: away });
    watchers.push(Watcher::on(port, "shop", &sees, &control).await);
    let until = json!(stage.world.now() + jiff::SignedDuration::from_hours(4));
    let down = json!({ "until": until, "reason": "the network is rebuilt" });
    let path = "/v1/applications/shop/downtime";
    assert_eq!(stage.daemon.post("eve", path, down.clone()).await.expect("an answer").0, 403);
    assert_eq!(stage.daemon.post("ana", path, down).await.expect("an answer").0, 200);

    stage.observers.set(503);
    until_it_stands(&mut stage, "lost").await;
    let view = detection(&stage).await;
    let impostor = vote(&view, "one");
    assert_eq!(impostor["sees"], "unknown", "{impostor}");
    assert!(impostor["why"].as_str().expect("why").contains("signature"), "{impostor}");
    assert_eq!(view["then"], "nothing", "{view:#}");
    assert!(proposals(&stage).await.is_empty() && stage.pager.taken().is_empty());

    let up = json!({ "reason": "it is no longer rebuilt" });
    let done = stage.daemon.post("ana", "/v1/applications/shop/downtime/end", up).await;
    assert_eq!(done.expect("an answer").0, 200);
    stage.until("a page", async |stage| !stage.pager.taken().is_empty()).await;
    let open = proposals(&stage).await;
    assert_eq!(open.len(), 1, "{open:#?}");
    let id = open[0]["id"].as_str().expect("an id").to_owned();
    let page = stage.pager.taken().remove(0).body;
    assert!(page.contains(&format!("muster run --proposal {id}")), "{page}");
    assert!(page.contains("\"severity\":\"critical\""), "{page}");
    assert_eq!(stage.world.count("global-failover-begun").await, 0);
    assert!(stage.open_runs().await.iter().all(|run| run["runbook"] == "page-on-call"));

    // The person who starts it starts what was proposed: forced, and timed from the first symptom.
    let request = json!({ "proposal": id, "reason": "I have seen it too" });
    let run = stage.ask("ana", "proposed", request).await;
    let view = stage.view(&run).await;
    assert_eq!((&view["runbook"], &view["manner"]), (&json!("region-failover"), &json!("forced")));
    assert_eq!(view["recovery"]["counted_from"], "symptom", "{view:#}");
    stage
        .until("it is seen to move", async |stage| detection(stage).await["then"] == "nothing")
        .await;
    stage.say("ana", &run, "abandon").await;
    assert_eq!(stage.pager.taken().len(), 1, "one page for one proposal");
}

/// Goal: what an operator says on the host stops a daemon whose API nobody reaches, and holds over a restart.
/// Method: a letter while it runs; then one while it is down. Both times a request is refused afterwards.
#[tokio::test]
async fn a_letter_switches_it_off() {
    let Some(mut stage) = Stage::set("[]").await else { return };
    let leave = |stage: &Stage| {
        let done = std::process::Command::new(muster_tests::daemon::binary())
            .args(["off", "--by", "olga", "--reason", "the API is gone", "--state"])
            .arg(stage.setup.state())
            .output()
            .expect("it runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let is_off = async |stage: &mut Stage| {
        let preview = json!({ "runbook": "rehearsal", "reason": "is it off?" });
        let (status, said) =
            stage.daemon.post("ana", "/v1/requests", preview).await.expect("an answer");
        status == 409 && said["detail"].as_str().is_some_and(|why| why.contains("switched off"))
    };
    let on = json!({ "reason": "a test" });
    leave(&stage);
    stage.until("off", is_off).await;
    stage.until("taken", async |stage| !stage.setup.state().join("off.letter").exists()).await;
    assert_eq!(stage.daemon.post("adm", "/v1/on", on.clone()).await.expect("an answer").0, 200);

    stage.crash();
    leave(&stage);
    stage.revive().await;
    assert!(is_off(&mut stage).await, "it was off before it took anything in");
    assert!(!stage.setup.state().join("off.letter").exists());
    // A letter of another hand is no less of a word.
    assert_eq!(stage.daemon.post("adm", "/v1/on", on).await.expect("an answer").0, 200);
    std::fs::write(stage.setup.state().join("off.letter"), "OFF!").expect("written");
    stage.until("off again", is_off).await;
}
