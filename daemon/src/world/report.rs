//! What a `muster observe` says, signed together with the number that was asked along.
//!
//! The number is drawn anew for every question, so an answer can be neither forged on the way nor kept for
//! later. Ages and not instants stand in it: the clock of whoever watches is nobody's.

use std::{collections::BTreeMap, time::Duration};

use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};
use muster_runbooks::{
    application::detection::PublicKey,
    name::{ApplicationName, Region},
};
use muster_state::{call::in_one_line, detect::Sees};
use reqwest::Client;
use serde::{Deserialize, Serialize};

use super::http::allowed;
use super::observers::{Seen, unknown};
use crate::signing::{SigningKey, hex, is_signed, unhex};

/// The version of what is signed.
const VERSION: u32 = 1;

/// A report has few lines; whoever sends more is no observer.
const BYTES_MAX: usize = 16 * 1024;

/// What an observer looked at longer ago says nothing about now.
const AGE_MAX: SignedDuration = SignedDuration::from_secs(30);

/// The longest that one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What is signed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The version of these fields.
    pub v: u32,
    /// Who says so.
    pub observer: String,
    /// The number that was asked along.
    pub nonce: String,
    /// The application.
    pub application: ApplicationName,
    /// Per region what was seen.
    pub regions: BTreeMap<Region, Line>,
}

/// What was seen of one region.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What it looks like from there.
    pub sees: Sees,
    /// How long ago that was seen, in seconds.
    pub age_secs: u64,
    /// For how long it has looked so, in seconds.
    pub for_secs: u64,
    /// In a few words, why.
    pub why: String,
}

/// A report with its signature.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The report as JSON, exactly as it was signed.
    pub report: String,
    /// The Ed25519 signature over these bytes, in hexadecimal digits.
    pub signature: String,
}

/// Signs a report.
pub fn sign(key: &SigningKey, report: &Report) -> Signed {
    let report = serde_json::to_string(report).unwrap_or_default();
    let signature = hex(&key.sign(report.as_bytes()));
    Signed { report, signature }
}

/// The report of a fresh question.
pub fn fresh(observer: &str, nonce: &str, application: &ApplicationName) -> Report {
    Report {
        v: VERSION,
        observer: observer.to_owned(),
        nonce: nonce.to_owned(),
        application: application.clone(),
        regions: BTreeMap::new(),
    }
}

/// Asks an observer about a region.
pub(super) async fn ask(
    client: &Client,
    url: &str,
    key: &PublicKey,
    application: &ApplicationName,
    region: &Region,
    now: Timestamp,
) -> Seen {
    let mut bytes = [0; 16];
    if rand::fill(&mut bytes).is_err() {
        return unknown("the machine gives no random number to ask along");
    }
    let nonce = hex(&bytes);
    let answer = match fetch(client, url, application, &nonce).await {
        Ok(answer) => answer,
        Err(why) => return unknown(why),
    };
    match verify(&answer, key, application, &nonce) {
        Ok(report) => read(&report, region, now),
        Err(why) => unknown(why.to_string()),
    }
}

