//! Those who watch an application's regions from elsewhere: each is asked in its own way, and none is
//! believed while what it surely must reach does not answer either.

use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    action::check::CheckObservers,
    application::{
        Application,
        detection::{Observer, Sight},
    },
    name::{ComponentName, Region},
};
use muster_state::{
    call::{Call, CallError, Done, Progress},
    detect::{self, Sees, Verdict, Vote},
};
use reqwest::Client;
use serde_json::json;

use super::http::probe;
use super::{
    aws::alarm,
    real::{Real, on},
    report,
};

/// What an observer sees, since when it sees the region lost, and why in a few words.
pub type Seen = (Sees, Option<Timestamp>, String);

/// The writer of a canary stays silent for so long before it counts as lost.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(15);

/// Asks everybody at once about a region.
pub async fn votes(real: &Real, application: &Application, region: &Region) -> Vec<Vote> {
    let asked = application.observers.iter().map(|one| vote(real, application, one, region));
    futures::future::join_all(asked).await
}

/// Asks one of them about a region.
pub async fn vote(
    real: &Real,
    application: &Application,
    observer: &Observer,
    region: &Region,
) -> Vote {
    let (sees, since, why) = match &observer.by {
        Sight::Http { sees, control } => match sees.get(region.as_str()) {
            Some(url) => by_url(&real.http, control, url).await,
            None => unwatched(),
        },
        Sight::Report { url, key } => {
            report::ask(&real.sends, url, key, &application.name, region, real.clock.now()).await
        }
        Sight::Alarms(alarms) => match alarms.get(region.as_str()) {
            Some(alarm) => alarm::observe(real, alarm).await,
            None => unwatched(),
        },
        Sight::Workload(name) => by_workload(real, application, name, region).await,
        Sight::Canary(name) => by_canary(real, application, name, region),
    };
    Vote { observer: observer.name.clone(), domain: observer.domain.clone(), sees, since, why }
}

fn unwatched() -> Seen {
    unknown("does not watch this region")
}

/// It cannot tell.
pub(super) fn unknown(why: impl Into<String>) -> Seen {
    (Sees::Unknown, None, why.into())
}

/// What the answer of a URL tells, as long as the control target answers.
pub async fn by_url(client: &Client, control: &str, url: &str) -> Seen {
    let (control, report) = futures::join!(probe(client, control), probe(client, url));
    match (control, report) {
        (Ok(control), _) if !control.is_success() => {
            unknown(format!("its control target answers {control}"))
        }
        (Err(_), _) => unknown("cannot reach its control target"),
        (Ok(_), Ok(status)) if status.is_success() => (Sees::Healthy, None, "it serves".to_owned()),
        (Ok(_), Ok(status)) if status.is_server_error() => (Sees::Lost, None, status.to_string()),
        // A 404 is a wrong URL and a redirect is a login page: no report.
        (Ok(_), Ok(status)) => unknown(format!("answers {status}, which is no report")),
        (Ok(_), Err(CallError::NoAnswer { .. })) => (Sees::Lost, None, "no answer".to_owned()),
        (Ok(_), Err(why @ (CallError::Credentials { .. } | CallError::Refused { .. }))) => {
            unknown(why.to_string())
        }
    }
}

/// What of a workload is available. The API server of the other region is the control target: without an
/// answer from there it is Muster's own network that is gone.
async fn by_workload(
    real: &Real,
    application: &Application,
    name: &ComponentName,
    region: &Region,
) -> Seen {
    let workload = application.workloads.iter().find(|one| one.name == *name);
    let (Some(workload), Some(other)) = (workload, application.other(region)) else {
        return unwatched();
    };
    let sets = async |at| real.kube.cluster(workload, at).await?.sets().await;
    let (here, there) = futures::join!(sets(region), sets(other));
    if let Err(CallError::NoAnswer { .. }) = there {
        return unknown(format!("the API server in {other} does not answer either"));
    }
    match here {
        Ok(side) => {
            let (wanted, ready) =
                side.sets.values().fold((0, 0), |sum, set| (sum.0 + set.wanted, sum.1 + set.ready));
            let why = format!("{ready} of {wanted} replicas are ready");
            match (wanted, ready) {
                (0, _) => unknown("nothing is meant to run there"),
                (_, 0) => (Sees::Lost, None, why),
                (_, _) => (Sees::Healthy, None, why),
            }
        }
        Err(CallError::NoAnswer { .. }) => {
            (Sees::Lost, None, "its API server does not answer".to_owned())
        }
        Err(why @ (CallError::Credentials { .. } | CallError::Refused { .. })) => {
            unknown(why.to_string())
        }
    }
}

/// Whether the canary's rows are still taken. The reader at the standby is the control target.
fn by_canary(
    real: &Real,
    application: &Application,
    name: &ComponentName,
    region: &Region,
) -> Seen {
    let now = real.clock.now();
    let Some(sample) = real.canaries.of(&application.name, name) else {
        return unknown("it has not written yet");
    };
    if sample.from.as_ref() != Some(region) {
        return unwatched();
    }
    if !sample.is_fresh(now) {
        return unknown("the standby's reader does not answer either");
    }
    match sample.silent_since {
        None => (Sees::Healthy, None, "its writer answers".to_owned()),
        Some(since) if now.duration_since(since) < SILENCE_MAX => {
            unknown("its writer did not answer the last time")
        }
        Some(since) => {
            (Sees::Lost, Some(since), format!("its writer has not answered since {since}"))
        }
    }
}

/// Asks the observers whether the active region is lost, and for how long they have said so.
pub async fn observe(
    real: &Real,
    call: &Call,
    action: &CheckObservers,
) -> Result<Progress, CallError> {
    let on = on(call)?;
    Ok(judge(&votes(real, on.application, on.active).await, call, action))
}

/// What a step makes of the votes: one healthy voice ends the window at once, and silence has the window to
/// speak up.
pub(super) fn judge(votes: &[Vote], call: &Call, action: &CheckObservers) -> Progress {
    let verdict = detect::verdict(votes, action.quorum);
    let seen: Vec<String> = votes.iter().map(ToString::to_string).collect();
    let seen = if seen.is_empty() { "nobody watches".to_owned() } else { seen.join("; ") };
    let stood = call.asked_at.duration_since(call.started_at);
    let waits = matches!(verdict, Verdict::Lost | Verdict::Unknown)
        && stood < action.window.duration()
        && !votes.is_empty();
    if waits {
        return Progress::in_progress(format!("{verdict} so far: {seen}"));
    }
    Progress::Done(Done::with([("verdict", json!(verdict)), ("seen", json!(seen))]))
}
