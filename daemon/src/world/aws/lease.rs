//! The storage of the lease: one object that is only ever written on a condition (facts §4, conditional
//! writes).

use std::sync::Arc;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use muster_runbooks::heartbeat::{self, Heartbeat};
use muster_state::{
    call::in_one_line,
    lease::{Answer, Ask, Condition, Record},
};

use super::{Side, error};
use crate::config;

/// The most of a lease that is read: it is a note of ours.
const BYTES_MAX: usize = 4_096;

/// Where the lease is. Its calls are short and tried once: when to try again, the keeper says.
#[derive(Clone, Debug)]
pub struct Store {
    side: Arc<Side>,
    bucket: String,
    key: String,
}

impl Store {
    pub(in crate::world) fn new(side: Arc<Side>, at: &config::Lease) -> Store {
        Store { side, bucket: at.bucket.clone(), key: at.key.clone() }
    }

    /// Asks once. Never fails: no answer is an answer here.
    pub async fn ask(&self, ask: &Ask) -> Answer {
        match ask {
            Ask::Read => self.read().await,
            Ask::Write { record, only } => self.write(record, only).await,
        }
    }

    /// Writes the heartbeat beside the lease, whatever stands there.
    ///
    /// # Errors
    ///
    /// When S3 does not take it, in words.
    pub async fn beat(&self, beat: &Heartbeat) -> Result<(), String> {
        let body = serde_json::to_vec(beat).map_err(|why| why.to_string())?;
        let put = self.side.spare.s3.put_object().bucket(&self.bucket);
        let key = format!("{}{}", self.key, heartbeat::KEY_SUFFIX);
        let put = put.key(key).content_type("application/json");
        let sent = put.body(body.into()).send().await.map_err(error::trouble);
        let at = || self.side.name("s3");
        sent.map(drop).map_err(|why| in_one_line(&why.at(at(), "PutObject")))
    }

    async fn read(&self) -> Answer {
        let get = self.side.spare.s3.get_object().bucket(&self.bucket).key(&self.key);
        let found = match get.send().await.map_err(error::trouble) {
            Ok(found) => found,
            Err(why) if why.class == error::Class::Missing => return Answer::Absent,
            Err(why) => return self.failed(why, "GetObject"),
        };
        let tag = found.e_tag().map(str::to_owned);
        let record = match record(found).await {
            Ok(record) => record,
            Err(because) => return self.unusable(&because),
        };
        match tag {
            Some(tag) => Answer::Found { record, tag },
            None => self.unusable("it came without a tag"),
        }
    }

    async fn write(&self, record: &Record, only: &Condition) -> Answer {
        let body = match serde_json::to_vec(record) {
            Ok(body) => body,
            Err(why) => return self.unusable(&why.to_string()),
        };
        let put = self.side.spare.s3.put_object().bucket(&self.bucket).key(&self.key);
        let put = put.content_type("application/json").body(body.into());
        let put = match only {
            Condition::Absent => put.if_none_match("*"),
            Condition::Matches(tag) => put.if_match(tag),
        };
        match put.send().await.map_err(error::trouble) {
            Ok(written) => match written.e_tag() {
                Some(tag) => Answer::Written { tag: tag.to_owned() },
                None => self.unusable("it was written and has no tag"),
            },
            Err(why) if why.code == "PreconditionFailed" => Answer::Conflict,
            // Two writes met: who won, a look tells.
            Err(why) if why.class == error::Class::Busy => Answer::Conflict,
            Err(why) if why.class == error::Class::Missing => Answer::Absent,
            Err(why) => self.failed(why, "PutObject"),
        }
    }

    fn failed(&self, why: error::Trouble, operation: &'static str) -> Answer {
        self.unusable(&in_one_line(&why.at(self.side.name("s3"), operation)))
    }

    fn unusable(&self, because: &str) -> Answer {
        let because = format!("s3://{}/{}: {because}", self.bucket, self.key);
        Answer::Failed { because }
    }
}

async fn record(mut found: GetObjectOutput) -> Result<Record, String> {
    let mut text = Vec::new();
    while let Some(piece) = found.body.next().await {
        let piece = piece.map_err(|_| "it broke off while it was read".to_owned())?;
        text.extend_from_slice(&piece);
        if text.len() > BYTES_MAX {
            return Err(format!("it has more than {BYTES_MAX} bytes and is no lease"));
        }
    }
    serde_json::from_slice(&text).map_err(|bad| format!("it is no lease: {bad}"))
}
