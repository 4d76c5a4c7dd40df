//! Jobs: created once under a name of ours, and watched until they have ended.

use std::fmt::Write as _;

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Pod, PodStatus},
};
use kube::api::{Api, ListParams, LogParams, PostParams};
use muster_runbooks::application::job::{ANNOTATION, CONTAINER};
use muster_state::call::CallError;
use serde_json::Value;

use super::{Cluster, unfit};
use crate::world::masked::masked_line;

/// The most lines of a log that are written down.
const LINES_MAX: i64 = 20;

/// The most bytes of a log that are read.
const LOG_BYTES_MAX: i64 = 16 * 1024;

/// The most pods that are listed of one job.
const PODS_MAX: u32 = 50;

/// How a job stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stand {
    /// There is none of this name.
    Absent,
    /// There is one, and we did not create it.
    Strange,
    /// It runs, or waits for a place to run.
    Open {
        /// What can be seen.
        note: String,
    },
    /// It has done its work.
    Succeeded(Ended),
    /// It has given up.
    Failed(Ended),
}

/// A job that has ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ended {
    /// How many of its pods succeeded.
    pub pods: u32,
    /// The pod that came last; empty where none is left.
    pub pod: String,
    /// Why it failed; empty where it did not.
    pub why: String,
    /// The last lines that it wrote.
    pub log: Option<String>,
}

impl Cluster<'_> {
    /// How the job of a name stands, which the same text in an annotation marks as ours.
    ///
    /// # Errors
    ///
    /// Without an answer, when it may not be read, or when the cluster is not the declared one.
    pub async fn job(&self, name: &str) -> Result<Stand, CallError> {
        self.is_the_one(true).await?;
        let found = self.jobs().get_opt(name).await;
        let found = found.map_err(|why| self.trouble("GET jobs", why))?;
        let Some(job) = found else { return Ok(Stand::Absent) };
        let mark = job.metadata.annotations.as_ref().and_then(|all| all.get(ANNOTATION));
        if mark.map(String::as_str) != Some(name) {
            return Ok(Stand::Strange);
        }
        let pods = self.pods_of_job(name).await?;
        let Some((is_well, why)) = end(&job) else {
            return Ok(Stand::Open { note: note(&job, pods.first()) });
        };
        let status = job.status.unwrap_or_default();
        let last = pods.first().and_then(|pod| pod.metadata.name.clone());
        let log = match &last {
            Some(pod) => self.last_lines(pod).await,
            None => None,
        };
        let pods = u32::try_from(status.succeeded.unwrap_or_default()).unwrap_or_default();
        let ended = Ended { pods, pod: last.unwrap_or_default(), why, log };
        Ok(if is_well { Stand::Succeeded(ended) } else { Stand::Failed(ended) })
    }

    /// Creates a job. One of its name that is there is left as it is: whoever looks says whose it is.
    ///
    /// # Errors
    ///
    /// Without an answer, when it is refused, or when the cluster is not the declared one.
    pub async fn create_job(&self, manifest: Value) -> Result<(), CallError> {
        const OPERATION: &str = "CREATE jobs";
        self.is_the_one(true).await?;
        let job: Job = serde_json::from_value(manifest)
            .map_err(|why| unfit(&self.service, format!("this is no job: {why}")))?;
        match self.jobs().create(&PostParams::default(), &job).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(()),
            Err(why) => Err(self.trouble(OPERATION, why)),
        }
    }

    fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), &self.workload.namespace)
    }

    /// The pods of a job, the youngest first.
    async fn pods_of_job(&self, job: &str) -> Result<Vec<Pod>, CallError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.workload.namespace);
        let which = ListParams::default().labels(&format!("job-name={job}")).limit(PODS_MAX);
        let listed = pods.list(&which).await.map_err(|why| self.trouble("LIST pods", why))?;
        let mut items = listed.items;
        items.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|at| at.0));
        items.reverse();
        Ok(items)
    }

    /// What a pod wrote last, without what looks like a secret. That a log cannot be read says nothing
    /// about the job.
    async fn last_lines(&self, pod: &str) -> Option<String> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.workload.namespace);
        let which = LogParams {
            container: Some(CONTAINER.to_owned()),
            tail_lines: Some(LINES_MAX),
            limit_bytes: Some(LOG_BYTES_MAX),
            ..LogParams::default()
        };
        match pods.logs(pod, &which).await {
            Ok(log) => told(pod, &log),
            Err(why) => Some(format!(
                "the log of `{pod}` could not be read: {}",
                masked_line(&why.to_string())
            )),
        }
    }
}

