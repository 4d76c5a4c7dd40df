//! Reading runs: open ones from the fold, ended ones from the journal.

use axum::{Json, extract::State};
use jiff::Timestamp;
use muster_runbooks::{
    name::{ApplicationName, RunId},
    request::Mode,
};
use muster_state::{
    event::{Event, Record, RunEvent, Stream},
    lease::{Lease, Missing},
    progress::{EndedRun, Progress},
    run::{Run, Status},
};
use serde::{Deserialize, Serialize};
use tracing::error;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Reader,
    error::{Problem, ProblemView},
    input::{Asked, InRun},
    list,
    protection::readiness_of,
    view::{
        banner, figures, leaving,
        run::{self as view, RunLine, RunView},
        wait::Stops,
    },
};

/// A run with more events than this cannot be rebuilt in one request.
const EVENTS_MAX: usize = 100_000;

/// How many records are read from the journal at a time.
pub(super) const RECORDS_AT_ONCE: usize = 1_000;

/// How many rows of ended runs are looked through for one page.
const ROWS_MAX: usize = 2_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_runs)).routes(routes!(one))
}

/// Which runs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// `open`, `ended`, or a status such as `awaiting_approval`.
    pub state: Option<String>,
    /// Only of this application.
    pub application: Option<String>,
    /// Only of this runbook.
    pub runbook: Option<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// How many, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// Runs, newest first.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct RunsPage {
    /// When this was read.
    pub as_of_at: Timestamp,
    /// Who switched Muster off, and why.
    pub switched_off: Option<OffView>,
    /// Whether this process acts; nothing where no lease is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseView>,
    /// The runs: the open ones by admission, then the ended ones by their end.
    pub items: Vec<RunLine>,
    /// What to send as `after` for the runs that follow; nothing at the end.
    pub next: Option<String>,
}

/// Muster is switched off.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct OffView {
    /// Who switched it off.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The lease that says which process acts.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct LeaseView {
    /// `held`, or why not: `unasked`, `ended`, `taken`, `unreadable`, `behind` or `apart`.
    pub state: String,
    /// Why nothing is begun; nothing while it is held.
    pub because: Option<String>,
}

