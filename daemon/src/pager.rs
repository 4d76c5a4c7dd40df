//! Paging the on-call: a run of the shipped runbook that does nothing else, through the same door as
//! everything.

use std::collections::BTreeMap;

use muster_runbooks::request::{Manner, Mode, Request, Trigger};
use serde_json::json;

use crate::intake::{Intake, Rejected, fingerprint};

/// What pages.
const RUNBOOK: &str = "page-on-call";

/// Pages once for each key, whoever asks for it again.
///
/// # Errors
///
/// When the request cannot be taken in.
pub async fn page(
    intake: &Intake,
    key: String,
    trigger: Trigger,
    reason: String,
    text: String,
) -> Result<(), Rejected> {
    let asked = fingerprint(&key);
    if intake.answered(&key, &asked)?.is_some() {
        return Ok(());
    }
    let page = Request {
        runbook: RUNBOOK.parse().expect("the name of a shipped runbook"),
        application: None,
        inputs: BTreeMap::from([("text".to_owned(), json!(text))]),
        trigger,
        mode: Mode::Live,
        manner: Manner::Graceful,
        reason,
        dedupe_key: Some(key),
        symptom_at: None,
        not_after: None,
    };
    intake.request(page, None, Some(asked)).await?;
    Ok(())
}