/// The last lines of a log as one text.
fn told(pod: &str, log: &str) -> Option<String> {
    let lines: Vec<String> = log.lines().map(masked_line).filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(usize::try_from(LINES_MAX).unwrap_or_default());
    let last = &lines[from..];
    (!last.is_empty()).then(|| format!("`{pod}` wrote: {}", last.join(" / ")))
}

/// Whether a job has ended, how, and what its controller says.
fn end(job: &Job) -> Option<(bool, String)> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let is = |kind: &str| conditions.iter().find(|one| one.type_ == kind && one.status == "True");
    if is("Complete").is_some() {
        return Some((true, String::new()));
    }
    let failed = is("Failed")?;
    let reason = failed.reason.as_deref().unwrap_or("it failed");
    let message = failed.message.as_deref().unwrap_or("nobody says why");
    Some((false, format!("{reason}: {message}")))
}

/// What can be seen of a job that is open.
fn note(job: &Job, youngest: Option<&Pod>) -> String {
    let status = job.status.as_ref();
    let count = |number: Option<i32>| number.unwrap_or_default();
    let active = count(status.and_then(|status| status.active));
    let failed = count(status.and_then(|status| status.failed));
    let mut note = format!("{active} active, {failed} failed");
    if let Some(why) = youngest.and_then(|pod| pod.status.as_ref()).and_then(waits) {
        // Writing to a string cannot fail.
        let _ = write!(note, "; {}", masked_line(&why));
    }
    note
}

/// Why a pod does not run, as its node or the scheduler says.
fn waits(status: &PodStatus) -> Option<String> {
    let containers = status.container_statuses.iter().flatten();
    let mut waiting = containers.filter_map(|one| one.state.as_ref()?.waiting.as_ref());
    if let Some(waiting) = waiting.next() {
        let reason = waiting.reason.as_deref().unwrap_or("it waits");
        return Some(match &waiting.message {
            Some(message) => format!("{reason}: {message}"),
            None => reason.to_owned(),
        });
    }
    let mut conditions = status.conditions.iter().flatten();
    let unplaced = conditions.find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    unplaced.message.clone().or_else(|| unplaced.reason.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(conditions: Value) -> Job {
        let status = json!({ "active": 1, "failed": 2, "conditions": conditions });
        serde_json::from_value(json!({ "metadata": { "name": "a" }, "status": status })).unwrap()
    }

    /// Goal: a job has ended when its controller says so for good, and not while it only means to.
    #[test]
    fn when_a_job_has_ended() {
        let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status, "reason": "BackoffLimitExceeded", "message": "too often" });
        assert_eq!(end(&Job::default()), None);
        assert_eq!(end(&job(json!([]))), None);
        for early in ["FailureTarget", "SuccessCriteriaMet", "Suspended"] {
            assert_eq!(end(&job(json!([condition(early, "True")]))), None);
        }
        assert_eq!(end(&job(json!([condition("Complete", "False")]))), None);
        assert_eq!(end(&job(json!([condition("Complete", "True")]))), Some((true, String::new())));
        let failed = Some((false, "BackoffLimitExceeded: too often".to_owned()));
        assert_eq!(end(&job(json!([condition("Failed", "True")]))), failed);
    }

    /// Goal: whoever watches sees why nothing happens.
    #[test]
    fn why_a_job_waits() {
        let pod = |status: Value| -> Pod {
            serde_json::from_value(json!({ "metadata": {}, "status": status })).unwrap()
        };
        let pulls = pod(
            json!({ "containerStatuses": [{ "name": "job", "image": "i", "imageID": "",
            "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } } }] }),
        );
        let open = job(json!([]));
        assert_eq!(
            note(&open, Some(&pulls)),
            "1 active, 2 failed; ImagePullBackOff: no such image"
        );
        let unplaced = pod(
            json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/3 nodes" }] }),
        );
        assert_eq!(note(&open, Some(&unplaced)), "1 active, 2 failed; 0/3 nodes");
        assert_eq!(note(&open, None), "1 active, 2 failed");
    }

    /// Goal: of a log only the end is written down, in one line, and nothing that looks like a secret.
    #[test]
    fn the_end_of_a_log() {
        let log: String = (1..=30).map(|number| format!("line {number}\n\n")).collect();
        let said = told("a-1", &format!("{log}password=s3cret\u{1b}[0m\n")).unwrap();
        assert!(said.starts_with("`a-1` wrote: line 12 / line 13 / "), "{said}");
        assert!(said.ends_with(" / line 30 / password=… [0m"), "{said}");
        assert_eq!(told("a-1", "\n \n"), None);
    }
}
