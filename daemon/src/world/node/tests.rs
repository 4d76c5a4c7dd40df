//! What is seen of nodes that are lost, without a cluster.

use std::sync::Arc;

use jiff::SignedDuration;
use muster_runbooks::{
    action::Action,
    application::{Component, Workload},
};

use super::*;
use crate::world::{
    aws::fixture::{at, call as any_call},
    kube::{
        node::Health,
        scale::{Set, Strengths},
    },
};

const NOW: &str = "2026-03-01T02:01:00Z";

fn call() -> Call {
    let workload: Workload = serde_json::from_value(json!({
        "name": "production", "namespace": "shop", "contexts": {},
        "exports": { "buckets": {}, "prefix": "objects" },
    }))
    .unwrap();
    let component = Some(Arc::new(Component::Workload(workload)));
    Call { component, ..any_call("replace-lost-pods", json!({ "at": "active" })) }
}

fn look(call: &Call, it: &Standing) -> Progress {
    let Action::ReplaceLostPods(action) = &*call.action else { panic!() };
    stands(call, action, it)
}

fn deletes(call: &Call, it: &Standing) -> Result<Vec<String>, String> {
    let Action::ReplaceLostPods(action) = &*call.action else { panic!() };
    due(call, action, it).map(|pods| pods.into_iter().map(|pod| pod.name.clone()).collect())
}

/// The same call once its aim is on the disk.
fn aimed(it: &Standing) -> Call {
    let call = call();
    let progress = look(&call, it);
    let Progress::NotStarted { before, targets } = progress else { panic!("{progress}") };
    Call { aim: Some(Arc::new(Aim { at: at(NOW), before, targets })), ..call }
}

fn targets(it: &Standing) -> Vec<String> {
    aimed(it).aim.unwrap().targets.clone()
}

fn not_ready(secs: i64) -> Health {
    Health::NotReady { since: Some(at(NOW) - SignedDuration::from_secs(secs)) }
}

fn pod(name: &str, node: &str, owner: Owner) -> Pod {
    Pod {
        name: name.to_owned(),
        uid: format!("uid-of-{name}"),
        node: Some(node.to_owned()),
        owner,
        is_terminating: false,
        is_ready: true,
    }
}

fn stateful() -> Owner {
    Owner::Named { kind: "StatefulSet".to_owned(), name: "queue".to_owned() }
}

fn set(wanted: u32, available: u32) -> Set {
    Set { wanted, available, is_observed: true, scaler: None }
}

/// Three pods of a deployment, of which one stands on a node that has not been ready for a minute.
fn one_is_lost() -> Standing {
    let nodes = [("a", not_ready(60)), ("b", Health::Ready), ("c", Health::Ready)];
    Standing {
        now: at(NOW),
        nodes: nodes.map(|(name, health)| (name.to_owned(), health)).into(),
        pods: [("web-1", "a"), ("web-2", "b"), ("web-3", "c")]
            .map(|(name, node)| pod(name, node, Owner::Replicas))
            .into(),
        strengths: Strengths {
            sets: [("deployment/web".to_owned(), set(3, 3))].into(),
            unplaced: Vec::new(),
        },
    }
}

/// The lost one was deleted, and another has come, on a node that is ready.
fn replaced() -> Standing {
    let mut it = one_is_lost();
    it.pods[0].is_terminating = true;
    it.pods.push(pod("web-4", "b", Owner::Replicas));
    it
}

/// Goal: aimed at is what a replica set starts anew at once, where it stands on a node that is gone or has not been
/// ready for long enough, and nothing else.
/// Method: a pod of each owner on a lost node, and one of a replica set on a node of each health.
#[test]
fn only_what_stands_on_a_lost_node_is_aimed_at() {
    let mut it = one_is_lost();
    for name in ["d", "e", "f", "g"] {
        it.nodes.insert(name.to_owned(), Health::Ready);
    }
    it.nodes.insert("early".to_owned(), not_ready(39));
    it.nodes.insert("late".to_owned(), not_ready(40));
    it.nodes.insert("unsaid".to_owned(), Health::NotReady { since: None });
    for node in ["early", "late", "unsaid", "gone"] {
        it.pods.push(pod(&format!("on-{node}"), node, Owner::Replicas));
    }
    it.pods.push(Pod { is_terminating: true, ..pod("going", "a", Owner::Replicas) });
    it.pods.push(Pod { node: None, ..pod("unplaced", "", Owner::Replicas) });
    for (name, owner) in [
        ("queue-0", stateful()),
        ("agent", Owner::EachNode),
        ("nightly", Owner::Job),
        ("by-hand", Owner::Nobody),
    ] {
        it.pods.push(pod(name, "a", owner));
    }
    let names = ["web-1", "on-late", "on-gone"].map(|name| format!("{name} uid-of-{name}"));
    assert_eq!(targets(&it), names);
    let before = &aimed(&it).aim.unwrap().before;
    assert_eq!(
        before["nodes"],
        json!({
            "a": "not ready since 2026-03-01T02:00:00Z", "gone": "gone",
            "late": "not ready since 2026-03-01T02:00:20Z",
        })
    );
}

