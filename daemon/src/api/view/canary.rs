//! What the canary of a database shows: measured, and not believed.

use jiff::Timestamp;
use muster_runbooks::application::Application;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LossFigure;
use crate::world::canary::{Canaries, Sample};

/// What the canary of a database showed last. A sample, not a fact.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct CanaryView {
    /// The database.
    pub component: String,
    /// Where it is written; nothing while nobody knows.
    pub from: Option<String>,
    /// Where it is looked for.
    pub to: Option<String>,
    /// How far the standby was behind when it was read.
    pub lag: LossFigure,
    /// The most that a failover would lose now.
    pub loss: LossFigure,
    /// When the standby was last read.
    pub read_at: Option<Timestamp>,
}

/// The canaries that an application declares.
pub fn canaries(application: &Application, samples: &Canaries, now: Timestamp) -> Vec<CanaryView> {
    let declared = application.databases.iter().filter(|database| database.canary.is_some());
    let views = declared.map(|database| {
        let sample = samples.of(&application.name, &database.name);
        let sample = sample.unwrap_or_else(|| Sample::unknown("it has not been read yet"));
        let words = sample.words(now);
        CanaryView {
            component: database.name.to_string(),
            from: sample.from.as_ref().map(ToString::to_string),
            to: sample.to.as_ref().map(ToString::to_string),
            lag: LossFigure::new(sample.lag(now), sample.by.clone()),
            loss: LossFigure::new(sample.loss(now), words),
            read_at: sample.read_at,
        }
    });
    views.collect()
}
