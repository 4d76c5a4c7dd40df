//! What lies in a bucket, page by page: every version and every delete marker (facts §4).

mod decode;
mod page;
mod plain;

use std::{
    fmt,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use aws_sdk_s3::{
    Client,
    operation::head_object::HeadObjectOutput,
    primitives::{ByteStream, SdkBody},
    types::{ChecksumMode, EncodingType, ServerSideEncryption},
};
use aws_smithy_runtime_api::client::{
    interceptors::{
        Intercept, context::BeforeDeserializationInterceptorContextMut, dyn_dispatch_hint,
    },
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::config_bag::ConfigBag;
use muster_runbooks::name::Region;
use muster_state::call::{BoxError, CallError, in_one_line};

use self::decode::{Decoder, Flaw};
pub use self::page::Page;
use super::{Aws, error};

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
    pub async fn page(&self, after: &Marker, most: u16) -> Result<Page, CallError> {
        let mut tries = 1;
        loop {
            let body = self.versions(after, most).await?;
            match read(body, after, most).await {
                Ok(page) => return Ok(page),
                // The SDK tries again until it has an answer; what comes after its head is ours.
                Err(Unread::Cut(_)) if tries < BODIES_MAX => tries += 1,
                Err(why) => {
                    return Err(CallError::NoAnswer {
                        service: self.service.clone(),
                        operation: LIST,
                        source: format!("bucket `{}`: {why}", self.bucket).into(),
                    });
                }
            }
        }
    }

    /// Asks for a page; answers its body as it comes in.
    async fn versions(&self, after: &Marker, most: u16) -> Result<SdkBody, CallError> {
        let aside = Aside::default();
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
            .max_keys(most.into())
            .customize()
            .interceptor(aside.clone())
            .send()
            .await;
        sent.map_err(|why| self.failed(why, LIST))?;
        // Without a body there is nothing to read, and a page that ends before its end.
        Ok(aside.take().unwrap_or_else(SdkBody::empty))
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

/// What a page is asked for by.
const LIST: &str = "ListObjectVersions";

/// How often a page is asked for again when its body breaks off.
const BODIES_MAX: u32 = 4;

/// Takes the body out of an answer before the SDK reads it. Signing, endpoints, credentials, throttling
/// and errors stay the SDK's; only what costs, a thousand entries as owned values, is not.
#[derive(Clone, Debug, Default)]
struct Aside(Arc<Mutex<Option<SdkBody>>>);

impl Aside {
    fn take(&self) -> Option<SdkBody> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[dyn_dispatch_hint]
impl Intercept for Aside {
    fn name(&self) -> &'static str {
        "Aside"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if response.status().is_success() {
            let empty = SdkBody::from("<ListVersionsResult/>");
            let body = std::mem::replace(response.body_mut(), empty);
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
        Ok(())
    }
}

/// Why a body is no page.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("its list breaks off: {0}")]
    Cut(String),
    #[error("{0}")]
    Malformed(&'static str),
}

/// Reads a page while its body comes in, a piece at a time.
async fn read(body: SdkBody, after: &Marker, most: u16) -> Result<Page, Unread> {
    let mut body = ByteStream::new(body);
    let mut decoder = Decoder::new(most.into());
    let flaw = |flaw| match flaw {
        Flaw::Cut => Unread::Cut("it has no end".to_owned()),
        Flaw::Malformed(what) => Unread::Malformed(what),
    };
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|why| Unread::Cut(in_one_line(&why)))?;
        decoder.feed(&piece).map_err(flaw)?;
    }
    decoder.finish(after).map_err(flaw)
}