impl LeaseView {
    fn of(lease: &Lease, now: Timestamp) -> Option<LeaseView> {
        if *lease == Lease::NotConfigured {
            return None;
        }
        let why = lease.forbids(now);
        let state = why.as_ref().map_or("held", Missing::word).to_owned();
        Some(LeaseView { state, because: why.map(|why| why.to_string()) })
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
enum Place {
    Open { admitted_at: Timestamp, id: RunId },
    Ended(Box<EndedRun>),
}

enum Wanted {
    All,
    Open,
    Ended,
    Status(Status),
}

struct Sieve {
    wanted: Wanted,
    application: Option<ApplicationName>,
    runbook: Option<String>,
}

impl Sieve {
    fn of(filter: &Filter) -> Result<Sieve, Problem> {
        let wanted = match filter.state.as_deref() {
            None => Wanted::All,
            Some("open") => Wanted::Open,
            Some("ended") => Wanted::Ended,
            Some(word) => Wanted::Status(
                word.parse().map_err(|why| Problem::invalid(format!("{why}, open, ended")))?,
            ),
        };
        let application = filter.application.as_deref().map(str::parse).transpose()?;
        Ok(Sieve { wanted, application, runbook: filter.runbook.clone() })
    }

    fn lets(&self, status: Status, application: Option<&ApplicationName>, runbook: &str) -> bool {
        let fits = match self.wanted {
            Wanted::All => true,
            Wanted::Open => !view::is_final(status),
            Wanted::Ended => view::is_final(status),
            Wanted::Status(wanted) => wanted == status,
        };
        fits && self.application.as_ref().is_none_or(|wanted| application == Some(wanted))
            && self.runbook.as_ref().is_none_or(|wanted| wanted == runbook)
    }
}

/// Lists runs.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", params(Filter), responses((status = 200, body = RunsPage), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn list_runs(
    State(api): State<Api>,
    _: Reader,
    Asked(filter): Asked<Filter>,
) -> Result<Json<RunsPage>, Problem> {
    Ok(Json(page(&api, &filter)?))
}

/// One page of runs.
pub fn page(api: &Api, filter: &Filter) -> Result<RunsPage, Problem> {
    let limit = list::limit(filter.limit)?;
    let sieve = Sieve::of(filter)?;
    let after: Option<Place> = filter.after.as_deref().map(list::decode).transpose()?;
    let now = api.intake.clock().now();
    let off = api.intake.known(|known| known.off.clone());
    let mut items = Vec::new();
    let mut place = None;
    if !matches!(after, Some(Place::Ended(_))) {
        let (lines, more) = open(api, &sieve, after.as_ref(), limit, now);
        place = more;
        items = lines;
    }
    if place.is_none() && !matches!(sieve.wanted, Wanted::Open) {
        let from = if let Some(Place::Ended(run)) = after { Some(*run) } else { None };
        let (lines, more) = ended(api, &sieve, from, limit - items.len())?;
        place = more;
        items.extend(lines);
    }
    Ok(RunsPage {
        as_of_at: now,
        switched_off: off.map(|(by, reason)| OffView { by, reason }),
        lease: LeaseView::of(&api.intake.lease(), now),
        items,
        next: place.map(|place| list::encode(&place)),
    })
}

fn open(
    api: &Api,
    sieve: &Sieve,
    after: Option<&Place>,
    limit: usize,
    now: Timestamp,
) -> (Vec<RunLine>, Option<Place>) {
    api.intake.known(|known| {
        let mut runs: Vec<&Run> = known
            .runs
            .values()
            .filter(|run| sieve.lets(run.status(), run.application(), run.plan.runbook.as_str()))
            .filter(|run| match after {
                Some(Place::Open { admitted_at, id }) => {
                    (run.admitted_at, &run.id) < (*admitted_at, id)
                }
                Some(Place::Ended(_)) | None => true,
            })
            .collect();
        runs.sort_by(|one, other| (other.admitted_at, &other.id).cmp(&(one.admitted_at, &one.id)));
        let more = runs.len() > limit;
        runs.truncate(limit);
        let last = runs.last().filter(|_| more);
        let place =
            last.map(|run| Place::Open { admitted_at: run.admitted_at, id: run.id.clone() });
        (runs.into_iter().map(|run| view::line(run, now)).collect(), place)
    })
}

/// Looks through a bounded number of rows; a page that holds fewer than it could still has a `next`.
fn ended(
    api: &Api,
    sieve: &Sieve,
    mut after: Option<EndedRun>,
    limit: usize,
) -> Result<(Vec<RunLine>, Option<Place>), Problem> {
    let mut lines = Vec::new();
    let mut seen = 0;
    loop {
        let rows = api.intake.journal().ended(after.as_ref(), list::ITEMS_MAX)?;
        if rows.is_empty() {
            return Ok((lines, None));
        }
        for row in rows {
            if lines.len() == limit || seen == ROWS_MAX {
                // With room for nothing, the page after this one starts with the first ended run.
                let place = after.unwrap_or_else(|| before(&row));
                return Ok((lines, Some(Place::Ended(Box::new(place)))));
            }
            seen += 1;
            if sieve.lets(row.status, row.application.as_ref(), &row.runbook) {
                let mut line = view::ended_line(&row);
                line.banner = mode(api, &row).and_then(banner);
                lines.push(line);
            }
            after = Some(row);
        }
    }
}

/// A place in front of the newest ended run.
fn before(row: &EndedRun) -> EndedRun {
    EndedRun { ended_at: Timestamp::MAX, last_seq: u64::MAX, ..row.clone() }
}

/// How real an ended run was. Its row does not say; its first record does.
fn mode(api: &Api, row: &EndedRun) -> Option<Mode> {
    let stream = Stream::Run(row.id.clone());
    let first = api.intake.journal().read(Some(&stream), row.first_seq, 1).ok()?;
    let event = first.into_iter().next()?.event;
    if let Event::Run(RunEvent::Admitted { request, .. }) = event {
        Some(request.mode)
    } else {
        None
    }
}

/// Shows a run, also one that has ended.
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "runs", params(("id" = String, Path, pattern = "^[a-z][a-z0-9]{11}$")), responses((status = 200, body = RunView), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn one(
    State(api): State<Api>,
    _: Reader,
    InRun(id): InRun,
) -> Result<Json<RunView>, Problem> {
    Ok(Json(find(&api, &id)?))
}

/// The view of a run, open or ended.
pub fn find(api: &Api, id: &RunId) -> Result<RunView, Problem> {
    let now = api.intake.clock().now();
    let open = api.intake.known(|known| known.runs.get(id).cloned());
    let run = match open {
        Some(run) => run,
        None => rebuild(api, id)?,
    };
    let stops = Stops::at(&api.intake, now);
    let leaving = leaving::all(&run, |name| readiness_of(api, name));
    let mut view = view::view(&run, &stops, |step| api.intake.sample(id, step), now);
    if let (Some(losses), Some(name)) = (&mut view.losses, run.application()) {
        let known = |known: &Progress| figures::counted(&run, known.applications.get(name)?);
        losses.counted = api.intake.known(known);
    }
    Ok(RunView { leaving, ..view })
}

/// Folds an ended run from the journal.
fn rebuild(api: &Api, id: &RunId) -> Result<Run, Problem> {
    replay(api, id, &mut |_| {})
}

/// Folds a run from the journal, open or ended, and shows each of its records.
pub(super) fn replay(api: &Api, id: &RunId, show: &mut dyn FnMut(&Record)) -> Result<Run, Problem> {
    let stream = Stream::Run(id.clone());
    let mut run: Option<Run> = None;
    let mut from = 0;
    for _ in 0..EVENTS_MAX / RECORDS_AT_ONCE {
        let records = api.intake.journal().read(Some(&stream), from, RECORDS_AT_ONCE)?;
        let is_last = records.len() < RECORDS_AT_ONCE;
        for record in records {
            from = record.seq + 1;
            show(&record);
            let Event::Run(event) = &record.event else { continue };
            let folded = match &mut run {
                None => Run::admitted(id, event, record.at).map(|admitted| run = Some(admitted)),
                Some(run) => run.apply(event, record.at),
            };
            folded.map_err(|why| {
                error!(%why, seq = record.seq, "a run cannot be folded");
                let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
                let said = format!("record {} does not follow: {why}", record.seq);
                Problem::new(status, "unreadable", "The journal cannot be read", said)
                    .hint("`muster state verify` says what is damaged")
            })?;
        }
        if is_last {
            break;
        }
    }
    run.ok_or_else(|| {
        Problem::not_found(format!("no run is called `{id}`"))
            .hint("`muster status` lists the newest runs")
    })
}
