//! AWS as the rest of the program sees it: one set of clients per region, and never a global endpoint
//! but for `weigh-traffic` (facts §5.1).

pub mod alarm;
mod assumed;
pub mod beside;
pub mod bucket;
pub mod build;
pub mod cache;
pub mod comparison;
pub mod copies;
pub mod datastore;
pub mod endpoint;
pub mod error;
pub mod expiry;
pub mod export;
pub mod global;
pub mod instance;
pub mod inventory;
pub mod lag;
pub mod lease;
pub mod listing;
pub mod marker;
pub mod objects;
pub mod paced;
pub mod poller;
mod quota;
pub mod readiness;
pub mod rebuild;
pub mod record;
pub mod replica;
pub mod replication;
pub mod restore;
pub mod secret;
pub mod ship;
pub mod snapshot;
pub mod teardown;
pub mod vault;
pub mod write_lease;
pub mod writer;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_rds::config::{
    Credentials, SharedHttpClient,
    retry::{RetryConfig, RetryPartition},
    timeout::TimeoutConfig,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use jiff::Timestamp;
use muster_runbooks::{
    application::{Component, Database},
    name::Region,
};
use muster_state::call::{Call, CallError};

use super::rates::{Kind, Rates, Service};
use crate::clock::Clock;

/// How AWS is reached.
#[derive(Clone, Debug)]
pub enum Access {
    /// The AWS way: environment, profiles, roles, `AWS_ENDPOINT_URL[_SERVICE]`.
    Environment,
    /// The AWS way, and all services at one address.
    At {
        /// Its address.
        endpoint: String,
    },
    /// An emulator, with made-up credentials.
    Emulator {
        /// Its address, such as `http://127.0.0.1:5000`.
        endpoint: String,
    },
}

/// All regions.
#[derive(Debug)]
pub struct Aws {
    shared: SdkConfig,
    /// S3 of an emulator has no host name per bucket.
    path_style: bool,
    sides: Mutex<BTreeMap<Region, Arc<Side>>>,
    beside: Mutex<BTreeMap<Region, Arc<beside::Beside>>>,
    assumed: assumed::Sessions,
    turns: paced::Turns,
}

/// One region. Which client a call takes decides how often and how long the SDK tries.
#[derive(Debug)]
pub struct Side {
    /// The region.
    pub region: Region,
    /// The account, where it is another than the process's own.
    pub account: Option<String>,
    /// For reads: a second try inside one call, and a retry budget of their own.
    pub look: Clients,
    /// For what changes something: one try. A retry after a lost answer would look like somebody
    /// else's work (facts §0.9), and pollers must not use up its budget (facts §8).
    pub act: Clients,
    /// For best-effort calls to the side being left: one short try.
    pub spare: Clients,
}

/// A region and, where it is another than the process's own, the account.
pub(super) type Seat = (Region, Option<String>);

/// The services of one region.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Aurora.
    pub rds: aws_sdk_rds::Client,
    /// Markers and canaries.
    pub s3: aws_sdk_s3::Client,
    /// Replication lag.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// Alarms, which CloudWatch answers at a rate of their own.
    pub alarms: aws_sdk_cloudwatch::Client,
}

/// How patient a client is.
#[derive(Clone, Copy, Debug)]
struct Patience {
    name: &'static str,
    attempts: u32,
    connect_secs: u64,
    attempt_secs: u64,
    operation_secs: u64,
    /// How long each attempt waits for its turn. Beyond that nothing is sent, and it is asked again later.
    turn_secs: u64,
    kind: Kind,
}

const LOOK: Patience = Patience {
    name: "look",
    attempts: 2,
    connect_secs: 3,
    attempt_secs: 5,
    operation_secs: 12,
    turn_secs: 5,
    kind: Kind::Look,
};
/// It waits for its turn as long as it may be sent at all: see [`paced::leaving_by`].
const ACT: Patience = Patience {
    name: "act",
    attempts: 1,
    connect_secs: 3,
    attempt_secs: 8,
    operation_secs: 8,
    turn_secs: 300,
    kind: Kind::Act,
};
/// Design §3.8: 10 s at most a call.
const SPARE: Patience = Patience {
    name: "spare",
    attempts: 1,
    connect_secs: 2,
    attempt_secs: 5,
    operation_secs: 8,
    turn_secs: 1,
    kind: Kind::Look,
};

