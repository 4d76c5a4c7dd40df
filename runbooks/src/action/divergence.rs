//! Looks for what the side that was left took and never sent.

use super::{ComponentKind, Description, On, Role, action, sql::CheckSql};
use crate::{
    application::Component,
    application::sql::quoted,
    shell::command,
    value::{Loss, words},
};

words! {
    /// What was found of rows that were left behind.
    Found {
        /// Everything that was looked at is on both sides.
        Nothing = "none",
        /// Rows were left behind, or one key holds two rows.
        Something = "found",
        /// Something could not be read, or what was read cannot tell.
        Unknown = "unknown",
    }
}

action! {
    /// Compares what the side that was left holds with what the active side holds: canaries, and the newest rows of the tables that are declared. Says what never arrived.
    InventoryDivergence = "inventory-divergence", Reads, on: &[ComponentKind::Databases], needs_active: true, global: false,
    with {
        /// The side that was left; the standby unless said otherwise.
        at: Option<Role>,
        /// Where a cluster listens that was restored from the old volume, as `host` or `host:port`.
        endpoint: Option<String>,
        /// The identifier or ARN of a cluster that was restored from the old volume, such as from the snapshot `rds:unplanned-global-failover-…`.
        cluster: Option<String>,
        /// The ARN of the secret that holds the restored cluster's user and password.
        secret: Option<String>,
    }
    gives {
        /// `none`, `found`, or `unknown`, which is never none.
        verdict: Found,
        /// How many rows never arrived: a number, `at least` one, or `unknown`.
        left_behind: String,
        /// How many keys hold another row on either side, in the same words.
        conflicting: String,
        /// How much time lies between the newest row that arrived and the newest that never did, by what the tables say of when their rows were written.
        data_loss: Loss,
        /// What was found in each table, in a sentence.
        tables: Vec<String>,
        /// What the canaries say, in a sentence.
        canaries: String,
    }
}

impl InventoryDivergence {
    /// The side that was left.
    pub fn left(&self) -> Role {
        self.at.unwrap_or(Role::Standby)
    }

    /// Where that side is reached.
    pub fn old_side(&self) -> CheckSql {
        CheckSql {
            at: Some(self.left()),
            endpoint: self.endpoint.clone(),
            cluster: self.cluster.clone(),
            secret: self.secret.clone(),
            data_time: None,
        }
    }

    /// Where the side is reached that it is compared with.
    pub fn new_side(&self) -> CheckSql {
        let at = match self.left() {
            Role::Active => Role::Standby,
            Role::Standby => Role::Active,
        };
        CheckSql { at: Some(at), endpoint: None, cluster: None, secret: None, data_time: None }
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let Some(Component::Database(database)) = on.component else {
            return Description::default();
        };
        if database.sql.is_none() {
            let effect = vec![format!("sql: none, `{}` says nothing about SQL", database.name)];
            return Description { effect, ..Description::default() };
        }
        let mut looked_at = Vec::new();
        let mut statements = Vec::new();
        if let Some(canary) = &database.canary {
            looked_at.push("canaries".to_owned());
            statements.push(format!(
                "select epoch, sequence, written_at from {}.canary order by sequence",
                quoted(&canary.schema)
            ));
        }
        for ordered in database.divergence.iter().flat_map(|one| &one.tables) {
            looked_at.push(format!("{} by {}", ordered.table, ordered.key));
            statements.push(ordered.page(None, BY_HAND_ROWS));
        }
        let (mut effect, mut by_hand, mut permissions) = (Vec::new(), Vec::new(), Vec::new());
        for side in [self.old_side(), self.new_side()] {
            let reached = side.reached(on, database);
            effect.push(format!("sql {}: {} (reads)", reached.place, looked_at.join(", ")));
            let connection = &reached.connection;
            by_hand.extend(statements.iter().map(|sql| command!("psql {} -c {}", connection, sql)));
            permissions.extend(reached.permissions);
        }
        permissions.sort_unstable();
        permissions.dedup();
        Description { effect, by_hand, permissions }
    }
}

/// A person compares so many of the newest rows by eye.
const BY_HAND_ROWS: usize = 100;
