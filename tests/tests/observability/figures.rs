//! The names and labels of Muster's figures, as its sources register them, and those that an expression speaks of.

use std::{collections::BTreeSet, fs, path::Path};

/// What Muster shows.
pub(super) struct Figures {
    /// As Prometheus knows them.
    pub(super) names: BTreeSet<String>,
    /// What they bear.
    pub(super) labels: BTreeSet<String>,
    sources: String,
}

impl Figures {
    /// Reads the sources: a figure is registered by a text that follows the registry, a counter directly.
    pub(super) fn of_sources() -> Figures {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |path: &str| fs::read_to_string(root.join(path)).expect("a source can be read");
        let metrics =
            ["daemon/src/metrics.rs", "daemon/src/metrics/protection.rs"].map(read).concat();
        let mut names = BTreeSet::new();
        for (call, ending) in [("gauge(", ""), ("single(", ""), (".register(", "_total")] {
            for (at, _) in metrics.match_indices(call) {
                let rest = &metrics[at + call.len()..];
                let Some((before, rest)) = rest.split_once('"') else { continue };
                // Between the call and the name stands the registry at most; else this is no registration.
                if matches!(before.trim(), "" | "registry," | "&mut registry,")
                    && let Some((name, _)) = rest.split_once('"')
                {
                    names.insert(format!("muster_{name}{ending}"));
                }
            }
        }
        assert!(names.len() > 30, "{names:?}");
        assert!(names.contains("muster_refusals_total") && names.contains("muster_lease"));
        let mut labels = BTreeSet::from(["class".to_owned()]);
        for (at, _) in metrics.match_indices("(\"") {
            let rest = &metrics[at + 2..];
            if let Some((word, rest)) = rest.split_once('"')
                && rest.starts_with(", ")
                && is_word(word)
            {
                labels.insert(word.to_owned());
            }
        }
        Figures { names, labels, sources: sources(&root) }
    }

    /// Whether a value stands as a text of its own somewhere in the sources.
    pub(super) fn says(&self, value: &str) -> bool {
        self.sources.contains(&format!("\"{value}\""))
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// All sources of the program as one text.
fn sources(root: &Path) -> String {
    let mut all = String::new();
    let mut folders =
        ["daemon/src", "state/src", "runbooks/src"].map(|path| root.join(path)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push_str(&fs::read_to_string(&path).unwrap_or_default());
            }
        }
    }
    all
}

/// The names in an expression, without what is quoted.
pub(super) fn identifiers(expression: &str) -> BTreeSet<String> {
    let unquoted: String = expression.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = unquoted.split(|c| !is_part(c)).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// The labels in an expression: those that are matched, with each value that is named in full, and those that are grouped by.
pub(super) fn labels_and_values(expression: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for (at, _) in expression.match_indices('{') {
        let inside = expression[at + 1..].split('}').next().unwrap_or_default();
        for matcher in inside.split(", ") {
            let Some((label, rest)) = matcher.split_once(['=', '!']) else { continue };
            let value = rest.trim_start_matches(['=', '~', '!']).trim_matches('"');
            for value in value.split('|') {
                // A pattern, or the dashboard's variable.
                let is_open = value.contains(['.', '$', '*']);
                found.push((label.to_owned(), (!is_open).then(|| value.to_owned())));
            }
        }
    }
    for grouped in ["by (", "on ("] {
        for (at, _) in expression.match_indices(grouped) {
            let inside = expression[at + grouped.len()..].split(')').next().unwrap_or_default();
            let labels = inside.split(", ").filter(|label| !label.is_empty());
            found.extend(labels.map(|label| (label.to_owned(), None)));
        }
    }
    found
}