/// For long listings, that no failover waits for: throttling is waited out.
const BULK: Patience = Patience {
    name: "bulk",
    attempts: 10,
    connect_secs: 5,
    attempt_secs: 60,
    operation_secs: 240,
    turn_secs: 60,
    kind: Kind::Look,
};

/// Where Route 53's control plane is, and the region that its calls are signed for (facts §5.1).
const ROUTE53_REGION: &str = "us-east-1";

impl Aws {
    /// Reads how AWS is reached. Asks nobody yet but the machine's own credentials endpoint. Requests wait
    /// for their turns under `rates` and by `clock`.
    pub async fn load(access: &Access, rates: Rates, clock: Clock) -> Aws {
        // Pinned: a later version may change time-outs and retries under us.
        let loader =
            aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(default_client());
        let shared = match access {
            Access::Environment => loader.load().await,
            Access::At { endpoint } => loader.endpoint_url(endpoint).load().await,
            Access::Emulator { endpoint } => {
                let made_up = Credentials::new("muster", "none", None, None, "emulator");
                let home = aws_config::Region::from_static("us-west-2");
                loader
                    .endpoint_url(endpoint)
                    .credentials_provider(made_up)
                    .region(home)
                    .load()
                    .await
            }
        };
        let overridden = std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let path_style = overridden || shared.endpoint_url().is_some();
        Aws { path_style, ..Aws::of(shared, rates, clock) }
    }

    fn of(shared: SdkConfig, rates: Rates, clock: Clock) -> Aws {
        Aws {
            shared,
            turns: paced::Turns::new(rates, clock),
            path_style: false,
            sides: Mutex::default(),
            beside: Mutex::default(),
            assumed: assumed::Sessions::default(),
        }
    }

    /// One region's clients.
    pub fn side(&self, region: &Region) -> Arc<Side> {
        let mut sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(self.made(&self.shared, region, None));
        sides.entry(region.clone()).or_insert_with(made).clone()
    }

    /// The clients of a region with whatever credentials `shared` has.
    fn made(&self, shared: &SdkConfig, region: &Region, account: Option<&str>) -> Side {
        let seat = account.map_or_else(|| region.to_string(), |of| format!("{region}-{of}"));
        let clients = |patience| self.clients(shared, region, &seat, patience);
        Side {
            region: region.clone(),
            account: account.map(str::to_owned),
            look: clients(LOOK),
            act: clients(ACT),
            spare: clients(SPARE),
        }
    }

    /// Route 53's control plane. Nothing in a failover or failback calls it.
    pub(super) fn route53(&self) -> aws_sdk_route53::Client {
        let config = aws_sdk_route53::config::Builder::from(&self.shared)
            .region(aws_config::Region::from_static(ROUTE53_REGION))
            .retry_config(ACT.retries())
            .retry_partition(RetryPartition::new("muster-act-route53"))
            .timeout_config(ACT.limits());
        let config = config.http_client(self.paced(Service::Route53, ROUTE53_REGION, ACT)).build();
        aws_sdk_route53::Client::from_conf(config)
    }

    /// A client for long listings.
    pub fn bulk(&self, region: &Region) -> aws_sdk_s3::Client {
        self.s3(&self.shared, region, region.as_str(), BULK)
    }

    /// The region that the environment names, if any.
    pub fn region(&self) -> Option<Region> {
        self.shared.region()?.as_ref().parse().ok()
    }

    fn s3(
        &self,
        shared: &SdkConfig,
        region: &Region,
        seat: &str,
        patience: Patience,
    ) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(shared)
            .region(aws_config::Region::new(region.as_str().to_owned()))
            .force_path_style(self.path_style)
            .retry_config(patience.retries())
            .retry_partition(patience.partition("s3", seat))
            .timeout_config(patience.limits())
            .http_client(self.paced(Service::S3, seat, patience))
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    fn clients(
        &self,
        shared: &SdkConfig,
        region: &Region,
        seat: &str,
        patience: Patience,
    ) -> Clients {
        let at = aws_config::Region::new(region.as_str().to_owned());
        let (retries, limits) = (patience.retries(), patience.limits());
        let rds = aws_sdk_rds::config::Builder::from(shared)
            .region(at.clone())
            .retry_config(retries.clone())
            .retry_partition(patience.partition("rds", seat))
            .timeout_config(limits.clone())
            .http_client(self.paced(Service::Rds, seat, patience))
            .build();
        let cloudwatch = aws_sdk_cloudwatch::config::Builder::from(shared)
            .region(at)
            .retry_config(retries)
            .retry_partition(patience.partition("cloudwatch", seat))
            .timeout_config(limits);
        let metrics = self.paced(Service::Metrics, seat, patience);
        let alarms = self.paced(Service::Alarms, seat, patience);
        let cloudwatch = |turns| {
            aws_sdk_cloudwatch::Client::from_conf(cloudwatch.clone().http_client(turns).build())
        };
        Clients {
            rds: aws_sdk_rds::Client::from_conf(rds),
            s3: self.s3(shared, region, seat, patience),
            alarms: cloudwatch(alarms),
            cloudwatch: cloudwatch(metrics),
        }
    }
}

