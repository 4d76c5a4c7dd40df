//! `replace-lost-pods`: what stands on a node that is lost starts anew on others.
//!
//! A pod of a replica set may be deleted while nobody knows what became of it: its set counts it no more, and
//! starts another at once. A pod of a stateful set may not: two could write to one volume.

mod standing;

use std::collections::BTreeSet;

use muster_runbooks::{action::node::ReplaceLostPods, value::Span};
use muster_state::{
    call::{Answer, Call, CallError, Done, Progress},
    step::Aim,
};
use serde_json::{Map, json};

use super::{
    kube::node::{Owner, Pod, Standing},
    real::{Real, Verbs, on, verbs, workload},
    workload::behind_because,
};

/// The most pods that one attempt aims at. The next one takes the next.
const TARGETS_MAX: usize = 1_000;

/// The most pods that one begin deletes, one after the other. The next one goes on.
const DELETED_MAX: usize = 100;

/// How many of several things a text names.
const NAMED_MAX: usize = 10;

/// Lets the pods on lost nodes start anew elsewhere.
pub(super) fn replace<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a ReplaceLostPods,
) -> Verbs<'a> {
    verbs(call, observe(real, call, action), begin(real, call, action))
}

/// How far others have taken the place of the pods on lost nodes.
async fn observe(
    real: &Real,
    call: &Call,
    action: &ReplaceLostPods,
) -> Result<Progress, CallError> {
    let cluster = real.kube.cluster(workload(call)?, on(call)?.region(action.at)).await?;
    Ok(stands(call, action, &cluster.standing().await?))
}

/// Deletes those of the aimed pods that still stand there. One that cannot be deleted does not keep the others.
async fn begin(real: &Real, call: &Call, action: &ReplaceLostPods) -> Result<Answer, CallError> {
    let cluster = real.kube.cluster(workload(call)?, on(call)?.region(action.at)).await?;
    let standing = cluster.standing().await?;
    let due = match due(call, action, &standing) {
        Ok(due) => due,
        Err(reason) => return Ok(Answer::Busy { reason }),
    };
    let mut trouble = None;
    for pod in due {
        if real.clock.now() >= call.not_after {
            return Ok(Answer::Busy { reason: "the time limit came before all".to_owned() });
        }
        if let Err(why) = cluster.delete_pod(&pod.name, &pod.uid).await {
            trouble.get_or_insert(why);
        }
    }
    trouble.map_or(Ok(Answer::Accepted), Err)
}

/// The aimed pods that must be deleted now; or why none may be.
pub(super) fn due<'a>(
    call: &Call,
    action: &ReplaceLostPods,
    it: &'a Standing,
) -> Result<Vec<&'a Pod>, String> {
    let Some(aim) = &call.aim else { return Ok(Vec::new()) };
    let (aimed, _) = parted(it.replaceable(action), aim);
    match it.is_no_loss_of_a_node() {
        Some(reason) if !aimed.is_empty() => Err(reason),
        Some(_) | None => Ok(aimed.into_iter().take(DELETED_MAX).collect()),
    }
}

/// What is seen of a replacement.
pub(super) fn stands(call: &Call, action: &ReplaceLostPods, it: &Standing) -> Progress {
    let lost = it.replaceable(action);
    if let (false, Some(reason)) = (lost.is_empty(), it.is_no_loss_of_a_node()) {
        return Progress::Refused { reason };
    }
    let Some(aim) = &call.aim else {
        // Whoever comes early waits: a node that is back by then has lost nothing.
        if let (true, Some(note)) = (lost.is_empty(), it.nearly_lost(action)) {
            return Progress::in_progress(note);
        }
        let targets = lost.into_iter().take(TARGETS_MAX).map(named).collect();
        return Progress::NotStarted { before: it.before(action), targets };
    };
    let (aimed, more) = parted(lost, aim);
    if !aimed.is_empty() {
        let targets = aimed.into_iter().map(named).collect();
        return Progress::NotStarted { before: it.before(action), targets };
    }
    if !more.is_empty() {
        let more: Vec<String> = more.into_iter().map(Pod::placed).collect();
        let reason =
            format!("more pods stand on lost nodes than this attempt aimed at: {}", few(&more));
        return Progress::Failed { reason };
    }
    let kept = it.kept(action);
    let behind = it.behind(action, &kept);
    if !behind.is_empty() {
        let within = action.capacity_within();
        return behind_because(call, within, &it.strengths, &behind.join("; "));
    }
    if !kept.is_empty() {
        return Progress::Refused { reason: by_hand(call, it, &kept) };
    }
    Progress::Done(done(call, action, it, aim))
}

