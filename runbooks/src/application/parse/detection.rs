//! Reads who watches an application and what follows from what they say.

use std::collections::{BTreeMap, BTreeSet};

use super::{Names, Sides, address, declared};
use crate::{
    application::detection::{Alarm, Authorised, Detection, Observer, PublicKey, Sight, Then},
    check::{Fields, Findings, parsed},
    name::{ComponentName, Region},
    tree::Node,
    value::Span,
};

/// A window below this is no longer than a partition that heals by itself (proofs: 43 seconds).
const WINDOW_MIN: Span = Span::from_secs(60);

/// What an observer may refer to.
pub(super) struct Known<'a> {
    /// The workloads that name a context.
    pub(super) workloads: &'a [ComponentName],
    /// The databases that have a canary.
    pub(super) canaries: &'a [ComponentName],
}

pub(super) fn observers(
    items: &[Node],
    sides: &Sides,
    known: &Known<'_>,
    out: &mut Findings,
) -> Option<Vec<Observer>> {
    let mut names = Names::default();
    let mut domains: BTreeSet<String> = BTreeSet::new();
    let mut observers = Vec::new();
    for node in items {
        let keys =
            &["name", "domain", "sees", "control", "report", "key", "alarms", "workload", "canary"];
        let fields = Fields::open(node, "an observer", keys, out);
        observers.push(fields.and_then(|fields| {
            let name = names.read_as(&fields, "an observer", out);
            let domain = fields.need_text("domain", out);
            if let (Some(domain), Some(node)) = (&domain, fields.get("domain"))
                && !domains.insert(domain.clone())
            {
                let message = format!("observers of domain `{domain}` have one vote together");
                out.warning(node.place, "shared-domain", message);
            }
            let by = sight(&fields, sides, known, out);
            Some(Observer { name: name?, domain: domain?, by: by? })
        }));
    }
    observers.into_iter().collect()
}

fn sight(
    fields: &Fields<'_>,
    sides: &Sides,
    known: &Known<'_>,
    out: &mut Findings,
) -> Option<Sight> {
    let ways = ["sees", "report", "alarms", "workload", "canary"];
    let given: Vec<&str> = ways.into_iter().filter(|key| fields.get(key).is_some()).collect();
    let &[way] = given.as_slice() else {
        let message = match given.as_slice() {
            [] => "an observer needs one of `sees`, `report`, `alarms`, `workload` and `canary`"
                .to_owned(),
            two => format!("an observer is asked in one way, and not by `{}`", two.join("` and `")),
        };
        out.error(fields.place, "missing-key", message);
        return None;
    };
    for (key, of) in [("control", "sees"), ("key", "report")] {
        if let Some(node) = fields.get(key).filter(|_| way != of) {
            out.error(node.place, "unknown-key", format!("`{key}` belongs to `{of}`"));
        }
    }
    match way {
        "sees" => {
            let sees = address::urls(fields.entries("sees", out), sides, out);
            let control = fields.need("control", out).and_then(|node| address::url(node, out));
            Some(Sight::Http { sees, control: control? })
        }
        "report" => {
            let url = fields.get("report").and_then(|node| address::url(node, out));
            let key: Option<PublicKey> = fields.need_parsed("key", out);
            Some(Sight::Report { url: url?, key: key? })
        }
        "alarms" => Some(Sight::Alarms(alarms(fields, sides, out))),
        "workload" => one_of(fields, "workload", known.workloads, out).map(Sight::Workload),
        _ => one_of(fields, "canary", known.canaries, out).map(Sight::Canary),
    }
}

fn alarms(fields: &Fields<'_>, sides: &Sides, out: &mut Findings) -> BTreeMap<String, Alarm> {
    let mut alarms = BTreeMap::new();
    for (watched, node) in sides.map(fields.entries("alarms", out), out) {
        let Some(alarm) = Fields::open(node, "an alarm", &["region", "name"], out) else {
            continue;
        };
        let region: Option<Region> = alarm.need_parsed("region", out);
        let name = alarm.need_text("name", out);
        if let (Some(node), Some(region)) = (alarm.get("region"), &region)
            && *region == watched
        {
            let message = format!("an alarm in {region} is lost together with {region}");
            out.warning(node.place, "lost-with-it", message)
                .hint("let another region watch it, or its vote is `unknown` when it matters");
        }
        if let (Some(region), Some(name)) = (region, name) {
            alarms.insert(watched.to_string(), Alarm { region, name });
        }
    }
    alarms
}

