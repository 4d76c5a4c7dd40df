//! Exports of Kubernetes objects in a versioned bucket (facts §4).

use std::borrow::Cow;

use aws_sdk_s3::types::EncodingType;
use muster_runbooks::{
    action::{On, objects::folder},
    application::Workload,
    name::Region,
};
use muster_state::{
    call::{Call, CallError, Progress},
    catalog::RecoveryPoint,
};
use percent_encoding::percent_decode_str;

use super::{
    End,
    listing::{Item, Listing},
};
use crate::world::{
    aws::{
        Side,
        bucket::{head, metadata},
        error, objects,
        poller::bounded,
    },
    real::{Real, on},
};

const LIST: &str = "ListObjectsV2";

/// Where the exports of a workload lie in a region.
pub(super) struct Shelf<'a> {
    bucket: &'a str,
    folder: String,
}

impl<'a> Shelf<'a> {
    pub(super) fn of(
        call: &Call,
        on: &On<'_>,
        workload: &'a Workload,
        region: &Region,
    ) -> Result<Shelf<'a>, CallError> {
        let bucket = objects::bucket(call, workload, region)?;
        Ok(Shelf { bucket, folder: folder(on) })
    }

    /// The key of an export by its ARN, if it lies here.
    pub(super) fn key<'b>(&self, id: &'b str) -> Option<&'b str> {
        let (bucket, key) = objects::place(id)?;
        (bucket == self.bucket && key.starts_with(&self.folder)).then_some(key)
    }
}

/// What the namespace that is exported is in the way of. It is looked for where the application lives: both
/// sides' exports are of its objects there.
pub(super) async fn source_trouble(
    real: &Real,
    call: &Call,
    workload: &Workload,
) -> Result<Option<Progress>, CallError> {
    let region = on(call)?.active;
    let is_there = real.kube.cluster(workload, region).await?.has_namespace().await?;
    Ok((!is_there).then(|| Progress::Refused {
        reason: format!(
            "namespace `{}` is missing in {region}; its exports may be all that is left",
            workload.namespace
        ),
    }))
}

/// Every object that lies beside the exports. One that was deleted is hidden by its delete marker.
pub(super) async fn read(side: &Side, shelf: &Shelf<'_>) -> Result<Listing, CallError> {
    let request = side.look.s3.list_objects_v2().bucket(shelf.bucket).prefix(&shelf.folder);
    // A key of a stranger may hold letters that XML cannot.
    let mut pages = request.encoding_type(EncodingType::Url).into_paginator().send();
    let broken = |what: &'static str| CallError::NoAnswer {
        service: side.name("s3"),
        operation: LIST,
        source: what.into(),
    };
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|why| error::trouble(why).at(side.name("s3"), LIST))?;
        // The paginator would take this for the end.
        if page.is_truncated() == Some(true) && page.next_continuation_token().is_none() {
            return Err(broken("a page says that there are more, and not where"));
        }
        for object in page.contents() {
            let key = object.key().ok_or_else(|| broken("an object has no key"))?;
            keys.push(plain(key).ok_or_else(|| broken("a key cannot be read"))?);
        }
        bounded(side, "s3", LIST, keys.len())?;
    }
    Ok(keys.into_iter().map(|key| (objects::arn(shelf.bucket, &key), item())).collect())
}

/// S3 writes a space in a key as a plus.
fn plain(key: &str) -> Option<String> {
    let key = key.replace('+', " ");
    percent_decode_str(&key).decode_utf8().ok().map(Cow::into_owned)
}

/// A list says of an object that it is there, and no more.
pub(super) fn item() -> Item {
    Item { is_sound: true, is_going: false, source: None }
}

/// Deletes one that bears the token in its name and the run that made it. No version is named: in a
/// versioned bucket that leaves a delete marker, and removing the marker brings the export back.
pub(super) async fn delete(
    side: &Side,
    shelf: &Shelf<'_>,
    point: &RecoveryPoint,
) -> Result<End, CallError> {
    let Some(key) = shelf.key(&point.id) else {
        return Ok(End::Kept(format!("it does not lie below {}", shelf.folder)));
    };
    let Some(found) = head(side, &side.look, shelf.bucket, key).await? else {
        return Ok(End::Gone);
    };
    let token = key.strip_prefix(&shelf.folder).and_then(|name| name.strip_suffix(".json"));
    let is_ours = token.is_some()
        && metadata(&found, objects::TOKEN) == token
        && metadata(&found, objects::RUN) == Some(point.made_by.as_str());
    if !is_ours {
        return Ok(End::Kept("it does not bear the token of the run that made it".to_owned()));
    }
    match side.act.s3.delete_object().bucket(shelf.bucket).key(key).send().await {
        Ok(_) => Ok(End::Gone),
        Err(why) => match error::trouble(why) {
            why if why.class == error::Class::Missing => Ok(End::Gone),
            why => Err(why.at(side.name("s3"), "DeleteObject")),
        },
    }
}
