//! Which way of promoting a standby its engine version leaves open (facts §1.2, version rule).

use muster_runbooks::value::words;

words! {
    /// The ways to promote a standby, best first.
    Path {
        /// Planned, without loss.
        Switchover = "switchover",
        /// Managed, with the loss of what was not replicated.
        Failover = "failover",
        /// Detach and promote by hand: nothing fences the old side.
        Detach = "detach",
    }
}

/// Patch releases that no managed operation crosses: once one member is on such a patch, all must be
/// on it or newer.
const WALLS: &[&str] = &[
    "16.1.6", "16.2.4", "16.3.2", "16.4.2", "15.3.8", "15.4.9", "15.5.6", "15.6.4", "15.7.2",
    "15.8.2", "14.8.8", "14.9.9", "14.10.6", "14.11.4", "14.12.2", "14.13.2",
];

/// The oldest minor of each older major whose patches may differ.
const PATCHES_MAY_DIFFER_FROM: &[(u32, u32)] = &[(14, 5), (13, 8), (12, 12), (11, 17)];

/// Whether Aurora itself would promote `standby` in the place of `writer`. `None` when not even
/// detaching is open.
pub fn managed(engine: &str, writer: &str, standby: &str) -> Option<bool> {
    if writer == standby {
        return Some(true);
    }
    let (Some(one), Some(other)) = (parts(writer), parts(standby)) else {
        // Aurora MySQL, or a scheme that is not known: same or by hand.
        return Some(false);
    };
    if (one.0, one.1) != (other.0, other.1) {
        return None;
    }
    let behind_a_wall = |version: &str| WALLS.contains(&version);
    let may_differ = one.0 >= 15
        || PATCHES_MAY_DIFFER_FROM.iter().any(|&(major, minor)| one.0 == major && one.1 >= minor);
    let is_postgres = engine.contains("postgresql");
    Some(is_postgres && may_differ && !behind_a_wall(writer) && !behind_a_wall(standby))
}

fn parts(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_versions_can_change_places() {
        let postgres = "aurora-postgresql";
        let table = [
            (postgres, "16.4", "16.4", Some(true)),
            (postgres, "16.4.1", "16.4", Some(true)),
            (postgres, "16.4.2", "16.4", Some(false)),
            (postgres, "16.4", "16.3", None),
            (postgres, "16.4", "15.4", None),
            (postgres, "14.5.1", "14.5", Some(true)),
            (postgres, "14.4.1", "14.4", Some(false)),
            ("aurora-mysql", "8.0.mysql_aurora.3.04.1", "8.0.mysql_aurora.3.04.0", Some(false)),
            (postgres, "new", "newer", Some(false)),
        ];
        for (engine, writer, standby, open) in table {
            assert_eq!(managed(engine, writer, standby), open, "{writer} {standby}");
        }
    }
}
