//! What STS answers, and what becomes of it.

use std::sync::{Arc, Mutex};

use aws_config::BehaviorVersion;
use aws_sdk_rds::config::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::json;

use super::*;
use crate::{clock::Clock, world::rates::Rates};

const GIVEN: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <AssumeRoleResult><Credentials><AccessKeyId>ASIAGIVEN</AccessKeyId>\
    <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
    <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

/// An error of STS as it was recorded.
fn refusal(code: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>it says {code}</Message></Error></ErrorResponse>"
    )
}

const SNAPSHOTS: &str = "<DescribeDBClusterSnapshotsResponse \
    xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DescribeDBClusterSnapshotsResult>\
    <DBClusterSnapshots/></DescribeDBClusterSnapshotsResult></DescribeDBClusterSnapshotsResponse>";

/// Answers STS as it is told and RDS with an empty list; writes down who was asked, and by which key.
#[derive(Clone, Debug)]
struct Recorded {
    status: u16,
    answer: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl HttpConnector for Recorded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let host = request.uri().split('/').nth(2).unwrap_or_default().to_owned();
        let signed = request.headers().get("authorization").unwrap_or_default();
        let key = signed.split("Credential=").nth(1).and_then(|rest| rest.split('/').next());
        self.asked.lock().unwrap().push(format!("{host} {}", key.unwrap_or_default()));
        let (status, body) = if host.starts_with("sts.") {
            (self.status, self.answer.clone())
        } else {
            (200, SNAPSHOTS.to_owned())
        };
        let status = StatusCode::try_from(status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

/// Lists in the vault twice while STS answers so; what came of it, and who was asked.
async fn ask(status: u16, answer: &str) -> (Result<(), CallError>, Vec<String>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let connector = Recorded { status, answer: answer.to_owned(), asked: Arc::clone(&asked) };
    let client = http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()));
    let own = Credentials::new("AKIAOWN", "none", None, None, "test");
    let shared = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(client)
        .credentials_provider(own)
        .region(aws_config::Region::from_static("eu-central-1"))
        .load()
        .await;
    let aws = Aws::of(shared, Rates::default(), Clock::Real);
    let vault: Vault = serde_json::from_value(json!({
        "account": "999988887777", "region": "us-west-2",
        "role": "arn:aws:iam::999988887777:role/muster-vault",
        "key": "arn:aws:kms:us-west-2:999988887777:key/a",
    }))
    .unwrap();
    let mut result = Ok(());
    for _ in 0..2 {
        let side = aws.assumed(&vault, &vault.role, "r00000000001").await.unwrap();
        let sent = side.act.rds.describe_db_cluster_snapshots().send().await;
        let name = side.name("rds");
        result = sent.map(drop).map_err(|why| error::trouble(why).at(name, "Describe"));
    }
    let asked = asked.lock().unwrap().clone();
    (result, asked)
}

/// Goal: a role is taken at the vault's own STS, once, and its keys sign what is asked there.
#[tokio::test]
async fn a_role_is_taken_once_in_its_region() {
    let (result, asked) = ask(200, GIVEN).await;
    result.unwrap();
    assert_eq!(
        asked,
        [
            "sts.us-west-2.amazonaws.com AKIAOWN",
            "rds.us-west-2.amazonaws.com ASIAGIVEN",
            "rds.us-west-2.amazonaws.com ASIAGIVEN",
        ]
    );
}

/// Goal: what STS refuses for good ends the step with the role's name and what to do; what our own keys lack
/// is for a person; what it does not answer is no answer. Nothing is asked of RDS meanwhile.
#[tokio::test]
async fn what_sts_says_is_told_apart() {
    let (result, asked) = ask(403, &refusal("AccessDenied")).await;
    let refused = result.unwrap_err();
    let CallError::Refused { service, code, message, .. } = &refused else { panic!("{refused}") };
    assert_eq!(
        (service.as_str(), code.as_str()),
        ("rds us-west-2 of 999988887777", "AccessDenied")
    );
    for part in ["role/muster-vault", "it says AccessDenied", "hint: its trust policy"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(asked.iter().all(|host| host.starts_with("sts.us-west-2.")), "{asked:?}");

    let (result, _) = ask(403, &refusal("ExpiredTokenException")).await;
    let expired = result.unwrap_err();
    assert!(matches!(expired, CallError::Credentials { .. }), "{expired}");
    let (result, _) = ask(503, &refusal("ServiceUnavailable")).await;
    let silent = result.unwrap_err();
    assert!(matches!(silent, CallError::NoAnswer { .. }), "{silent}");
}
