//! What lies in a bucket, page by page: every version and every delete marker (facts §4).

use std::{fmt, sync::LazyLock};

use aws_sdk_s3::{
    Client,
    operation::{head_object::HeadObjectOutput, list_object_versions::ListObjectVersionsOutput},
    types::{ChecksumMode, DeleteMarkerEntry, EncodingType, ObjectVersion, ServerSideEncryption},
};
use muster_runbooks::name::Region;
use muster_state::call::CallError;
use percent_encoding::percent_decode_str;

use super::{Aws, error};
use crate::compare::judge::{Version, What};

/// Every region knows where a bucket is; this one is asked when nobody says another.
static ANY_REGION: LazyLock<Option<Region>> = LazyLock::new(|| "us-east-1".parse().ok());

/// A bucket, or what lies below a prefix of it.
#[derive(Clone, Debug)]
pub struct Shelf {
    client: Client,
    /// Its name.
    pub bucket: String,
    prefix: Option<String>,
    service: String,
}

/// The region of a bucket. S3 names it in whatever it answers; else it is taken to be where the
/// environment says.
pub async fn region_of(aws: &Aws, bucket: &str) -> Option<Region> {
    let near = aws.region();
    let client = aws.bulk(near.as_ref().or(ANY_REGION.as_ref())?);
    let named = match client.head_bucket().bucket(bucket).send().await {
        Ok(answer) => answer.bucket_region,
        // A bucket that is elsewhere is named in the header of the refusal.
        Err(why) => {
            let header =
                why.raw_response().and_then(|raw| raw.headers().get("x-amz-bucket-region"));
            header.map(str::to_owned)
        }
    };
    named.and_then(|name| name.parse().ok()).or(near)
}

/// Where a page begins: behind this.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Marker {
    /// The key.
    pub key: String,
    /// One of its versions; all of them when `None`.
    pub version: Option<String>,
}

/// One page.
#[derive(Debug)]
pub struct Page {
    /// The versions in the order of their keys.
    pub versions: Vec<(String, Version)>,
    /// Where the next one begins; `None` after the last.
    pub next: Option<Marker>,
}

/// How a bucket encrypts what is put into it without a word about that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Encryption {
    /// With keys of S3 itself. What AWS does by default.
    S3,
    /// With a key of KMS: entity tags are no checksums then.
    Kms,
    /// Something else, by its name.
    Other(String),
}

/// What one version says of itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// Its checksums, such as `SHA256` and the value.
    pub checksums: Vec<(&'static str, String)>,
    /// How it is encrypted.
    pub encryption: Option<String>,
    /// Its replication status.
    pub replication: Option<String>,
    /// Its entity tag.
    pub etag: Option<String>,
}

impl Shelf {
    /// A bucket in a region.
    pub fn new(client: Client, bucket: &str, prefix: Option<&str>, region: &Region) -> Shelf {
        Shelf {
            client,
            bucket: bucket.to_owned(),
            prefix: prefix.map(str::to_owned),
            service: format!("s3 {region}"),
        }
    }

    /// The prefix that all its keys have.
    pub fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// The page behind a marker, with at most `most` entries.
    ///
    /// # Errors
    ///
    /// Without an answer, on a refusal, and when the answer is no listing that can be trusted: keys
    /// out of order, or a marker that does not move on.
    pub async fn page(&self, after: &Marker, most: i32) -> Result<Page, CallError> {
        let key = Some(after.key.clone()).filter(|key| !key.is_empty());
        let sent = self
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .set_prefix(self.prefix.clone())
            .set_key_marker(key)
            .set_version_id_marker(after.version.clone())
            // A key may hold letters that XML cannot.
            .encoding_type(EncodingType::Url)
            .max_keys(most)
            .send()
            .await;
        let answer = sent.map_err(|why| self.failed(why, "ListObjectVersions"))?;
        page(answer, after).map_err(|what| CallError::NoAnswer {
            service: self.service.clone(),
            operation: "ListObjectVersions",
            source: format!("bucket `{}`: {what}", self.bucket).into(),
        })
    }

