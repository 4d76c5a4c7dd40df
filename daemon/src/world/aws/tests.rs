//! Where things are, and that no call leaves for a global endpoint.

use std::sync::{Arc, Mutex};

use aws_config::{
    provider_config::ProviderConfig,
    web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider},
};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::{orchestrator::HttpRequest, result::ConnectorError};

use super::*;

#[test]
fn an_arn_says_where_a_thing_is() {
    let arn =
        Arn::parse("arn:aws:rds:us-west-2:123456789012:cluster-snapshot:muster-a-b-1").unwrap();
    assert_eq!(arn.region.as_str(), "us-west-2");
    assert_eq!((arn.account.as_str(), arn.name.as_str()), ("123456789012", "muster-a-b-1"));
    for text in [
        "",
        "orders",
        "arn:aws:rds",
        "arn:aws:rds:nowhere:1:cluster:x",
        "x:aws:rds:us-west-2:1:cluster:x",
    ] {
        assert_eq!(Arn::parse(text), None, "{text}");
    }
}

/// Writes down which hosts are called, and answers nobody.
#[derive(Clone, Debug, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Recorder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let host = request.uri().split('/').nth(2).unwrap_or_default().to_owned();
        self.0.lock().unwrap().push(host);
        HttpConnectorFuture::ready(Err(ConnectorError::io("recorded".into())))
    }
}

/// An AWS that is written down and answers nobody.
fn recorded(hosts: &Recorder) -> SdkConfig {
    let made_up = Credentials::new("muster", "none", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(hosts.client())
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(
            made_up,
        ))
        .build()
}

impl Recorder {
    fn client(&self) -> SharedHttpClient {
        let connector = self.clone();
        http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()))
    }

    fn hosts(&self) -> Vec<String> {
        let mut hosts = self.0.lock().unwrap().clone();
        hosts.dedup();
        hosts
    }
}

/// Goal: a failover asks no global endpoint, and so nothing of us-east-1 (facts §5.1, §5.5).
/// Method: make every client of a region call once, take credentials by role, and look at the hosts.
#[tokio::test]
async fn every_call_goes_to_its_region() {
    let hosts = Recorder::default();
    let shared = recorded(&hosts);
    let aws = Aws::of(shared, Rates::default(), Clock::Real);
    let side = aws.side(&"us-west-2".parse().unwrap());
    let _ = side.act.rds.describe_global_clusters().send().await;
    let _ = side.act.s3.get_object().bucket("markers").key("moved").send().await;
    let _ = side.act.cloudwatch.get_metric_data().send().await;

    let token = tempfile(b"token");
    let source = ProviderConfig::empty()
        .with_region(Some(aws_config::Region::from_static("us-west-2")))
        .with_http_client(hosts.client());
    let by_role = WebIdentityTokenCredentialsProvider::builder()
        .configure(&source)
        .static_configuration(StaticConfiguration {
            web_identity_token_file: token,
            role_arn: "arn:aws:iam::123456789012:role/muster".to_owned(),
            session_name: "muster".to_owned(),
        })
        .build();
    assert!(by_role.provide_credentials().await.is_err());

    assert_eq!(
        hosts.hosts(),
        [
            "rds.us-west-2.amazonaws.com",
            "markers.s3.us-west-2.amazonaws.com",
            "monitoring.us-west-2.amazonaws.com",
            "sts.us-west-2.amazonaws.com",
        ]
    );
}

fn tempfile(text: &[u8]) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("muster-token-{}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// Goal: an irreversible call is sent once, and a read at most twice.
/// Method: count what leaves while nobody answers.
#[tokio::test]
async fn what_changes_something_is_sent_once() {
    let hosts = Recorder::default();
    let shared = recorded(&hosts).to_builder().sleep_impl(aws_smithy_async_sleep()).build();
    let aws = Aws::of(shared, Rates::default(), Clock::Real);
    let side = aws.side(&"us-west-2".parse().unwrap());
    let sent = || hosts.0.lock().unwrap().len();
    let _ = side.act.rds.failover_db_cluster().db_cluster_identifier("orders").send().await;
    assert_eq!(sent(), 1);
    let _ = side.spare.rds.describe_global_clusters().send().await;
    assert_eq!(sent(), 2);
    let _ = side.look.rds.describe_global_clusters().send().await;
    assert_eq!(sent(), 4);
}

fn aws_smithy_async_sleep() -> aws_sdk_rds::config::SharedAsyncSleep {
    #[derive(Debug)]
    struct AtOnce;
    impl aws_sdk_rds::config::AsyncSleep for AtOnce {
        fn sleep(&self, time: Duration) -> aws_sdk_rds::config::Sleep {
            // Back-off passes at once, time-outs never come.
            if time < Duration::from_secs(3) {
                aws_sdk_rds::config::Sleep::new(std::future::ready(()))
            } else {
                aws_sdk_rds::config::Sleep::new(std::future::pending())
            }
        }
    }
    aws_sdk_rds::config::SharedAsyncSleep::new(AtOnce)
}

/// Goal: no more leaves than the table says, what waits leaves in its turn, and what may not be sent any more
/// is not sent, and counts as not sent.
/// Method: at one request a second ask for five at once while a clock stands still, the last of them for
/// something that may leave within two seconds only; then move the clock.
#[tokio::test]
async fn requests_wait_for_their_turn() {
    let hosts = Recorder::default();
    let shared = recorded(&hosts).to_builder().sleep_impl(aws_smithy_async_sleep()).build();
    let rates: Rates = serde_json::from_str(r#"{ "rds": { "looks": 1, "acts": 1 } }"#).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clock");
    let now: Timestamp = "2026-03-01T02:00:00Z".parse().unwrap();
    let set = |secs| {
        let at = now + jiff::SignedDuration::from_secs(secs);
        let next = folder.path().join("next");
        std::fs::write(&next, at.to_string()).unwrap();
        std::fs::rename(&next, &file).unwrap();
    };
    set(0);
    let aws = Aws::of(shared, rates, Clock::File(file.clone()));
    let side = aws.side(&"us-west-2".parse().unwrap());
    let sent = || hosts.0.lock().unwrap().len();
    let asked: futures::stream::FuturesUnordered<_> = [60, 60, 60, 60, 2]
        .into_iter()
        .map(|secs| {
            let ask = side.act.rds.failover_db_cluster().db_cluster_identifier("orders").send();
            let until = now + jiff::SignedDuration::from_secs(secs);
            async move { error::trouble(paced::leaving_by(until, ask).await.unwrap_err()).class }
        })
        .collect();
    futures::pin_mut!(asked);
    let mut classes = Vec::new();
    for _ in 0..3 {
        classes.push(futures::StreamExt::next(&mut asked).await.unwrap());
    }
    classes.sort_by_key(|class| *class == error::Class::Busy);
    let (unknown, unsent) = (error::Class::NoAnswer, error::Class::Busy);
    assert_eq!(classes, [unknown, unknown, unsent]);
    assert_eq!(sent(), 2);
    for secs in 1..=2 {
        set(secs);
        assert_eq!(futures::StreamExt::next(&mut asked).await, Some(unknown));
        assert_eq!(sent(), 2 + secs as usize);
    }
    // What waits for something else than its turn is not sent late either.
    set(90);
    let ask = side.act.rds.failover_db_cluster().db_cluster_identifier("orders").send();
    let late = paced::leaving_by(now, ask).await.unwrap_err();
    assert_eq!((error::trouble(late).class, sent()), (unsent, 4));
}