/// A component that the application has, and that can be asked.
fn one_of(
    fields: &Fields<'_>,
    key: &'static str,
    known: &[ComponentName],
    out: &mut Findings,
) -> Option<ComponentName> {
    let name: ComponentName = fields.parsed(key, out)?;
    if !known.contains(&name) {
        let place = fields.get(key).map_or(fields.place, |node| node.place);
        let message = match key {
            "workload" => format!("no workload is called `{name}`"),
            _ => format!("no database with a `canary` is called `{name}`"),
        };
        out.error(place, "unknown-component", message);
    }
    Some(name)
}

pub(super) fn policy(
    node: &Node,
    observers: Option<&[Observer]>,
    has_write_lease: bool,
    out: &mut Findings,
) -> Option<Detection> {
    let keys = &["quorum", "window", "clear_after", "then", "min_delay", "authorised"];
    let fields = Fields::open(node, "detection", keys, out)?;
    let usual = Detection::default();
    let said = |key| fields.get(key);
    let quorum = match said("quorum") {
        Some(node) => parsed::<u32>(node, out)?,
        None => usual.quorum,
    };
    let span = |key: &'static str, usual: Span, out: &mut Findings| match said(key) {
        Some(node) => parsed::<Span>(node, out),
        None => Some(usual),
    };
    let window = span("window", usual.window, out);
    let clear_after = span("clear_after", usual.clear_after, out);
    let min_delay = span("min_delay", usual.min_delay, out);
    let then = match said("then") {
        Some(node) => parsed::<Then>(node, out),
        None => Some(usual.then),
    };
    let authorised = match said("authorised") {
        Some(node) => Some(authorised(node, out)?),
        None => None,
    };
    let policy = Detection {
        quorum,
        window: window?,
        clear_after: clear_after?,
        then: then?,
        min_delay: min_delay?,
        authorised,
    };
    judge(&fields, &policy, observers, has_write_lease, out);
    Some(policy)
}

fn authorised(node: &Node, out: &mut Findings) -> Option<Authorised> {
    let fields = Fields::open(node, "an authorisation", &["by", "until", "because"], out)?;
    let by = fields.need_text("by", out);
    let until = fields.need("until", out).and_then(|node| declared::day(node, out));
    let because = fields.need_text("because", out);
    Some(Authorised { by: by?, until: until?, because: because? })
}

/// What the values mean together.
fn judge(
    fields: &Fields<'_>,
    policy: &Detection,
    observers: Option<&[Observer]>,
    has_write_lease: bool,
    out: &mut Findings,
) {
    let place = |key| fields.get(key).map_or(fields.place, |node| node.place);
    if policy.quorum == 0 {
        out.error(place("quorum"), "wrong-value", "a quorum of nobody is none");
    }
    // Of observers that could not be read nobody knows how many there are.
    let domains = observers.map(|all| {
        let domains: BTreeSet<&str> = all.iter().map(|one| one.domain.as_str()).collect();
        domains.len()
    });
    if let Some(domains) = domains.filter(|domains| *domains < policy.quorum as usize) {
        let message =
            format!("{domains} failure domains can never be a quorum of {}", policy.quorum);
        out.error(place("quorum"), "no-quorum", message)
            .hint("observers of one domain have one vote together");
    }
    if policy.window < WINDOW_MIN {
        let message = format!("`window` is {}, and a partition may last as long", policy.window);
        out.error(place("window"), "too-short", message)
            .hint(format!("{WINDOW_MIN} at least, or a passing trouble starts a failover"));
    }
    if policy.then != Then::Auto {
        return;
    }
    if !has_write_lease {
        out.error(
            place("then"),
            "no-fence",
            "`auto` needs a fence that is proven without a person",
        )
        .hint("declare the `write_lease` that the application holds, or let it be `propose`");
    }
    if policy.quorum < 2 {
        out.error(place("quorum"), "no-quorum", "nothing starts by itself on one word alone");
    }
    if policy.authorised.is_none() {
        out.error(place("then"), "missing-key", "`auto` needs `authorised`")
            .hint("who approved it beforehand, until when, and why nobody has to be asked");
    }
}
