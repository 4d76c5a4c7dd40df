//! The application's write lease: who may write is changed by one conditional write, and whoever wrote before
//! stops by itself (facts §4 on conditional writes, §7 on fences).

use aws_sdk_s3::primitives::ByteStream;
use jiff::Timestamp;
use muster_runbooks::{
    action::{On, lease::TakeWriteLease},
    application::write_lease::{Holder, WriteLease},
    name::Region,
};
use muster_state::call::{Answer, BoxError, Call, CallError, Done, Progress};
use serde_json::json;

use super::{Clients, Side, error, writer::SILENCE_MAX};
use crate::world::{
    real::{Real, Verbs, on, verbs},
    whereabouts::written,
};

/// The most of a lease that is read.
const BYTES_MAX: usize = 4_096;

/// The object as it was found.
struct Found {
    holder: Holder,
    /// What a write must still find there.
    tag: String,
    /// When it was last written, by the store's clock.
    stored_at: Timestamp,
}

/// Makes a side the holder.
pub(in crate::world) fn take<'a>(
    real: &'a Real,
    call: &'a Call,
    action: &'a TakeWriteLease,
) -> Verbs<'a> {
    verbs(call, observe(real, call, action), begin(real, call, action))
}

/// Looks who may write.
async fn observe(real: &Real, call: &Call, action: &TakeWriteLease) -> Result<Progress, CallError> {
    let on = on(call)?;
    let Some(lease) = &on.application.write_lease else {
        return Ok(Progress::Done(Done::with([("lease", json!("none"))])));
    };
    let to = match target(real, &on, action).await {
        Ok(to) => to,
        Err(why) => return Ok(Progress::in_progress(why)),
    };
    let side = real.aws.side(&lease.region);
    let found = read(&side, side.looks_for(call), lease).await?;
    let Some(found) = found else { return Ok(missing(lease)) };
    if found.holder.holder != to {
        return Ok(Progress::NotStarted {
            before: json!({ "holder": found.holder.holder, "epoch": found.holder.epoch }),
            targets: vec![place(lease)],
        });
    }
    let outputs = [("lease", json!("taken")), ("from", json!(found.holder.from))];
    let mut done = Done::with(outputs);
    if found.holder.by != call.token.as_str() {
        done.notes.push(format!("{to} held the write lease already, by {}", found.holder.by));
    }
    Ok(Progress::Done(done))
}

/// Makes a side the holder, if the lease is still as it is read here.
async fn begin(real: &Real, call: &Call, action: &TakeWriteLease) -> Result<Answer, CallError> {
    let on = on(call)?;
    let lease = on.application.write_lease.as_ref();
    let lease =
        lease.ok_or_else(|| error::unfit(call, "the application declares no write lease"))?;
    let side = real.aws.side(&lease.region);
    let Some(found) = read(&side, &side.act, lease).await? else {
        return Ok(Answer::Failed { reason: format!("{} is not there", place(lease)) });
    };
    let to = match target(real, &on, action).await {
        Ok(to) => to,
        Err(reason) => return Ok(Answer::Busy { reason }),
    };
    if found.holder.holder == to {
        return Ok(Answer::Accepted);
    }
    let next = Holder {
        holder: to,
        epoch: found.holder.epoch + 1,
        // Counted from now, too: the store's clock may be behind whoever renewed last.
        from: lease.free_at(found.stored_at.max(real.clock.now())),
        by: call.token.to_string(),
    };
    let body = serde_json::to_vec(&next).map_err(|why| error::unfit(call, &why.to_string()))?;
    let put = side.act.s3.put_object().bucket(&lease.bucket).key(&lease.key);
    let put = put.content_type("application/json").if_match(found.tag);
    match put.body(ByteStream::from(body)).send().await.map_err(error::trouble) {
        Ok(_) => Ok(Answer::Accepted),
        // Its holder renewed it in between: it is read again.
        Err(why) if why.code == "PreconditionFailed" => {
            Ok(Answer::Busy { reason: "the lease was renewed in between".to_owned() })
        }
        Err(why) => why.begun(side.name("s3"), "PutObject"),
    }
}

