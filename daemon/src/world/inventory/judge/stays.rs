//! For how long pods stay on a node that is lost: nothing starts in their place before.

use muster_runbooks::{application::Workload, name::Region, value::Span};

use super::{Inventory, Judged, Known, few, of};
use crate::world::inventory::takeover::{SetSide, Stay, WorkloadSide};

/// The kind of the findings.
pub const KIND: &str = "stays-on-lost-node";

/// Pods of a node that is lost run elsewhere within two minutes, says the reference application; whoever stays for
/// so long already cannot.
const STAYS_MAX: Span = Span::from_mins(2);

/// Judges every namespace on both sides: after a failover the other one serves.
pub(super) fn judge(seen: &Inventory, known: &Known<'_>, out: &mut Judged) {
    let sides = [&known.application.home, &known.application.standby];
    for workload in &known.application.workloads {
        for region in sides {
            let place = (workload.name.clone(), region.clone());
            let id = of(KIND, &place);
            match seen.takeover.workloads.get(&place) {
                Some(side) => {
                    if let Some(side) = out.read(side, &[&id]) {
                        self::side(workload, region, side, id, out);
                    }
                }
                // Nobody can look there.
                None => {
                    out.unknown.insert(id);
                }
            }
        }
    }
}

fn side(workload: &Workload, region: &Region, side: &WorkloadSide, id: String, out: &mut Judged) {
    let long: Vec<String> = side
        .sets
        .iter()
        .filter_map(|(name, set)| Some(format!("{name} {}", too_long(set)?)))
        .collect();
    if long.is_empty() {
        return;
    }
    out.open(
        id,
        format!(
            "pods of `{}` stay on a node that is lost in {region} for more than {STAYS_MAX} before others start: {}",
            workload.name,
            few(&long)
        ),
        "give their template `tolerations` with `tolerationSeconds: 60` for `node.kubernetes.io/not-ready` and \
         `node.kubernetes.io/unreachable` (five minutes is what Kubernetes takes where nothing is said); until \
         then, when a node is lost: `muster run node-loss`",
    );
}

/// For how long, where it is too long. A set of which nothing is wanted has no pods, and of a stateful one a person
/// decides.
fn too_long(set: &SetSide) -> Option<String> {
    match set.stays {
        Stay::For(span) if span > STAYS_MAX && set.wanted > 0 => Some(span.to_string()),
        Stay::Forever if set.wanted > 0 => Some("for ever".to_owned()),
        Stay::For(_) | Stay::Forever | Stay::UntilProven => None,
    }
}