/// Goal: nothing is aimed at without a lost node, and done is never said before an aim; whoever comes while a node
/// may still come back waits for that.
#[test]
fn nothing_is_replaced_without_a_lost_node() {
    let mut it = one_is_lost();
    it.nodes.insert("a".to_owned(), Health::Ready);
    assert_eq!(targets(&it), [""; 0]);
    let Progress::Done(done) = look(&aimed(&it), &it) else { panic!() };
    assert_eq!([&done.outputs["replaced"], &done.outputs["nodes"]], [&json!(0), &json!([])]);
    assert!(done.notes[0].starts_with("no node under these pods was lost"), "{:?}", done.notes);

    it.nodes.insert("a".to_owned(), not_ready(12));
    let waits = look(&call(), &it);
    assert_eq!(waits, Progress::in_progress("`a` is not ready for 12s; it is lost after 40s"));
}

/// Goal: pods are left where they are when what is seen is a control plane that hears nobody: they may serve, and
/// would end as soon as it does.
/// Method: so many nodes that are ready, so many that are not, a pod on one of these.
#[test]
fn a_deaf_control_plane_is_no_lost_node() {
    for (ready, unready, may) in [
        (0, 1, false),
        (1, 1, true),
        (1, 2, true),
        (2, 3, false),
        (3, 3, true),
        (9, 10, true),
        (9, 11, false),
    ] {
        let mut it = one_is_lost();
        let well = (0..ready).map(|number| (format!("well-{number}"), Health::Ready));
        let lost = (0..unready).map(|number| (format!("lost-{number}"), not_ready(60)));
        it.nodes = well.chain(lost).collect();
        it.pods = vec![pod("web-1", "lost-0", Owner::Replicas)];
        let progress = look(&call(), &it);
        let is_refused = matches!(progress, Progress::Refused { .. });
        assert_eq!(is_refused, !may, "{unready} of {}: {progress}", ready + unready);
        let call = Call { aim: aimed(&one_is_lost()).aim, ..call() };
        assert_eq!(deletes(&call, &it).is_ok(), may, "between the look and the begin");
    }
}

/// Goal: only aimed pods are deleted, by name and UID, as long as they stand on a lost node.
#[test]
fn only_aimed_pods_are_deleted() {
    let it = one_is_lost();
    let call = aimed(&it);
    assert_eq!(deletes(&call, &it), Ok(vec!["web-1".to_owned()]));
    assert_eq!(deletes(&self::call(), &it), Ok(Vec::new()), "not before the aim");
    let mut other = it.clone();
    other.pods[0].uid = "another".to_owned();
    assert_eq!(deletes(&call, &other), Ok(Vec::new()), "another one of its name");
    let mut back = it.clone();
    back.nodes.insert("a".to_owned(), Health::Ready);
    assert_eq!(deletes(&call, &back), Ok(Vec::new()), "its node is back");
    assert_eq!(deletes(&call, &replaced()), Ok(Vec::new()), "it is going already");
}

