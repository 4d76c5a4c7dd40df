//! What stands around every page: the banners that nobody may overlook, and when it was made.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::parts;
use crate::{api::Api, perform::Health};

/// A page renews itself so often.
const REFRESH_SECS: u32 = 10;

/// An engine that gave no sign of life for longer than this does not work.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(60);

/// The frame of a page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The title in the browser's list.
    pub title: String,
    /// When the page was made.
    pub now: Timestamp,
    /// What is wrong with Muster itself.
    pub alarms: Vec<String>,
    /// Whether it renews itself.
    pub refresh: bool,
}

impl Frame {
    /// The frame for the state that the process is in.
    pub fn of(api: &Api, title: &str) -> Frame {
        let now = api.intake().clock().now();
        let mut alarms = Vec::new();
        if let Some((by, reason)) = api.intake().known(|known| known.off.clone()) {
            alarms.push(format!(
                "MUSTER IS SWITCHED OFF by {by}: {reason}. Nothing new is begun. \
                 An admin types: muster on --reason TEXT"
            ));
        }
        match api.intake().health() {
            Health::Ready => alarms.extend(leaseless(api, now)),
            Health::Starting => alarms.push("Muster is starting: it reads its journal.".to_owned()),
            Health::StandingBy { because } => alarms.push(format!(
                "THIS MUSTER DOES NOT ACT: {because}. What you see is what it knows itself."
            )),
            Health::ReadOnly { because } => alarms.push(format!(
                "MUSTER CANNOT WRITE ITS JOURNAL: {because}. Nothing is begun or taken in. \
                 What you see is what was written last."
            )),
            Health::Stopping => alarms.push("Muster is stopping.".to_owned()),
        }
        alarms.extend(silence(api.intake().journal().last_beat(), now));
        Frame { title: title.to_owned(), now, alarms, refresh: true }
    }

    /// For a page that does not change any more.
    pub fn without_refresh(mut self) -> Frame {
        self.refresh = false;
        self
    }

    /// The whole document.
    pub fn wrap(&self, body: &Markup) -> Markup {
        let head = html! {
            @if self.refresh { meta http-equiv="refresh" content=(REFRESH_SECS); }
            link rel="stylesheet" href="/style.css";
        };
        let body = html! {
            header {
                a class="brand" href="/" { "Muster" }
                span class="asof" { "as of " (parts::clock(self.now)) }
            }
            @for alarm in &self.alarms {
                p class="alarm" role="alert" { (alarm) }
            }
            main { (body) }
            footer {
                "This page only reads. What you decide, you type: "
                code { "muster status" } "."
            }
        };
        parts::document(&self.title, &head, &body)
    }
}

/// What the page says when nobody can tell who acts.
fn leaseless(api: &Api, now: Timestamp) -> Option<String> {
    let why = api.intake().lease().forbids(now)?;
    Some(format!(
        "NOTHING NEW IS BEGUN: {why}. Who knows that no other Muster acts types: \
         muster override-lease RUN --reason TEXT"
    ))
}

/// What the page says when the engine is silent: all that follows is old.
pub fn silence(last_beat: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let beat = last_beat?;
    (now.duration_since(beat) > SILENCE_MAX).then(|| {
        format!(
            "STALE: the engine gave no sign of life since {}. Do not trust what stands below.",
            parts::clock_text(beat)
        )
    })
}
