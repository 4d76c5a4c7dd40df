//! A by-hand page, as people and programs read it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::by_hand::{
    Kept,
    sheet::{Line, Sheet},
    text,
};

/// What a person would type to do without Muster what it would do.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ByHandView {
    /// The application.
    pub application: String,
    /// The runbook.
    pub runbook: String,
    /// `graceful` or `forced`.
    pub manner: String,
    /// The region behind the role `active`.
    pub active: String,
    /// Since when it was seen there; nothing where nobody has looked, and its home is assumed.
    pub seen_at: Option<Timestamp>,
    /// The region behind the role `standby`.
    pub standby: String,
    /// The hash of the plan that a run without inputs of its own would carry out.
    pub plan_hash: String,
    /// When the page was made.
    pub rendered_at: Timestamp,
    /// What made it.
    pub version: String,
    /// The steps in their order.
    pub steps: Vec<ByHandStepView>,
    /// The page as it is printed.
    pub text: String,
    /// The copies that are kept; nothing of a runbook whose page is only made when somebody asks.
    pub kept: Option<KeptView>,
}

/// One step of a by-hand page.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct ByHandStepView {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub title: String,
    /// `steps`, `undo` or `finally`.
    pub part: String,
    /// The steps that come before it.
    pub needs: Vec<String>,
    /// What to type.
    pub commands: Vec<String>,
    /// What to do where there is nothing to type.
    pub instead: Vec<String>,
    /// What can be seen when it is done.
    pub expect: Option<String>,
}

/// What became of the copies of an application's pages.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct KeptView {
    /// In how many buckets they lie beside the state directory.
    pub copies: usize,
    /// What is not as it should be.
    pub troubles: Vec<TroubleView>,
}

/// A place where pages cannot be kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct TroubleView {
    /// The place, and what happened there.
    pub what: String,
    /// Since when.
    pub since_at: Timestamp,
}

/// Builds the view of a page.
pub fn view(sheet: &Sheet, kept: Option<&Kept>) -> ByHandView {
    ByHandView {
        application: sheet.application.to_string(),
        runbook: sheet.runbook.clone(),
        manner: sheet.manner.to_string(),
        active: sheet.active.clone(),
        seen_at: sheet.seen.as_ref().map(|seen| seen.at),
        standby: sheet.standby.clone(),
        plan_hash: sheet.plan_hash.clone(),
        rendered_at: sheet.rendered_at,
        version: sheet.version.clone(),
        steps: sheet.steps.iter().map(step).collect(),
        text: text::write(sheet),
        kept: kept.map(|kept| KeptView {
            copies: kept.copies,
            troubles: kept
                .troubles
                .iter()
                .map(|(what, since_at)| TroubleView { what: what.clone(), since_at: *since_at })
                .collect(),
        }),
    }
}

fn step(line: &Line) -> ByHandStepView {
    ByHandStepView {
        id: line.id.clone(),
        title: line.title.clone(),
        part: line.part.to_string(),
        needs: line.needs.clone(),
        commands: line.commands.clone(),
        instead: line.instead.clone(),
        expect: line.expect.clone(),
    }
}