/// Goal: it is done when no aimed pod counts any more and every wanted replica is really there, and not while the
/// set has not noticed yet; no room is called capacity, within its limit.
#[test]
fn done_means_that_all_are_there() {
    let it = one_is_lost();
    let mut call = aimed(&it);
    let progress = look(&call, &it);
    assert!(matches!(progress, Progress::NotStarted { .. }), "it is asked again: {progress}");

    let mut unnoticed = replaced();
    unnoticed.pods.pop();
    let progress = look(&call, &unnoticed);
    assert_eq!(progress, Progress::in_progress("2 of 3 pods are ready"));

    let mut behind = unnoticed.clone();
    behind.strengths.sets.insert("deployment/web".to_owned(), set(3, 2));
    let progress = look(&call, &behind);
    assert_eq!(progress, Progress::in_progress("deployment/web: 2 of 3 available"));
    behind.strengths.unplaced.push((at(NOW), "Insufficient cpu".to_owned()));
    let progress = look(&call, &behind);
    let Progress::InProgress { note, .. } = progress else { panic!("{progress}") };
    assert!(note.starts_with("capacity: 1 pods find no room: Insufficient cpu"), "{note}");
    call.asked_at += SignedDuration::from_secs(120);
    assert!(matches!(look(&call, &behind), Progress::Failed { .. }));

    let Progress::Done(done) = look(&call, &replaced()) else { panic!() };
    assert_eq!(
        json!(done.outputs),
        json!({ "replaced": 1, "nodes": ["a"], "took": "2m" }),
        "{done:?}"
    );
    assert_eq!(done.notes, [""; 0]);
}

/// Goal: what is lost after the aim is the next attempt's, and a node that comes back is no failure.
#[test]
fn what_changes_after_the_aim() {
    let call = aimed(&one_is_lost());
    let mut more = replaced();
    more.nodes.insert("b".to_owned(), not_ready(50));
    let Progress::Failed { reason } = look(&call, &more) else { panic!() };
    assert!(reason.ends_with("`web-2` on `b`, `web-4` on `b`"), "{reason}");

    let mut back = one_is_lost();
    back.nodes.insert("a".to_owned(), Health::Ready);
    let Progress::Done(done) = look(&call, &back) else { panic!() };
    assert_eq!(done.outputs["replaced"], json!(0));
    assert_eq!(done.notes, ["not replaced, for their node is back: `web-1`"]);
}

/// Goal: pods of a stateful set on a lost node are a person's, who is told which, why and what to do, once all else
/// is there; their set is not waited for. Where the node is gone the cluster starts them anew, and that is waited for.
#[test]
fn what_may_write_to_a_volume_is_left_to_a_person() {
    let with_queue = |mut it: Standing| {
        it.pods.push(pod("queue-0", "a", stateful()));
        it.strengths.sets.insert("statefulset/queue".to_owned(), set(1, 0));
        it
    };
    let call = aimed(&with_queue(one_is_lost()));
    let mut behind = with_queue(replaced());
    behind.strengths.sets.insert("deployment/web".to_owned(), set(3, 2));
    assert!(matches!(look(&call, &behind), Progress::InProgress { .. }), "all else comes first");

    let Progress::Refused { reason } = look(&call, &with_queue(replaced())) else { panic!() };
    for part in [
        "`queue-0` on `a` (StatefulSet queue)",
        "two of one name could write to one volume",
        "kubectl taint nodes a node.kubernetes.io/out-of-service=nodeshutdown:NoExecute",
        "kubectl --namespace shop delete pod NAME --force",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }

    let mut gone = with_queue(replaced());
    gone.nodes.remove("a");
    let progress = look(&call, &gone);
    assert_eq!(progress, Progress::in_progress("statefulset/queue: 0 of 1 available"));
    gone.strengths.sets.insert("statefulset/queue".to_owned(), set(1, 1));
    let progress = look(&call, &gone);
    assert_eq!(progress, Progress::in_progress("3 of 4 pods are ready"), "its set has not noticed");
    gone.pods.pop();
    gone.pods.push(pod("queue-0", "b", stateful()));
    gone.pods.push(pod("by-hand", "a", Owner::Nobody));
    let Progress::Refused { reason } = look(&call, &gone) else { panic!() };
    assert!(
        reason.contains("`by-hand` on `a` (nobody starts another); start it by hand"),
        "{reason}"
    );
}

/// Goal: a job's pods are left to its own rules, and that is said.
#[test]
fn jobs_have_rules_of_their_own() {
    let mut it = replaced();
    it.pods.push(pod("nightly", "a", Owner::Job));
    let Progress::Done(Done { notes, .. }) = look(&aimed(&one_is_lost()), &it) else { panic!() };
    assert!(notes[0].ends_with("when they start again: `nightly` on `a`"), "{notes:?}");
}

/// Goal: a text names a few and counts the others.
#[test]
fn many_are_counted() {
    let names: Vec<String> = (1..=12).map(|number: u32| number.to_string()).collect();
    assert!(few(&names).ends_with("10 and 2 more"), "{}", few(&names));
}
