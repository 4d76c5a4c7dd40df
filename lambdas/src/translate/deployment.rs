//! A pipeline started to deploy: what it may have to go back to is kept first.

use std::collections::BTreeMap;

use muster_runbooks::message::{Kind, Message, Source};
use serde_json::{Value, json};

use super::{Event, NotOurs, at, cut, expiry, is_graphic, text};
use crate::settings::{Deployer, DeploymentRule, Rules};

/// `CodePipeline Pipeline Execution State Change`.
pub(super) fn pipeline(event: &Event, source: Source, rules: &Rules) -> Result<Message, NotOurs> {
    let detail = &event.detail;
    let name = text(detail["pipeline"].as_str(), "detail.pipeline")?;
    begun(&detail["state"], "STARTED")?;
    let execution = execution(&detail["execution-id"], "detail.execution-id")?;
    let is_it = |by: &Deployer| match by {
        Deployer::Pipeline(pipeline) => pipeline == name,
        Deployer::CodeDeploy { .. } => false,
    };
    request(event, source, rules, is_it, name, execution)
}

/// `CodeDeploy Deployment State-change Notification`.
pub(super) fn deployment(event: &Event, source: Source, rules: &Rules) -> Result<Message, NotOurs> {
    let detail = &event.detail;
    let name = text(detail["application"].as_str(), "detail.application")?;
    let in_group = text(detail["deploymentGroup"].as_str(), "detail.deploymentGroup")?;
    begun(&detail["state"], "START")?;
    let execution = execution(&detail["deploymentId"], "detail.deploymentId")?;
    let is_it = |by: &Deployer| match by {
        Deployer::CodeDeploy { application, group } => application == name && group == in_group,
        Deployer::Pipeline(_) => false,
    };
    request(event, source, rules, is_it, name, execution)
}

/// Only the beginning asks for something.
fn begun(state: &Value, wanted: &str) -> Result<(), NotOurs> {
    let state = text(state.as_str(), "detail.state")?;
    if state == wanted { Ok(()) } else { Err(NotOurs::Idle { what: cut(state) }) }
}

fn execution<'a>(value: &'a Value, field: &'static str) -> Result<&'a str, NotOurs> {
    let id = text(value.as_str(), field)?;
    if id.len() <= 100 && is_graphic(id) { Ok(id) } else { Err(NotOurs::Field { field }) }
}

fn request(
    event: &Event,
    source: Source,
    rules: &Rules,
    is_it: impl Fn(&Deployer) -> bool,
    name: &str,
    execution: &str,
) -> Result<Message, NotOurs> {
    let rule = rules.deployments.iter().find(|rule| is_it(&rule.by));
    let rule = rule.ok_or_else(|| NotOurs::NoDeployment { name: cut(name) })?;
    let at = at(event)?;
    let DeploymentRule { runbook, application, reason, max_age, .. } = rule;
    let kind = Kind::Request {
        runbook: runbook.clone(),
        application: Some(application.clone()),
        inputs: inputs(rule, execution),
        reason: if reason.is_empty() {
            format!("{} started deployment {execution}", cut(name))
        } else {
            reason.clone()
        },
    };
    // The execution's id is the same in every delivery, and says which of two attempts it is.
    let key = format!("deploy|{}|{execution}|{runbook}|{application}", source.account);
    Ok(Message::new(kind, key, source, at, expiry(at, *max_age, "time")?))
}

/// The rule's inputs, and the execution's id where one wants it.
fn inputs(rule: &DeploymentRule, execution: &str) -> BTreeMap<String, Value> {
    let mut inputs = rule.inputs.clone();
    if let Some(name) = &rule.execution_input {
        inputs.insert(name.clone(), json!(format!("before {execution}")));
    }
    inputs
}