async fn fetch(
    client: &Client,
    url: &str,
    application: &ApplicationName,
    nonce: &str,
) -> Result<Vec<u8>, String> {
    let mut url = allowed(url)?;
    url.query_pairs_mut()
        .append_pair("application", application.as_str())
        .append_pair("nonce", nonce);
    let sent = client.get(url).timeout(ANSWER_WITHIN).send().await;
    let mut answer = sent.map_err(|why| in_one_line(&why.without_url()))?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|why| in_one_line(&why.without_url()))? {
        if bytes.len() + chunk.len() > BYTES_MAX {
            return Err(format!("it says more than {BYTES_MAX} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Why a report is not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unbelieved {
    /// It cannot be read.
    #[error("it says nothing that can be read")]
    Unreadable,
    /// The signature is not of this key.
    #[error("its signature is not of the key that is declared")]
    Signature,
    /// It was made for another question.
    #[error("it answers another question")]
    Replayed,
    /// A newer program wrote it.
    #[error("its report has version {0}; this program reads {VERSION}")]
    Version(u32),
}

/// Believes an answer, or says why not. Nothing in it is looked at before its signature was.
///
/// # Errors
///
/// With the reason.
pub fn verify(
    answer: &[u8],
    key: &PublicKey,
    application: &ApplicationName,
    nonce: &str,
) -> Result<Report, Unbelieved> {
    let signed: Signed = serde_json::from_slice(answer).map_err(|_| Unbelieved::Unreadable)?;
    let signature = unhex(&signed.signature).ok_or(Unbelieved::Unreadable)?;
    if !is_signed(signed.report.as_bytes(), &signature, key) {
        return Err(Unbelieved::Signature);
    }
    let report: Report =
        serde_json::from_str(&signed.report).map_err(|_| Unbelieved::Unreadable)?;
    if report.v != VERSION {
        return Err(Unbelieved::Version(report.v));
    }
    if report.nonce != nonce || report.application != *application {
        return Err(Unbelieved::Replayed);
    }
    Ok(report)
}

fn read(report: &Report, region: &Region, now: Timestamp) -> Seen {
    let Some(line) = report.regions.get(region) else {
        return unknown("does not watch this region");
    };
    let length = |secs: u64| SignedDuration::from_secs(i64::try_from(secs).unwrap_or(i64::MAX));
    if length(line.age_secs) > AGE_MAX {
        return unknown(format!("it last looked {} s ago", line.age_secs));
    }
    let since = now.checked_sub(length(line.for_secs)).ok();
    (line.sees, since.filter(|_| line.sees == Sees::Lost), line.why.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> ApplicationName {
        "shop".parse().unwrap()
    }

    fn line(sees: Sees, age_secs: u64) -> Line {
        Line { sees, age_secs, for_secs: 12, why: "503".to_owned() }
    }

    /// Goal: nothing but a fresh report of the declared key is believed.
    /// Method: one that is, and one each that is changed, of another key, of another question, of a newer
    /// version, and no report at all.
    #[test]
    fn what_is_believed() {
        let (key, kept) = SigningKey::make().unwrap();
        let key = {
            drop(key);
            SigningKey::read(&kept).unwrap()
        };
        let public: PublicKey = key.public().to_string().parse().unwrap();
        let mut report = fresh("outside", "4711", &shop());
        let east: Region = "us-east-1".parse().unwrap();
        report.regions.insert(east.clone(), line(Sees::Lost, 3));
        let bytes = |signed: &Signed| serde_json::to_vec(signed).unwrap();
        let signed = sign(&key, &report);
        let believed = verify(&bytes(&signed), &public, &shop(), "4711").unwrap();
        assert_eq!(believed, report);
        let now: Timestamp = "2026-03-02T01:00:00Z".parse().unwrap();
        let (sees, since, _) = read(&believed, &east, now);
        assert_eq!((sees, since), (Sees::Lost, Some(now - SignedDuration::from_secs(12))));

        let refused =
            |answer: &[u8], key: &PublicKey, application: &ApplicationName, nonce: &str| {
                verify(answer, key, application, nonce).unwrap_err()
            };
        let mut changed = signed.clone();
        changed.report = changed.report.replace("lost", "healthy");
        assert_eq!(refused(&bytes(&changed), &public, &shop(), "4711"), Unbelieved::Signature);
        let other = SigningKey::make().unwrap().0.public();
        assert_eq!(refused(&bytes(&signed), &other, &shop(), "4711"), Unbelieved::Signature);
        assert_eq!(refused(&bytes(&signed), &public, &shop(), "4712"), Unbelieved::Replayed);
        let elsewhere = "blog".parse().unwrap();
        assert_eq!(refused(&bytes(&signed), &public, &elsewhere, "4711"), Unbelieved::Replayed);
        let newer = sign(&key, &Report { v: 2, ..report.clone() });
        assert_eq!(refused(&bytes(&newer), &public, &shop(), "4711"), Unbelieved::Version(2));
        assert_eq!(refused(b"<html>", &public, &shop(), "4711"), Unbelieved::Unreadable);
    }

    /// Goal: what was seen too long ago, or not at all, is unknown.
    #[test]
    fn what_is_too_old() {
        let mut report = fresh("outside", "4711", &shop());
        let (east, west): (Region, Region) =
            ("us-east-1".parse().unwrap(), "us-west-2".parse().unwrap());
        report.regions.insert(east.clone(), line(Sees::Healthy, 31));
        for region in [east, west] {
            assert_eq!(read(&report, &region, Timestamp::UNIX_EPOCH).0, Sees::Unknown, "{region}");
        }
    }
}
