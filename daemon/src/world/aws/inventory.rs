//! Reads everything that protects an application: one list per region and kind for all applications, and
//! one call for each secret, bucket and object, which have no list that would do.

mod caches;
mod databases;
mod members;
mod objects;
mod traffic;
mod vaults;

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use muster_runbooks::{
    application::Application,
    name::{ComponentName, Region},
};
use muster_state::call::CallError;

use super::{
    Side,
    poller::{Desk, Miss, Want},
    quota,
};
use crate::world::{
    inventory::{Inventory, Place, Said, takeover::Takeover},
    real::Real,
};

pub use traffic::Records;

/// Looks at everything. Regions and components are asked side by side: one that is dead costs the
/// others nothing.
pub async fn look(real: &Real, application: &Application, since: Timestamp) -> Inventory {
    let now = real.clock.now();
    let want = Want { since, now, miss: Miss::Serves };
    let regions = [&application.home, &application.standby];
    let looks = regions.map(|region| {
        let view = View { real, application, region, side: real.aws.side(region), want };
        async move { view.look().await }
    });
    let (parts, vaults, traffic) = futures::join!(
        join_all(looks),
        vaults::all(real, application, want),
        traffic::look(real, application, now),
    );
    let mut seen = Inventory { vaults, ..Inventory::empty(since.min(now)) };
    for part in parts {
        seen.quotas.extend(part.quotas);
        seen.databases.extend(part.databases);
        seen.caches.extend(part.caches);
        seen.buckets.extend(part.buckets);
        seen.secrets.extend(part.secrets);
        seen.objects.extend(part.objects);
        seen.takeover.members.extend(part.takeover.members);
    }
    seen.takeover.traffic = traffic;
    seen
}

/// One region of one application.
struct View<'a> {
    real: &'a Real,
    application: &'a Application,
    region: &'a Region,
    side: Arc<Side>,
    want: Want,
}

impl View<'_> {
    fn desk(&self) -> Desk<'_> {
        let (poller, side) = (&self.real.poller, &*self.side);
        Desk { poller, side, clients: &side.look, want: self.want }
    }

    async fn look(&self) -> Inventory {
        let has_databases = !self.application.databases.is_empty();
        let quota = async {
            if !has_databases {
                return None;
            }
            Some(said(quota::read(&self.real.poller, &self.side, self.want).await))
        };
        let (quota, databases, members, caches, buckets, secrets, objects) = futures::join!(
            quota,
            databases::all(self),
            members::all(self),
            caches::all(self),
            join_all(self.application.buckets.iter().map(|one| objects::bucket(self, one))),
            join_all(self.application.secrets.iter().map(|one| objects::secret(self, one))),
            join_all(self.application.objects.iter().map(|one| objects::declared(self, one))),
        );
        Inventory {
            quotas: quota.into_iter().map(|quota| (self.region.clone(), quota)).collect(),
            databases: databases.into_iter().collect(),
            caches: caches.into_iter().collect(),
            buckets: buckets.into_iter().flatten().collect(),
            secrets: secrets.into_iter().collect(),
            objects: objects.into_iter().flatten().collect(),
            takeover: Takeover { members: members.into_iter().collect(), ..Takeover::default() },
            ..Inventory::empty(self.want.since)
        }
    }

    fn place(&self, name: &ComponentName) -> Place {
        (name.clone(), self.region.clone())
    }
}

/// Why something could not be read, in a sentence that is the same as long as the reason is.
fn said<T>(read: Result<T, CallError>) -> Said<T> {
    read.map_err(|why| why.to_string())
}
