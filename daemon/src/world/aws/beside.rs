//! Clients for what no failover waits for: ElastiCache, CodeBuild and Secrets Manager. They are made when they are
//! first needed, so that the first call of a failover does not wait for them.

use std::sync::{Arc, PoisonError};

use muster_runbooks::name::Region;

use super::{ACT, Aws, LOOK, Patience};
use crate::world::rates::Service;

/// The services of one region.
#[derive(Debug)]
pub struct Beside {
    /// Caches, to look at.
    pub(super) caches: aws_sdk_elasticache::Client,
    /// Caches, to change: one try.
    pub(super) caches_act: aws_sdk_elasticache::Client,
    /// Builds, to look at.
    pub(super) builds: aws_sdk_codebuild::Client,
    /// Builds, to start: one try.
    pub(super) builds_act: aws_sdk_codebuild::Client,
    /// Secrets: how they are replicated, and those by which a database is reached.
    pub(super) secrets: aws_sdk_secretsmanager::Client,
}

impl Aws {
    /// One region's clients.
    pub(super) fn beside(&self, region: &Region) -> Arc<Beside> {
        let mut made = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            Arc::new(Beside {
                caches: self.caches(region, LOOK),
                caches_act: self.caches(region, ACT),
                builds: self.builds(region, LOOK),
                builds_act: self.builds(region, ACT),
                secrets: self.secrets(region),
            })
        };
        made.entry(region.clone()).or_insert_with(make).clone()
    }

    fn caches(&self, region: &Region, patience: Patience) -> aws_sdk_elasticache::Client {
        let config = aws_sdk_elasticache::config::Builder::from(&self.shared)
            .region(aws_config::Region::new(region.as_str().to_owned()))
            .retry_config(patience.retries())
            .retry_partition(patience.partition("elasticache", region.as_str()))
            .timeout_config(patience.limits())
            .http_client(self.paced(Service::ElastiCache, region.as_str(), patience))
            .build();
        aws_sdk_elasticache::Client::from_conf(config)
    }

    fn builds(&self, region: &Region, patience: Patience) -> aws_sdk_codebuild::Client {
        let config = aws_sdk_codebuild::config::Builder::from(&self.shared)
            .region(aws_config::Region::new(region.as_str().to_owned()))
            .retry_config(patience.retries())
            .retry_partition(patience.partition("codebuild", region.as_str()))
            .timeout_config(patience.limits())
            .http_client(self.paced(Service::CodeBuild, region.as_str(), patience))
            .build();
        aws_sdk_codebuild::Client::from_conf(config)
    }

    fn secrets(&self, region: &Region) -> aws_sdk_secretsmanager::Client {
        let config = aws_sdk_secretsmanager::config::Builder::from(&self.shared)
            .region(aws_config::Region::new(region.as_str().to_owned()))
            .retry_config(LOOK.retries())
            .retry_partition(LOOK.partition("secretsmanager", region.as_str()))
            .timeout_config(LOOK.limits())
            .http_client(self.paced(Service::SecretsManager, region.as_str(), LOOK))
            .build();
        aws_sdk_secretsmanager::Client::from_conf(config)
    }
}
