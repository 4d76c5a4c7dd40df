//! Which way of promoting the standby is open now, and why (facts §1.2).

use muster_runbooks::application::{Database, Promotion};

use super::{Evidence, sides};
use crate::world::{
    inventory::{Said, takeover::Engine},
    version::{self, Path},
};

/// What is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Open {
    /// This way, and no better one.
    Way(Path),
    /// None.
    Closed,
    /// Nobody can say.
    Unknown,
}

/// The best way that is open for a database, with the reason.
pub fn path(known: &Evidence<'_>, declared: &Database) -> (Open, String) {
    let sides = match sides(known) {
        Ok(sides) => sides,
        Err(why) => return (Open::Unknown, why),
    };
    if declared.promotion(sides.standby) == Promotion::MustNot {
        return (Open::Closed, format!("its file says that {} must not write", sides.standby));
    }
    let members = known.seen.map(|seen| &seen.takeover.members);
    let member = |region: &muster_runbooks::name::Region| {
        members?.get(&(declared.name.clone(), region.clone()))
    };
    let Some(there) = member(sides.standby) else {
        return (Open::Unknown, "nobody has looked at its members".to_owned());
    };
    let new = match engine(&there.engine) {
        Ok(engine) => engine,
        Err(end) => return end,
    };
    let Some(Ok(Some(old))) = member(sides.active).map(|here| &here.engine) else {
        let why = format!("the cluster in {} cannot be read; data would be lost", sides.active);
        return (Open::Way(Path::Failover), why);
    };
    match version::managed(&old.name, &old.version, &new.version) {
        None => {
            let why = format!("versions {} and {} leave no way", old.version, new.version);
            (Open::Closed, why)
        }
        Some(false) => {
            let why = format!(
                "versions {} and {} cannot change places; whoever detaches has nothing that fences the \
                 old side",
                old.version, new.version
            );
            (Open::Way(Path::Detach), why)
        }
        Some(true) => connected(there, declared, sides.standby.as_str()),
    }
}

/// Both versions fit: a switchover needs a member that is connected.
fn connected(
    there: &crate::world::inventory::takeover::MemberSide,
    declared: &Database,
    standby: &str,
) -> (Open, String) {
    match &there.global {
        Err(why) => (Open::Unknown, why.clone()),
        Ok(None) => (Open::Closed, format!("there is no global cluster in {standby}")),
        Ok(Some(global)) => {
            let arn = declared.clusters.get(standby);
            match arn.and_then(|arn| global.members.get(arn)).map(Option::as_deref) {
                None => (Open::Closed, format!("its cluster in {standby} is not a member")),
                Some(Some(status)) if status != "connected" => {
                    let why = format!("the standby is {status}; data would be lost");
                    (Open::Way(Path::Failover), why)
                }
                Some(Some(_) | None) => {
                    (Open::Way(Path::Switchover), "both sides answer, and fit".to_owned())
                }
            }
        }
    }
}

fn engine(said: &Said<Option<Engine>>) -> Result<&Engine, (Open, String)> {
    match said {
        Ok(Some(engine)) => Ok(engine),
        Ok(None) => Err((Open::Closed, "there is no cluster at the standby".to_owned())),
        Err(why) => Err((Open::Unknown, why.clone())),
    }
}