    /// How the bucket encrypts by default.
    ///
    /// # Errors
    ///
    /// Without an answer, or when it may not be read.
    pub async fn encryption(&self) -> Result<Encryption, CallError> {
        let sent = self.client.get_bucket_encryption().bucket(&self.bucket).send().await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(why) => {
                let why = error::trouble(why);
                // AWS encrypts with keys of S3 where nothing was said.
                if why.code == "ServerSideEncryptionConfigurationNotFoundError" {
                    return Ok(Encryption::S3);
                }
                return Err(why.at(self.service.clone(), "GetBucketEncryption"));
            }
        };
        let rules = answer.server_side_encryption_configuration.map(|all| all.rules);
        let rules = rules.into_iter().flatten();
        let mut algorithms = rules
            .filter_map(|rule| rule.apply_server_side_encryption_by_default)
            .map(|by_default| by_default.sse_algorithm);
        Ok(match algorithms.next() {
            None | Some(ServerSideEncryption::Aes256) => Encryption::S3,
            Some(ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse) => {
                Encryption::Kms
            }
            Some(other) => Encryption::Other(other.as_str().to_owned()),
        })
    }

    /// What one version says of itself.
    ///
    /// # Errors
    ///
    /// Without an answer, or on a refusal.
    pub async fn head(&self, key: &str, version: &str) -> Result<Head, CallError> {
        let version = (version != "null").then(|| version.to_owned());
        let sent = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        sent.map(head).map_err(|why| self.failed(why, "HeadObject"))
    }

    fn failed<E>(
        &self,
        why: aws_sdk_s3::error::SdkError<
            E,
            aws_smithy_runtime_api::client::orchestrator::HttpResponse,
        >,
        operation: &'static str,
    ) -> CallError
    where
        E: aws_smithy_types::error::metadata::ProvideErrorMetadata
            + std::error::Error
            + Send
            + Sync
            + 'static,
    {
        error::trouble(why).at(self.service.clone(), operation)
    }
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix.as_deref().unwrap_or_default())
    }
}

fn head(output: HeadObjectOutput) -> Head {
    let checksums = [
        ("CRC32", output.checksum_crc32),
        ("CRC32C", output.checksum_crc32_c),
        ("CRC64NVME", output.checksum_crc64_nvme),
        ("SHA1", output.checksum_sha1),
        ("SHA256", output.checksum_sha256),
    ];
    Head {
        checksums: checksums.into_iter().filter_map(|(name, sum)| Some((name, sum?))).collect(),
        encryption: output.server_side_encryption.map(|sse| sse.as_str().to_owned()),
        replication: output.replication_status.map(|status| status.as_str().to_owned()),
        etag: output.e_tag,
    }
}

/// One page out of an answer. Objects and delete markers come in two lists, each in order.
fn page(answer: ListObjectVersionsOutput, after: &Marker) -> Result<Page, &'static str> {
    let is_encoded = answer.encoding_type.is_some();
    let objects = answer.versions.unwrap_or_default().into_iter();
    let objects = objects.map(|object| object_version(object, is_encoded));
    let markers = answer.delete_markers.unwrap_or_default().into_iter();
    let markers = markers.map(|marker| delete_marker(marker, is_encoded));
    let versions = merged(objects.collect::<Option<Vec<_>>>(), markers.collect::<Option<Vec<_>>>());
    let versions = versions.ok_or("an entry of its list has no key")?;
    let begins = versions
        .first()
        .is_none_or(|(key, _)| *key > after.key || (after.version.is_some() && *key == after.key));
    if !begins || !versions.is_sorted_by(|one, other| one.0 <= other.0) {
        return Err("its list is not in the order of keys");
    }
    if answer.is_truncated != Some(true) {
        return Ok(Page { versions, next: None });
    }
    let key = answer.next_key_marker.ok_or("its list goes on and does not say where")?;
    let next = Marker { key: decoded(key, is_encoded), version: answer.next_version_id_marker };
    if next.key < after.key || next == *after {
        return Err("its list does not move on: a page token repeats");
    }
    Ok(Page { versions, next: Some(next) })
}

fn object_version(object: ObjectVersion, is_encoded: bool) -> Option<(String, Version)> {
    let version = Version {
        id: object.version_id.unwrap_or_else(|| "null".to_owned()),
        what: What::Object {
            size: object.size.unwrap_or_default(),
            etag: object.e_tag.unwrap_or_default(),
        },
        is_latest: object.is_latest.unwrap_or(true),
    };
    Some((decoded(object.key?, is_encoded), version))
}

fn delete_marker(marker: DeleteMarkerEntry, is_encoded: bool) -> Option<(String, Version)> {
    let version = Version {
        id: marker.version_id.unwrap_or_else(|| "null".to_owned()),
        what: What::DeleteMarker,
        is_latest: marker.is_latest.unwrap_or(true),
    };
    Some((decoded(marker.key?, is_encoded), version))
}

type Entries = Vec<(String, Version)>;

fn merged(objects: Option<Entries>, markers: Option<Entries>) -> Option<Entries> {
    let (mut objects, mut markers) = (objects?, markers?);
    if !markers.is_empty() {
        objects.append(&mut markers);
        objects.sort_by(|one, other| one.0.cmp(&other.0));
    }
    Some(objects)
}

/// S3 writes a space as `+` where it encodes, as forms do.
fn decoded(text: String, is_encoded: bool) -> String {
    if !is_encoded || !text.contains(['%', '+']) {
        return text;
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}
