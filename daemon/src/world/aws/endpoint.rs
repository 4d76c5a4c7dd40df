//! Where a cluster listens, as its region says.

use aws_sdk_rds::types::DbCluster;
use muster_runbooks::{application::sql::Address, name::Region};
use muster_state::call::CallError;

use super::{Aws, error, snapshot::cluster_name};

/// Which of a cluster's two endpoints is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// The one that leads to the instance that writes.
    Writer,
    /// The one that leads to the instances that read; in a standby region the only one.
    Reader,
}

/// Where a cluster listens, by its ARN or identifier; `None` while it has no such endpoint.
pub async fn endpoint(
    aws: &Aws,
    region: &Region,
    cluster: &str,
    door: Door,
) -> Result<Option<Address>, CallError> {
    let side = aws.side(region);
    let name = if cluster.starts_with("arn:") { cluster_name(cluster) } else { cluster };
    let sent = side.look.rds.describe_db_clusters().db_cluster_identifier(name).send().await;
    let answer =
        sent.map_err(|why| error::trouble(why).at(side.name("rds"), "DescribeDBClusters"))?;
    let is_it = |found: &&DbCluster| {
        found.db_cluster_arn() == Some(cluster) || found.db_cluster_identifier() == Some(cluster)
    };
    Ok(answer.db_clusters().iter().find(is_it).and_then(|found| address(found, door)))
}

fn address(found: &DbCluster, door: Door) -> Option<Address> {
    let host = match door {
        Door::Writer => found.endpoint(),
        Door::Reader => found.reader_endpoint(),
    };
    let host = host.filter(|host| !host.is_empty())?.to_owned();
    let port = found.port().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)?;
    Some(Address { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a cluster without an instance, or one whose reader is asked for and not there, has no
    /// address rather than a wrong one.
    #[test]
    fn what_has_no_endpoint_has_no_address() {
        let whole =
            DbCluster::builder().endpoint("w.example").reader_endpoint("r.example").port(5_432);
        let found = whole.clone().build();
        let host = |found: &DbCluster, door| address(found, door).map(|at| at.host);
        assert_eq!(host(&found, Door::Writer).as_deref(), Some("w.example"));
        assert_eq!(host(&found, Door::Reader).as_deref(), Some("r.example"));
        assert_eq!(host(&whole.clone().endpoint("").build(), Door::Writer), None);
        assert_eq!(host(&DbCluster::builder().endpoint("w.example").build(), Door::Writer), None);
    }
}
