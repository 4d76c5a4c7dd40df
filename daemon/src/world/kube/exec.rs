//! A command in a container of the application.
//!
//! The API server hands the connection on to the node: output comes in channels, and at the end one
//! status says how the command ended. A command outlives the connection: one that is not waited for any
//! longer may still be at work.

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};
use kube::api::{Api, AttachParams, ListParams};
use muster_runbooks::application::hook::ExecHook;
use muster_state::call::CallError;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Cluster, Kube, Use, unusable};

/// The most pods that are looked at for one that is ready.
const PODS_MAX: u32 = 500;

/// How much of the end of an output is kept, in bytes. The rest is read and dropped, or the command
/// would wait for a reader.
const TAIL_BYTES: usize = 4_096;

impl Cluster<'_> {
    /// Runs a command in the oldest pod that is ready, and waits for its end. The inner error is what
    /// became of a command, or why there was none, in words.
    ///
    /// # Errors
    ///
    /// When the cluster is not the declared one, refused, or did not answer.
    pub async fn exec(
        &self,
        kube: &Kube,
        hook: &ExecHook,
        token: &str,
    ) -> Result<Result<(), String>, CallError> {
        const OPERATION: &str = "CONNECT pods/exec";
        self.is_the_one(true).await?;
        let Some(pod) = self.oldest_ready(&hook.selector).await? else {
            let namespace = &self.workload.namespace;
            let selector = &hook.selector;
            return Ok(Err(format!("no pod `{selector}` in {namespace} is running and ready")));
        };
        let client = kube.client(self.context, Use::Stream).await;
        let client = client.map_err(|why| unusable(&self.service, self.context, &why))?;
        let pods: Api<Pod> = Api::namespaced(client, &self.workload.namespace);
        let mut how = AttachParams::default().stdin(false).stdout(true).stderr(true);
        how.container.clone_from(&hook.container);
        let started = pods.exec(&pod, hook.command_for(token), &how).await;
        let mut process = started.map_err(|why| self.trouble(OPERATION, why))?;
        let status = process.take_status();
        let status = async {
            match status {
                Some(status) => status.await,
                None => None,
            }
        };
        let (out, err, status) =
            futures::join!(tail(process.stdout()), tail(process.stderr()), status);
        Ok(match status {
            Some(status) => ended(&pod, &status, &out, &err),
            None => Err(format!("the connection to `{pod}` ended before the command did")),
        })
    }

    /// The pod that has been there for longest, among those that are running, ready and not going.
    async fn oldest_ready(&self, selector: &str) -> Result<Option<String>, CallError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.workload.namespace);
        let which = ListParams::default().labels(selector).limit(PODS_MAX);
        let listed = pods.list(&which).await.map_err(|why| self.trouble("LIST pods", why))?;
        let ready = listed.items.into_iter().filter(is_ready);
        let by_age = |pod: Pod| Some((pod.metadata.creation_timestamp?.0, pod.metadata.name?));
        Ok(ready.filter_map(by_age).min().map(|(_, name)| name))
    }
}

fn is_ready(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let is_true = |kind: &str| {
        let mut conditions = status.conditions.iter().flatten();
        conditions.any(|condition| condition.type_ == kind && condition.status == "True")
    };
    pod.metadata.deletion_timestamp.is_none()
        && status.phase.as_deref() == Some("Running")
        && is_true("Ready")
}

/// Reads an output to its end and keeps the last of it.
async fn tail(output: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut output) = output else { return kept };
    let mut chunk = [0; 1_024];
    loop {
        // An output that breaks off ends; the status says how the command did.
        let Ok(read @ 1..) = output.read(&mut chunk).await else { return kept };
        kept.extend_from_slice(&chunk[..read]);
        let over = kept.len().saturating_sub(TAIL_BYTES);
        kept.drain(..over);
    }
}

/// How a command ended, with the last line that it wrote if it ended badly.
fn ended(pod: &str, status: &Status, out: &[u8], err: &[u8]) -> Result<(), String> {
    if status.status.as_deref() == Some("Success") {
        return Ok(());
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let mut codes = causes.filter(|cause| cause.reason.as_deref() == Some("ExitCode"));
    let code = codes.next().and_then(|cause| cause.message.as_deref());
    let how = match (code, &status.message) {
        (Some(code), _) => format!("exit code {code} in `{pod}`"),
        (None, Some(message)) => format!("it did not run in `{pod}`: {message}"),
        (None, None) => format!("it did not run in `{pod}`, and nobody says why"),
    };
    let last = [err, out].into_iter().find_map(last_line);
    Err(last.map_or(how.clone(), |last| format!("{how}: {last}")))
}

fn last_line(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Goal: only a status that says so is a success, and a failure says what there is to know.
    #[test]
    fn how_a_command_ended() {
        let say = |status: serde_json::Value, out: &str, err: &str| {
            let status: Status = serde_json::from_value(status).unwrap();
            ended("api-0", &status, out.as_bytes(), err.as_bytes()).err()
        };
        assert_eq!(say(json!({ "status": "Success" }), "", "noise"), None);
        let three = json!({ "status": "Failure", "reason": "NonZeroExitCode", "message": "m",
            "details": { "causes": [{ "reason": "ExitCode", "message": "3" }] } });
        let said = say(three.clone(), "out", "first\nlast\n\n");
        assert_eq!(said.as_deref(), Some("exit code 3 in `api-0`: last"));
        assert_eq!(
            say(three.clone(), "out\n", " \n").as_deref(),
            Some("exit code 3 in `api-0`: out")
        );
        assert_eq!(say(three, "", "").as_deref(), Some("exit code 3 in `api-0`"));
        let none = json!({ "status": "Failure", "message": "no such file" });
        let said = say(none, "", "");
        assert_eq!(said.as_deref(), Some("it did not run in `api-0`: no such file"));
        let silent = say(json!({}), "", "");
        assert_eq!(silent.as_deref(), Some("it did not run in `api-0`, and nobody says why"));
    }

    /// Goal: a pod that starts, ends, goes or is not ready is not asked.
    #[test]
    fn which_pods_are_ready() {
        let pod = |phase: &str, ready: &str, going: bool| {
            let deletion = going.then_some("2026-03-01T02:00:00Z");
            let pod = json!({ "metadata": { "name": "a", "deletionTimestamp": deletion },
                "status": { "phase": phase, "conditions": [{ "type": "Ready", "status": ready }] } });
            is_ready(&serde_json::from_value(pod).unwrap())
        };
        assert!(pod("Running", "True", false));
        assert!(!pod("Running", "False", false) && !pod("Running", "Unknown", false));
        assert!(!pod("Pending", "True", false) && !pod("Succeeded", "True", false));
        assert!(!pod("Running", "True", true));
        assert!(!is_ready(&Pod::default()));
    }
}
