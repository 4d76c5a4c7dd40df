//! What was asked for and not done: by people through the API, and by events through the queues.

use axum::{Json, extract::State};
use muster_state::event::Stream;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Reader,
    error::{Problem, ProblemView},
    events::Part,
    input::Asked,
    list::{self, Page},
    view::refusal::{self as view, RefusalView},
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(refusals))
}

/// Lists what was refused, each with the reason, from the oldest on. A page may hold fewer than were asked
/// for, because other facts stand between them; it is the last one when it names no next.
#[utoipa::path(get, path = "/v1/refusals", tag = "runs", params(Part), responses((status = 200, body = Page<RefusalView>), (status = "default", body = ProblemView, content_type = "application/problem+json")))]
async fn refusals(
    State(api): State<Api>,
    _: Reader,
    Asked(part): Asked<Part>,
) -> Result<Json<Page<RefusalView>>, Problem> {
    let limit = list::limit(part.limit)?;
    let from = part.from()?;
    let records = api.intake.journal().read(Some(&Stream::Access), from, limit)?;
    let is_full = records.len() == limit;
    let next = records.last().filter(|_| is_full).map(|record| record.seq.to_string());
    Ok(Json(Page { items: records.iter().filter_map(view::view).collect(), next }))
}