impl Aws {
    /// The client below the SDK: its requests wait for their turns.
    fn paced(&self, service: Service, seat: &str, patience: Patience) -> SharedHttpClient {
        let inner = self.shared.http_client().unwrap_or_else(default_client);
        let at_most = Duration::from_secs(patience.turn_secs);
        self.turns.of(inner, (service, seat.to_owned(), patience.kind), at_most)
    }
}

/// The SDK's own default, named so that turns can be put before it.
fn default_client() -> SharedHttpClient {
    let tls = Provider::Rustls(CryptoMode::AwsLc);
    aws_smithy_http_client::Builder::new().tls_provider(tls).build_https()
}

impl Patience {
    fn retries(self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(self.attempts)
            .with_max_backoff(Duration::from_secs(2))
    }

    /// Each kind of call has a retry budget of its own per service, region and account.
    fn partition(self, service: &str, seat: &str) -> RetryPartition {
        RetryPartition::new(format!("muster-{}-{service}-{seat}", self.name))
    }

    /// Without these a call to a dead region hangs (facts §8). The wait for a turn comes on top: it is no
    /// silence of the service, which `connect` and `read` alone would notice.
    fn limits(self) -> TimeoutConfig {
        let with_turn = |secs| Duration::from_secs(secs + self.turn_secs);
        TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(self.connect_secs))
            .read_timeout(Duration::from_secs(self.attempt_secs))
            .operation_attempt_timeout(with_turn(self.attempt_secs))
            .operation_timeout(with_turn(self.operation_secs))
            .build()
    }
}

impl Side {
    /// The clients for a read that belongs to `call`.
    pub fn looks_for(&self, call: &Call) -> &Clients {
        if call.best_effort { &self.spare } else { &self.look }
    }

    /// What errors and people call a service of this region.
    pub fn name(&self, service: &str) -> String {
        match &self.account {
            None => format!("{service} {}", self.region),
            Some(account) => format!("{service} {} of {account}", self.region),
        }
    }

    /// Whose lists it reads.
    pub(super) fn seat(&self) -> Seat {
        (self.region.clone(), self.account.clone())
    }
}

/// The parts of an ARN that decide where something is: read from it and never from configuration
/// (facts §10, OVH).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arn {
    /// The region.
    pub region: Region,
    /// The account.
    pub account: String,
    /// The last part.
    pub name: String,
}

impl Arn {
    /// Reads `arn:aws:rds:REGION:ACCOUNT:KIND:NAME`.
    pub fn parse(text: &str) -> Option<Arn> {
        let mut parts = text.splitn(7, ':');
        let ("arn", Some(_), Some(_)) = (parts.next()?, parts.next(), parts.next()) else {
            return None;
        };
        let (region, account) = (parts.next()?.parse().ok()?, parts.next()?.to_owned());
        let name = parts.nth(1)?.to_owned();
        Some(Arn { region, account, name })
    }
}

/// The database that a call works on.
pub(super) fn database(call: &Call) -> Result<&Database, CallError> {
    let database = call.component.as_deref().and_then(Component::database);
    database.ok_or_else(|| error::unfit(call, "the step names no database"))
}

/// The ARN of a database's cluster in a region.
pub(super) fn cluster_in<'a>(
    call: &Call,
    database: &'a Database,
    region: &Region,
) -> Result<&'a str, CallError> {
    let found = database.clusters.get(region.as_str()).map(String::as_str);
    found.ok_or_else(|| {
        error::unfit(call, &format!("`{}` has no cluster in {region}", database.name))
    })
}

/// An instant of the SDK, to the millisecond.
pub(super) fn instant(time: &aws_sdk_rds::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(time.to_millis().ok()?).ok()
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
