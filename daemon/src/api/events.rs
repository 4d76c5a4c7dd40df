//! The facts of a run, as a list or as they come.
//!
//! A client is a cursor that reads the journal again: there is no queue per client, so a slow one
//! costs nothing but its place, and one that comes back goes on where it was.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures::{Stream as Flow, StreamExt, stream};
use jiff::SignedDuration;
use muster_runbooks::name::RunId;
use muster_state::event::{Record, Stream};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Reader,
    error::{Problem, ProblemView},
    input::{Asked, InRun},
    list::{self, Page},
    view::event::{self as view, EventView},
};
use crate::perform::Health;

/// How many records a stream reads at a time.
const RECORDS_AT_ONCE: usize = 64;

/// How often a stream that has seen everything looks again.
const POLL: SignedDuration = SignedDuration::from_millis(200);

/// How often a silent stream says that it lives. The command line takes three missing ones for a
/// broken line.
pub const ALIVE_EVERY_SECS: u64 = 5;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Part {
    /// Only those behind this sequence number.
    pub after: Option<u64>,
    /// How many of a list, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

impl Part {
    /// The first place that is asked for.
    pub(super) fn from(&self) -> Result<u64, Problem> {
        match self.after {
            None => Ok(0),
            // The description says 64 bits with a sign, as programs in many languages have them.
            Some(after) if i64::try_from(after).is_ok() => Ok(after + 1),
            Some(after) => {
                Err(Problem::invalid(format!("`after` is {after}; {} at most", i64::MAX)))
            }
        }
    }
}

/// Lists the events of a run, or streams them as Server-Sent Events when `Accept` says so: the id
/// is the sequence number, and `Last-Event-ID` resumes.
#[utoipa::path(get, path = "/v1/runs/{id}/events", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$"), Part, ("Last-Event-ID" = Option<u64>, Header)), responses((status = 200, body = Page<EventView>, content_type = "application/json"), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn events(
    State(api): State<Api>,
    _: Reader,
    InRun(run): InRun,
    Asked(part): Asked<Part>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let last_seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let from = match last_seen {
        Some(seq) => u64::saturating_add(seq, 1),
        None => part.from()?,
    };
    if !exists(&api, &run)? {
        return Err(Problem::not_found(format!("no run is called `{run}`")));
    }
    if accepts.is_some_and(|accept| accept.contains("text/event-stream")) {
        let permit = std::sync::Arc::clone(&api.streams).try_acquire_owned();
        let permit = permit.map_err(|_| Problem::unavailable("too many event streams are open"))?;
        let alive = KeepAlive::new().interval(Duration::from_secs(ALIVE_EVERY_SECS));
        return Ok(Sse::new(flow(api, run, from, permit)).keep_alive(alive).into_response());
    }
    let limit = list::limit(part.limit)?;
    let records = api.intake.journal().read(Some(&Stream::Run(run)), from, limit)?;
    let is_full = records.len() == limit;
    let next = records.last().filter(|_| is_full).map(|record| record.seq.to_string());
    let items = records.iter().filter_map(view::view).collect();
    Ok(Json(Page { items, next }).into_response())
}

fn exists(api: &Api, run: &RunId) -> Result<bool, Problem> {
    if api.intake.known(|known| known.runs.contains_key(run)) {
        return Ok(true);
    }
    Ok(!api.intake.journal().read(Some(&Stream::Run(run.clone())), 0, 1)?.is_empty())
}

struct Cursor {
    api: Api,
    run: RunId,
    from: u64,
    /// The end of the journal when it was last read: nothing is read again before it has moved.
    seen_end: Option<u64>,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

fn flow(
    api: Api,
    run: RunId,
    from: u64,
    permit: OwnedSemaphorePermit,
) -> impl Flow<Item = Result<sse::Event, Infallible>> {
    let cursor = Cursor { api, run, from, seen_end: None, over: false, _permit: permit };
    stream::unfold(cursor, |mut cursor| async move {
        if cursor.over {
            return None;
        }
        let batch = cursor.wait().await;
        Some((stream::iter(batch), cursor))
    })
    .flatten()
    .map(Ok)
}

impl Cursor {
    /// The next events, once there are any.
    async fn wait(&mut self) -> Vec<sse::Event> {
        loop {
            let (end, is_open) =
                self.api.intake.known(|known| (known.end, known.runs.contains_key(&self.run)));
            if self.seen_end != Some(end) {
                let stream = Stream::Run(self.run.clone());
                let read =
                    self.api.intake.journal().read(Some(&stream), self.from, RECORDS_AT_ONCE);
                let records = match read {
                    Ok(records) => records,
                    Err(why) => {
                        self.over = true;
                        return vec![sse::Event::default().event("trouble").data(why.to_string())];
                    }
                };
                if records.len() < RECORDS_AT_ONCE {
                    self.seen_end = Some(end);
                }
                if let Some(last) = records.last() {
                    self.from = last.seq + 1;
                    return records.iter().filter_map(event).collect();
                }
            }
            // Everything in front of `end` was read, and the run had ended by then.
            if !is_open {
                self.over = true;
                return vec![sse::Event::default().event("over").data("the run has ended")];
            }
            if matches!(self.api.intake.health(), Health::Stopping) {
                self.over = true;
                return Vec::new();
            }
            self.api.intake.clock().sleep(POLL).await;
        }
    }
}

fn event(record: &Record) -> Option<sse::Event> {
    let view = view::view(record)?;
    let event = sse::Event::default().id(view.seq.to_string()).event(&view.kind);
    event.json_data(&view).ok()
}
