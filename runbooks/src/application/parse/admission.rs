//! Reads how many users a side lets in at first.

use crate::{
    application::admission::{Admission, EVERY, LIMIT},
    check::{Fields, Findings, list, text, wrong_kind},
    tree::Node,
    value::Span,
};

/// The most stages: each makes the wait for the last users longer.
const STAGES_MAX: usize = 10;

/// How long a stage may last. What is shorter than the time after which a lost change is sent again would
/// be skipped by it.
const EVERY_RANGE: (Span, Span) = (Span::from_secs(20), Span::from_mins(10));

/// How long all of them may last: the step that opens the ingress has its time limit.
const ALL_MAX: Span = Span::from_mins(20);

pub(super) fn admission(node: &Node, out: &mut Findings) -> Option<Admission> {
    let known = &["ingress", "annotation", "stages", "every"];
    let fields = Fields::open(node, "`admission`", known, out)?;
    let ingress = fields.need("ingress", out).and_then(|node| name(node, out));
    let annotation = match fields.get("annotation") {
        Some(node) => annotation(node, out),
        None => Some(LIMIT.to_owned()),
    };
    let stages = fields.need("stages", out).and_then(|node| stages(node, out));
    let every = match fields.get("every") {
        Some(node) => fields.parsed("every", out).filter(|every| {
            let fits = (EVERY_RANGE.0..=EVERY_RANGE.1).contains(every);
            if !fits {
                let message = format!("{every}; {} to {}", EVERY_RANGE.0, EVERY_RANGE.1);
                out.error(node.place, "wrong-value", message);
            }
            fits
        }),
        None => Some(EVERY),
    };
    let (stages, every) = (stages?, every?);
    let all = every.secs() * stages.len() as u64;
    if all > ALL_MAX.secs() {
        let message = format!("the stages last {all} s together; {ALL_MAX} at most");
        out.error(fields.place, "wrong-value", message);
    }
    Some(Admission { ingress: ingress?, annotation: annotation?, stages, every })
}

/// The name of an object of Kubernetes.
fn name(node: &Node, out: &mut Findings) -> Option<String> {
    let name = text(node, out)?;
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let ends = |name: &str| name.starts_with(['-', '.']) || name.ends_with(['-', '.']);
    if (1..=253).contains(&name.len()) && name.bytes().all(inner) && !ends(name) {
        return Some(name.to_owned());
    }
    out.error(node.place, "wrong-value", format!("`{name}` is not the name of an ingress"));
    None
}

fn annotation(node: &Node, out: &mut Findings) -> Option<String> {
    let name = text(node, out)?;
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let is_ours = name.starts_with("muster/");
    if (1..=253).contains(&name.len()) && name.bytes().all(inner) && !is_ours {
        return Some(name.to_owned());
    }
    out.error(node.place, "wrong-value", format!("`{name}` is not an annotation of a controller"));
    None
}

fn stages(node: &Node, out: &mut Findings) -> Option<Vec<u32>> {
    let nodes = list(node, out)?;
    if nodes.is_empty() || nodes.len() > STAGES_MAX {
        let message = format!("{} stages; 1 to {STAGES_MAX}", nodes.len());
        out.error(node.place, "wrong-value", message);
        return None;
    }
    let mut stages = Vec::<u32>::new();
    for node in nodes {
        let number = node.scalar().and_then(|value| value.as_u64());
        match number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0) {
            Some(number) if stages.last().is_some_and(|last| *last >= number) => {
                out.error(node.place, "wrong-value", "each stage lets more in than the one before");
                return None;
            }
            Some(number) => stages.push(number),
            None => {
                wrong_kind(node, "a whole number above 0", out);
                return None;
            }
        }
    }
    Some(stages)
}
