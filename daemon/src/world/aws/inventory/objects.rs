//! Buckets and their rules, secrets and their replicas, and declared objects (facts §4).

use std::collections::BTreeMap;

use aws_sdk_s3::{
    operation::head_object::HeadObjectOutput,
    types::{BucketVersioningStatus, ChecksumMode, ReplicationRuleStatus, ServerSideEncryption},
};
use futures::future::join_all;
use muster_runbooks::application::{Bucket, Objects, Secret};

use super::{View, said};
use crate::world::{
    aws::{error, instant},
    inventory::{BucketSide, ObjectSide, Place, Said, SecretSide},
};

/// The bucket of the region, if there is one.
pub(super) async fn bucket(view: &View<'_>, declared: &Bucket) -> Option<(Place, BucketSide)> {
    let name = declared.buckets.get(view.region.as_str())?;
    let s3 = &view.side.look.s3;
    let (versioning, replication) = futures::join!(
        s3.get_bucket_versioning().bucket(name).send(),
        s3.get_bucket_replication().bucket(name).send(),
    );
    let versioned = match versioning {
        Ok(answer) => Ok(answer.status() == Some(&BucketVersioningStatus::Enabled)),
        Err(why) => said(Err(error::trouble(why).at(view.side.name("s3"), "GetBucketVersioning"))),
    };
    let replicates_to = match replication {
        Ok(answer) => {
            let rules = answer.replication_configuration().map(|of| of.rules()).unwrap_or_default();
            let on = rules.iter().filter(|rule| *rule.status() == ReplicationRuleStatus::Enabled);
            let to = on.filter_map(|rule| rule.destination());
            // Named by ARN: `arn:aws:s3:::NAME`.
            Ok(to.map(|to| to.bucket().rsplit(':').next().unwrap_or_default().to_owned()).collect())
        }
        Err(why) => match error::trouble(why) {
            why if why.code == "ReplicationConfigurationNotFoundError" => Ok(Vec::new()),
            why => said(Err(why.at(view.side.name("s3"), "GetBucketReplication"))),
        },
    };
    Some((view.place(&declared.name), BucketSide { versioned, replicates_to }))
}

/// The secret as the region describes it. Its value is not asked for.
pub(super) async fn secret(
    view: &View<'_>,
    declared: &Secret,
) -> (Place, Said<Option<SecretSide>>) {
    let secrets = &view.real.aws.beside(view.region).secrets;
    let found = match secrets.describe_secret().secret_id(&declared.secret).send().await {
        Ok(found) => {
            let replicas = found.replication_status().iter().filter_map(|replica| {
                let status = replica.status().map_or("without a status", |status| status.as_str());
                let said = replica.status_message().unwrap_or_default();
                Some((replica.region()?.to_owned(), (status.to_owned(), said.to_owned())))
            });
            Ok(Some(SecretSide {
                // A secret that was never replicated names no region: it is its own primary.
                primary: found.primary_region().map(str::to_owned),
                changed_at: found.last_changed_date().and_then(instant),
                replicas: replicas.collect(),
            }))
        }
        Err(why) => match error::trouble(why) {
            why if why.code == "ResourceNotFoundException" => Ok(None),
            why => said(Err(why.at(view.side.name("secretsmanager"), "DescribeSecret"))),
        },
    };
    (view.place(&declared.name), found)
}

/// The declared objects of the region, if it has a bucket for them.
pub(super) async fn declared(
    view: &View<'_>,
    objects: &Objects,
) -> Option<(Place, BTreeMap<String, Said<Option<ObjectSide>>>)> {
    let bucket = objects.buckets.get(view.region.as_str())?;
    let heads = objects.keys.iter().map(async |key| (key.clone(), head(view, bucket, key).await));
    Some((view.place(&objects.name), join_all(heads).await.into_iter().collect()))
}

async fn head(view: &View<'_>, bucket: &str, key: &str) -> Said<Option<ObjectSide>> {
    let asked = view.side.look.s3.head_object().bucket(bucket).key(key);
    match asked.checksum_mode(ChecksumMode::Enabled).send().await {
        Ok(found) => Ok(Some(object(&found))),
        Err(why) => match error::trouble(why) {
            why if why.class == error::Class::Missing => Ok(None),
            why => said(Err(why.at(view.side.name("s3"), "HeadObject"))),
        },
    }
}

fn object(found: &HeadObjectOutput) -> ObjectSide {
    let checksums = [
        ("SHA256", found.checksum_sha256()),
        ("SHA1", found.checksum_sha1()),
        ("CRC64NVME", found.checksum_crc64_nvme()),
        ("CRC32C", found.checksum_crc32_c()),
        ("CRC32", found.checksum_crc32()),
    ];
    let etag = found.e_tag().map(|etag| etag.trim_matches('"').to_owned());
    // Written in parts it is a hash of hashes, and under a key of KMS it is none (facts §4).
    let in_parts = etag.as_ref().is_some_and(|etag| etag.contains('-'));
    let plain = match found.server_side_encryption() {
        None | Some(ServerSideEncryption::Aes256) => true,
        Some(_) => false,
    };
    ObjectSide {
        modified_at: found.last_modified().and_then(instant),
        size: found.content_length().and_then(|size| size.try_into().ok()).unwrap_or_default(),
        version: found.version_id().filter(|version| *version != "null").map(str::to_owned),
        etag,
        checksums: checksums
            .into_iter()
            .filter_map(|(name, sum)| Some((name.to_owned(), sum?.to_owned())))
            .collect(),
        etag_is_content: plain && !in_parts,
    }
}
