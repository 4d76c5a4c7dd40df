//! From where an application is served, as the outside shows it: who writes its databases, and where
//! the zone's own name servers send its users.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_runbooks::{
    application::Application,
    name::{ComponentName, Region},
};
use muster_state::catalog::Finding;

/// What a look showed.
#[derive(Clone, Debug)]
pub struct Whereabouts {
    /// Where each database is written; `Err` says in words why that is unknown.
    pub writers: BTreeMap<ComponentName, Result<Region, String>>,
    /// Where users are sent; `None` for an application without traffic.
    pub users: Option<Result<Region, String>>,
    /// When it was asked for.
    pub read_at: Timestamp,
}

/// What follows from a look.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Judgement {
    /// The one region where all data is written, with the evidence; `None` is unknown.
    pub active: Option<(Region, String)>,
    /// What does not fit, in a sentence.
    pub trouble: Option<String>,
}

/// The finding that stands as long as it is not plain from where an application is served.
pub const FINDING: &str = "active-region";

impl Whereabouts {
    /// The region that is active is the one where the data is written: backups and copies follow it.
    /// Users who are sent elsewhere are a trouble, and no reason to believe otherwise.
    pub fn judge(&self, application: &Application) -> Judgement {
        let mut seen: BTreeMap<&Region, Vec<&ComponentName>> = BTreeMap::new();
        for (name, writer) in &self.writers {
            match writer {
                Ok(region) => seen.entry(region).or_default().push(name),
                Err(why) => {
                    return Judgement::unknown(format!(
                        "nobody can say where `{name}` is written: {why}"
                    ));
                }
            }
        }
        if seen.len() > 1 {
            let places = seen.iter().map(|(region, names)| format!("{} in {region}", list(names)));
            let places = places.collect::<Vec<_>>().join(", ");
            return Judgement::unknown(format!(
                "its databases are written in different regions: {places}"
            ));
        }
        let written = seen
            .pop_first()
            .map(|(region, names)| (region, format!("{} is written there", list(&names))));
        let sent = self.users.as_ref().and_then(|users| users.as_ref().ok());
        let active =
            written.or_else(|| sent.map(|region| (region, "users are sent there".to_owned())));
        let Some((region, evidence)) = active else {
            return Judgement { active: None, trouble: self.unheard() };
        };
        if *region != application.home && *region != application.standby {
            return Judgement::unknown(format!(
                "{evidence}: {region}, neither its home nor its standby"
            ));
        }
        let trouble = match sent {
            Some(users) if users != region => {
                Some(format!("users are sent to {users}, and it is served from {region}"))
            }
            Some(_) | None => self.unheard(),
        };
        Judgement { active: Some((region.clone(), evidence)), trouble }
    }

    fn unheard(&self) -> Option<String> {
        let why = self.users.as_ref()?.as_ref().err()?;
        Some(format!("nobody can say where users are sent: {why}"))
    }
}

/// What one region says about a writer: `Err` is no answer at all, and the inner one an answer that
/// names no region.
pub type Said = Result<Result<Region, String>, String>;

/// Joins what both regions of a database say. One may be lost, so one answer is enough; two must
/// agree, because one of them may be of the past.
pub fn agree(one: Said, other: Said) -> Result<Region, String> {
    match (one, other) {
        (Ok(Ok(one)), Ok(Ok(other))) if one != other => {
            Err(format!("one region says {one}, the other {other}"))
        }
        (Ok(one), Ok(other)) => one.and(other),
        (Ok(said), Err(_)) | (Err(_), Ok(said)) => said,
        (Err(why), Err(_)) => Err(why),
    }
}

/// The one region where everything is written, or why that is not plain.
pub fn written(judged: &Judgement) -> Result<Region, String> {
    match (&judged.active, &judged.trouble) {
        (Some((region, _)), _) => Ok(region.clone()),
        (None, Some(why)) => Err(why.clone()),
        (None, None) => Err("nobody can say where it is written".to_owned()),
    }
}

impl Judgement {
    fn unknown(trouble: String) -> Judgement {
        Judgement { active: None, trouble: Some(trouble) }
    }

    /// The finding that it makes, or the id of the one that is over.
    pub fn finding(&self) -> Result<Finding, String> {
        match &self.trouble {
            None => Err(FINDING.to_owned()),
            Some(trouble) => Ok(Finding {
                id: FINDING.to_owned(),
                message: trouble.clone(),
                hint:
                    "look who writes before anything is started; until it is plain, runs bind to \
                       the region that was seen last"
                        .to_owned(),
            }),
        }
    }
}

fn list(names: &[&ComponentName]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "
name: shop
title: Shop
home: us-east-1
standby: us-west-2
objectives: { rto: 15m, rpo: 5m }
";

    fn seen(writers: &[(&str, Option<&str>)], users: Option<Option<&str>>) -> Judgement {
        let region = |text: &&str| text.parse::<Region>().unwrap();
        let said = |place: &Option<&str>| place.as_ref().map(region).ok_or("no answer".to_owned());
        let writers = writers.iter().map(|(name, place)| (name.parse().unwrap(), said(place)));
        let look = Whereabouts {
            writers: writers.collect(),
            users: users.as_ref().map(said),
            read_at: Timestamp::UNIX_EPOCH,
        };
        look.judge(&Application::parse("shop.yaml", SHOP).unwrap())
    }

    /// Goal: the active region is what the writers say, and nothing that is not plain passes for it.
    /// Method: every shape that a look can have.
    #[test]
    fn what_a_look_means() {
        const EAST: Option<&str> = Some("us-east-1");
        const WEST: Option<&str> = Some("us-west-2");
        let table: [(Judgement, Option<&str>, Option<&str>); 10] = [
            (seen(&[("a", EAST), ("b", EAST)], Some(EAST)), EAST, None),
            (seen(&[("a", WEST)], None), WEST, None),
            (seen(&[("a", WEST)], Some(EAST)), WEST, Some("users are sent to us-east-1")),
            (seen(&[("a", EAST)], Some(None)), EAST, Some("where users are sent: no answer")),
            (
                seen(&[("a", EAST), ("b", WEST)], Some(EAST)),
                None,
                Some("`a` in us-east-1, `b` in us-west-2"),
            ),
            (
                seen(&[("a", EAST), ("b", None)], Some(EAST)),
                None,
                Some("where `b` is written: no answer"),
            ),
            (
                seen(&[("a", Some("eu-west-1"))], None),
                None,
                Some("neither its home nor its standby"),
            ),
            (seen(&[], Some(WEST)), WEST, None),
            (seen(&[], Some(None)), None, Some("where users are sent")),
            (seen(&[], None), None, None),
        ];
        for (judged, active, trouble) in table {
            assert_eq!(
                judged.active.as_ref().map(|(region, _)| region.as_str()),
                active,
                "{judged:?}"
            );
            let said = judged.trouble.as_deref();
            assert_eq!(said.is_some(), trouble.is_some(), "{judged:?}");
            assert!(said.unwrap_or_default().contains(trouble.unwrap_or_default()), "{judged:?}");
            assert_eq!(judged.finding().is_ok(), trouble.is_some());
        }
    }
}
