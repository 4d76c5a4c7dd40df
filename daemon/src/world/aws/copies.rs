//! Copies of small files: objects below a prefix, written over by newer ones.

use std::{fmt, sync::Arc};

use muster_state::call::CallError;

use super::{Side, error};
use crate::config;

/// A place for copies.
#[derive(Clone, Debug)]
pub struct Place {
    side: Arc<Side>,
    region: String,
    bucket: String,
    prefix: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{} in {}", self.bucket, self.prefix, self.region)
    }
}

impl Place {
    pub(in crate::world) fn new(side: Arc<Side>, at: &config::CopyPlace) -> Place {
        let (bucket, region) = (at.bucket.clone(), at.region.to_string());
        Place { side, region, bucket, prefix: at.prefix.trim_matches('/').to_owned() }
    }

    /// Puts a file of a kind, such as `text/html`, whatever was there before.
    ///
    /// # Errors
    ///
    /// When there is no answer, or a definite refusal.
    pub async fn put(&self, name: &str, kind: &str, file: &str) -> Result<(), CallError> {
        let put = self.side.act.s3.put_object().bucket(&self.bucket);
        let put = put.key(format!("{}/{name}", self.prefix));
        let put = put.content_type(format!("{kind}; charset=utf-8"));
        let sent = put.body(file.as_bytes().to_vec().into()).send().await;
        sent.map_err(|why| error::trouble(why).at(self.side.name("s3"), "PutObject"))?;
        Ok(())
    }
}