/// The key of the lost nodes in what stood before.
const NODES: &str = "nodes";

impl Pod {
    fn placed(&self) -> String {
        format!("`{}` on `{}`", self.name, self.node.as_deref().unwrap_or_default())
    }
}

/// A pod as it is aimed at: its name alone could be another one's by then.
fn named(pod: &Pod) -> String {
    format!("{} {}", pod.name, pod.uid)
}

/// The pods that an attempt aimed at, and the others.
fn parted<'a>(pods: Vec<&'a Pod>, aim: &Aim) -> (Vec<&'a Pod>, Vec<&'a Pod>) {
    let targets: BTreeSet<&str> = aim.targets.iter().map(String::as_str).collect();
    pods.into_iter().partition(|pod| targets.contains(named(pod).as_str()))
}

fn done(call: &Call, action: &ReplaceLostPods, it: &Standing, aim: &Aim) -> Done {
    let there: BTreeSet<String> =
        it.pods.iter().filter(|pod| !pod.is_terminating).map(named).collect();
    let (stay, gone): (Vec<&String>, Vec<&String>) =
        aim.targets.iter().partition(|target| there.contains(*target));
    let nodes: Vec<&String> =
        aim.before[NODES].as_object().into_iter().flat_map(Map::keys).collect();
    let mut done = Done::with([
        ("replaced", json!(gone.len())),
        ("nodes", json!(nodes)),
        ("took", json!(Span::between(aim.at, call.asked_at))),
    ]);
    if nodes.is_empty() {
        done.notes.push(
            "no node under these pods was lost. A cluster calls a node not ready 40 to 50 s after it last heard of \
             it: if one is dead and was not called so yet, run this again"
                .to_owned(),
        );
    }
    if !stay.is_empty() {
        let names: Vec<String> = stay.into_iter().map(|target| bare(target)).collect();
        done.notes.push(format!("not replaced, for their node is back: {}", few(&names)));
    }
    let jobs: Vec<String> =
        it.lost(action).filter(|pod| pod.owner == Owner::Job).map(Pod::placed).collect();
    if !jobs.is_empty() {
        let said = "left alone, for their jobs' own rules say when they start again";
        done.notes.push(format!("{said}: {}", few(&jobs)));
    }
    done
}

/// The name of a pod that was aimed at.
fn bare(target: &str) -> String {
    format!("`{}`", target.split_once(' ').map_or(target, |(name, _)| name))
}

/// What is left to a person, and why.
fn by_hand(call: &Call, it: &Standing, kept: &[&Pod]) -> String {
    let owned = |pod: &&Pod| match &pod.owner {
        Owner::Named { kind, name } => format!("{} ({kind} {name})", pod.placed()),
        Owner::Replicas | Owner::EachNode | Owner::Job | Owner::Nobody => {
            format!("{} (nobody starts another)", pod.placed())
        }
    };
    let names: Vec<String> = kept.iter().map(owned).collect();
    let nodes: BTreeSet<&str> = kept
        .iter()
        .filter_map(|pod| pod.node.as_deref())
        .filter(|node| it.nodes.contains_key(*node))
        .collect();
    if nodes.is_empty() {
        return format!(
            "all else was replaced, and nobody starts another of what is gone with its node: {}; start it by hand, \
             and retry the step",
            few(&names)
        );
    }
    let nodes = nodes.into_iter().collect::<Vec<_>>().join(" ");
    let namespace = workload(call).map_or("", |workload| workload.namespace.as_str());
    format!(
        "all else was replaced, and left alone on lost nodes: {}. As long as nobody has proven the node off, two of \
         one name could write to one volume. See that its instance is stopped or terminated; then `kubectl taint \
         nodes {nodes} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`, or `kubectl --namespace \
         {namespace} delete pod NAME --force`; start by hand what nobody starts, and retry the step",
        few(&names)
    )
}

/// The first of several.
fn few(all: &[String]) -> String {
    let mut text = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED_MAX {
        text = format!("{text} and {} more", all.len() - NAMED_MAX);
    }
    text
}

#[cfg(test)]
mod tests;
