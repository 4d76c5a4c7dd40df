//! The object whose existence sends users to the secondary record (facts §5.3, "standby takes over
//! primary"). Writing it needs the data plane of its own region and nothing else.

use muster_runbooks::{action::traffic::ShiftTraffic, application::Traffic, value::Span};
use muster_state::call::{Answer, Call, CallError, Done, Progress};
use serde_json::{Value, json};

use super::{Side, error};
use crate::world::http::{Status, probe};
use crate::world::{
    dns::{self, Heard},
    real::{Real, on},
};

/// The most of a marker that is read: it is a note of ours.
const BYTES_MAX: usize = 1_024;

/// Looks whether the marker is as the shift wants it, what the name servers answer, and whether the
/// side that receives the users serves.
pub async fn observe(
    real: &Real,
    call: &Call,
    action: &ShiftTraffic,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    let traffic = traffic(call)?;
    let to = on.region(action.to);
    let wanted = wanted(traffic, to.as_str());
    let side = real.aws.side(&traffic.marker.region);
    let (marker, heard) = futures::join!(read(&side, call, traffic), dns::ask(traffic));
    let marker = marker?;
    if marker.is_some() == wanted
        && let Ok(heard) = &heard
        && !heard.is(to)
    {
        return Ok(Progress::in_progress(format!("the name servers say {heard}")));
    }
    // Users never go to a side that does not serve (I2), and have arrived when it does.
    if let Some(url) = on.application.probes.get(to.as_str()) {
        let status = probe(&real.http, url).await;
        if let Some(why) = not_serving(status) {
            return Ok(Progress::in_progress(format!("{to} does not serve: {why}")));
        }
    }
    if marker.is_some() != wanted {
        return Ok(before(traffic, marker, heard.ok()));
    }
    let heard = heard?;
    let from = call.aim.as_ref().map_or(call.started_at, |aim| aim.at);
    Ok(Progress::Done(Done::with([
        ("answers", json!(heard.to_string())),
        ("took", json!(Span::between(from, call.asked_at))),
    ])))
}

/// Writes the marker, or takes it away.
pub async fn begin(real: &Real, call: &Call, action: &ShiftTraffic) -> Result<Answer, CallError> {
    let traffic = traffic(call)?;
    let wanted = wanted(traffic, on(call)?.region(action.to).as_str());
    let marker = &traffic.marker;
    let side = real.aws.side(&marker.region);
    let s3 = &side.act.s3;
    let (sent, operation) = if wanted {
        let put = s3.put_object().bucket(&marker.bucket).key(&marker.key);
        let put = put.content_type("text/plain").body(body(call, real.epoch()).into_bytes().into());
        (put.send().await.map(drop).map_err(error::trouble), "PutObject")
    } else {
        let delete = s3.delete_object().bucket(&marker.bucket).key(&marker.key);
        (delete.send().await.map(drop).map_err(error::trouble), "DeleteObject")
    };
    match sent {
        Ok(()) => Ok(Answer::Accepted),
        Err(why) => why.begun(side.name("s3"), operation),
    }
}

/// How the application's users reach it.
pub(super) fn traffic(call: &Call) -> Result<&Traffic, CallError> {
    let traffic = on(call)?.application.traffic.as_ref();
    traffic.ok_or_else(|| error::unfit(call, "the application declares no traffic"))
}

/// Whether the marker must exist: it holds users away from the primary record.
fn wanted(traffic: &Traffic, to: &str) -> bool {
    traffic.primary.as_str() != to
}

fn body(call: &Call, epoch: u64) -> String {
    format!("run={}\ntoken={}\nepoch={epoch}\n", call.run, call.token)
}

/// What stands before. What a marker says is shown and not judged: a person may have written it by
/// hand, and the health check looks at its existence only.
fn before(traffic: &Traffic, marker: Option<String>, heard: Option<Heard>) -> Progress {
    let marker_says = marker.map_or(Value::Null, Value::String);
    let answers = heard.map_or(Value::Null, |heard| json!(heard.to_string()));
    Progress::NotStarted {
        before: json!({ "marker": marker_says, "answers": answers }),
        targets: vec![format!("s3://{}/{}", traffic.marker.bucket, traffic.marker.key)],
    }
}

fn not_serving(status: Result<Status, CallError>) -> Option<String> {
    match status {
        Ok(status) if status.is_success() => None,
        Ok(status) => Some(format!("its probe answers {status}")),
        Err(why) => Some(why.to_string()),
    }
}

/// Whether the marker is there. Belongs to no run.
pub(super) async fn is_there(real: &Real, traffic: &Traffic) -> Result<bool, CallError> {
    let marker = &traffic.marker;
    let side = real.aws.side(&marker.region);
    let get = side.look.s3.get_object().bucket(&marker.bucket).key(&marker.key);
    match get.send().await.map_err(error::trouble) {
        Ok(_) => Ok(true),
        Err(why) if why.code == "NoSuchKey" => Ok(false),
        Err(why) => Err(why.at(side.name("s3"), "GetObject")),
    }
}

/// The marker's text; `None` if there is no marker. Read by GET, for an answer to HEAD does not tell a
/// missing key from a missing bucket.
async fn read(side: &Side, call: &Call, traffic: &Traffic) -> Result<Option<String>, CallError> {
    let marker = &traffic.marker;
    let get = side.looks_for(call).s3.get_object().bucket(&marker.bucket).key(&marker.key);
    let mut found = match get.send().await.map_err(error::trouble) {
        Ok(found) => found,
        Err(why) if why.class == error::Class::Missing => return Ok(None),
        Err(why) => return Err(why.at(side.name("s3"), "GetObject")),
    };
    let mut text = Vec::new();
    while text.len() < BYTES_MAX
        && let Some(Ok(piece)) = found.body.next().await
    {
        let room = BYTES_MAX - text.len();
        text.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}