/// The side that shall hold it: the one that is named, or the one where every database is written.
async fn target(real: &Real, on: &On<'_>, action: &TakeWriteLease) -> Result<Region, String> {
    if let Some(to) = action.to {
        return Ok(on.region(to).clone());
    }
    written(&real.locate(on.application).await.judge(on.application))
}

/// What the lease says about a fence.
pub(super) enum Fenced {
    /// Nobody but the side that was asked about can write.
    Proven(String),
    /// That will be so by then.
    Soon(String),
    /// It proves nothing.
    No,
}

/// Whether nobody but a side can write any more.
pub(super) async fn fenced(real: &Real, call: &Call, lease: &WriteLease, but: &Region) -> Fenced {
    let side = real.aws.side(&lease.region);
    let now = real.clock.now();
    match read(&side, &side.spare, lease).await {
        Ok(Some(found)) if found.holder.holder == *but && found.holder.from <= now => {
            Fenced::Proven(format!(
                "{but} alone holds the write lease since {:.0}",
                found.holder.from
            ))
        }
        Ok(Some(found)) if found.holder.holder == *but => Fenced::Soon(format!(
            "{but} alone holds the write lease from {:.0} on",
            found.holder.from
        )),
        Ok(Some(_) | None) => Fenced::No,
        Err(why) => {
            let waited = call.asked_at.duration_since(call.started_at);
            if waited >= SILENCE_MAX {
                return Fenced::No;
            }
            Fenced::Soon(format!("the write lease cannot be read: {why}"))
        }
    }
}

fn place(lease: &WriteLease) -> String {
    format!("s3://{}/{}", lease.bucket, lease.key)
}

fn missing(lease: &WriteLease) -> Progress {
    // Nobody may write without it, so nobody does: the application is not as its file says.
    let reason = format!(
        "{} is not there; the application makes it when it first writes. Is the lease declared rightly?",
        place(lease)
    );
    Progress::Failed { reason }
}

async fn read(
    side: &Side,
    clients: &Clients,
    lease: &WriteLease,
) -> Result<Option<Found>, CallError> {
    const OPERATION: &str = "GetObject";
    let get = clients.s3.get_object().bucket(&lease.bucket).key(&lease.key);
    let mut found = match get.send().await.map_err(error::trouble) {
        Ok(found) => found,
        Err(why) if why.class == error::Class::Missing => return Ok(None),
        Err(why) => return Err(why.at(side.name("s3"), OPERATION)),
    };
    let unread = |why: BoxError| CallError::NoAnswer {
        service: side.name("s3"),
        operation: OPERATION,
        source: why,
    };
    let (tag, stored_at) = (found.e_tag().map(str::to_owned), found.last_modified().copied());
    let mut text = Vec::new();
    while let Some(piece) = found.body.next().await {
        text.extend_from_slice(&piece.map_err(|why| unread(why.into()))?);
        if text.len() > BYTES_MAX {
            return Err(unfit(side, format!("{} is no write lease", place(lease))));
        }
    }
    let holder = serde_json::from_slice(&text)
        .map_err(|why| unfit(side, format!("{} is no write lease: {why}", place(lease))))?;
    let stored_at = stored_at.and_then(|at| Timestamp::from_second(at.secs()).ok());
    let (Some(tag), Some(stored_at)) = (tag, stored_at) else {
        return Err(unread("it came without a tag and a time".into()));
    };
    Ok(Some(Found { holder, tag, stored_at }))
}

fn unfit(side: &Side, message: String) -> CallError {
    CallError::Refused {
        service: side.name("s3"),
        operation: "GetObject",
        code: "NotALease".to_owned(),
        message,
    }
}
