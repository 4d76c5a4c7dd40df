//! What other accounts keep, as the roles see it that copy there.

use std::collections::BTreeMap;

use futures::future::join_all;
use muster_runbooks::{
    application::{Application, Database, Vault},
    name::ComponentName,
};

use super::{databases::of_database, quota, said};
use crate::world::{aws::poller::Want, inventory::VaultSide, real::Real};

/// What the vault's own log of calls shows for looks that belong to no run.
const SESSION: &str = "inventory";

/// The vault of every database that has one. One that cannot be reached is unknown, and never empty.
pub(super) async fn all(
    real: &Real,
    application: &Application,
    want: Want,
) -> BTreeMap<ComponentName, VaultSide> {
    let vaults = application.databases.iter();
    let vaults = vaults.filter_map(|database| Some((database, database.vault.as_ref()?)));
    let looks = vaults.map(async |(database, vault)| {
        (database.name.clone(), look(real, application, database, vault, want).await)
    });
    join_all(looks).await.into_iter().collect()
}

async fn look(
    real: &Real,
    application: &Application,
    database: &Database,
    vault: &Vault,
    want: Want,
) -> VaultSide {
    let (region, account) = (vault.region.clone(), vault.account.clone());
    let side = match said(real.aws.assumed(vault, &vault.role, SESSION).await) {
        Ok(side) => side,
        Err(why) => {
            return VaultSide { region, account, points: Err(why.clone()), quota: Err(why) };
        }
    };
    let (manual, quota) =
        futures::join!(real.poller.manual_as(&side, want), quota::read(&real.poller, &side, want),);
    let points = said(manual).map(|listed| of_database(application, database, &listed.snapshots));
    VaultSide { region, account, points, quota: said(quota) }
}
