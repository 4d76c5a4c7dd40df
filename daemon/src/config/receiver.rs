//! Who is told, and how.

use muster_runbooks::value::words;
use serde::Deserialize;

use super::check::Findings;

words! {
    /// The language that a receiver speaks.
    ReceiverKind {
        /// A POST of our own JSON to a URL.
        Webhook = "webhook",
        /// PagerDuty's Events API v2.
        PagerDuty = "pagerduty",
    }
}

/// A receiver of notices.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// Its name in logs and metrics.
    pub name: String,
    /// The language that it speaks.
    #[serde(default = "Receiver::default_kind")]
    pub kind: ReceiverKind,
    /// The environment variable that holds the URL: a webhook's URL is a secret. PagerDuty has one of
    /// its own, and needs this only where the account is served from somewhere else.
    #[serde(default)]
    pub url_from: Option<String>,
    /// The environment variable that holds the routing key of a PagerDuty service.
    #[serde(default)]
    pub key_from: Option<String>,
}

impl Receiver {
    fn default_kind() -> ReceiverKind {
        ReceiverKind::Webhook
    }

    /// What is wrong with the one at a place of the list, by itself.
    pub(super) fn check(&self, at: usize, found: &mut Findings<'_>) {
        let at = at.to_string();
        let name = &self.name;
        match (self.kind, &self.url_from, &self.key_from) {
            (ReceiverKind::Webhook, Some(_), None) | (ReceiverKind::PagerDuty, _, Some(_)) => {}
            (ReceiverKind::Webhook, None, _) => {
                let message = format!("nobody knows where `{name}` is");
                let hint = "name the environment variable that holds its URL in `url_from`";
                found.add(&["receivers", &at], "missing-key", message, hint);
            }
            (ReceiverKind::Webhook, Some(_), Some(_)) => {
                let message = format!("`{name}` is a webhook, and has no key");
                let hint = "`kind: pagerduty` has one";
                found.add(&["receivers", &at, "key_from"], "wrong-value", message, hint);
            }
            (ReceiverKind::PagerDuty, _, None) => {
                let message = format!("nobody knows the routing key of `{name}`");
                let hint = "name the environment variable that holds it in `key_from`";
                found.add(&["receivers", &at], "missing-key", message, hint);
            }
        }
    }
}
