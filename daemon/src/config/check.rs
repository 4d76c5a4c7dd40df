//! What the types of a configuration cannot say: names that clash, doors that stand open.

use std::{collections::BTreeMap, path::Path};

use muster_runbooks::{
    application::Application,
    check::{Finding, Severity},
    name::ApplicationName,
    runbook::library::Library,
    tree::{self, Content, Node, Place},
};

use super::Config;

/// The text of a configuration as a tree that knows its places.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    file: String,
    tree: Option<Node>,
}

impl Source {
    pub(super) fn new(path: &Path, text: &str) -> Source {
        Source { file: path.display().to_string(), tree: tree::parse(text).ok() }
    }

    pub(super) fn error(&self, place: Place, rule: &'static str, message: String) -> Finding {
        let (file, severity) = (self.file.clone(), Severity::Error);
        Finding { file, place, severity, rule, message, hint: None }
    }

    /// Where a value stands, or the nearest thing around it that can be found.
    pub(super) fn place(&self, path: &[&str]) -> Place {
        let Some(mut node) = self.tree.as_ref() else { return Place::START };
        for step in path {
            let next = match &node.content {
                Content::Map(entries) => {
                    entries.iter().find(|entry| entry.key == *step).map(|entry| &entry.value)
                }
                Content::List(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
                Content::Scalar(_) => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.place
    }
}

/// Collects what is found.
pub(super) struct Findings<'a> {
    source: &'a Source,
    list: Vec<Finding>,
}

impl Findings<'_> {
    pub(super) fn add(&mut self, path: &[&str], rule: &'static str, message: String, hint: &str) {
        let place = self.source.place(path);
        let mut finding = self.source.error(place, rule, message);
        finding.hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.list.push(finding);
    }

    /// The same for what somebody should look at, and what is used all the same.
    pub(super) fn warn(&mut self, path: &[&str], rule: &'static str, message: String, hint: &str) {
        self.add(path, rule, message, hint);
        if let Some(last) = self.list.last_mut() {
            last.severity = Severity::Warning;
        }
    }

    /// Says which of the list's entries have a value that another one has.
    pub(super) fn clashes(&mut self, list: &[&str], field: &str, what: &str, values: &[&str]) {
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, value) in values.iter().enumerate() {
            if let Some(other) = first.insert(value, at) {
                let (other, at) = (other.to_string(), at.to_string());
                let place = self.source.place(&[list, &[other.as_str(), field]].concat());
                let message = format!("{what} `{value}` stands at {place} too");
                self.add(&[list, &[at.as_str(), field]].concat(), "clash", message, "");
            }
        }
    }
}

impl Config {
    /// Everything that is wrong with it, by itself.
    pub(super) fn check(&self) -> Vec<Finding> {
        let mut found = Findings { source: &self.source, list: Vec::new() };
        let address = self.listen.http;
        if !address.ip().is_loopback() && (self.listen.tls.is_none() || self.tokens.is_empty()) {
            let message =
                format!("{address} is beyond loopback: that needs `listen.tls` and `tokens`");
            found.add(&["listen", "http"], "exposed", message, "");
        }
        if address == self.listen.metrics && address.port() != 0 {
            let message = format!("the API and the metrics cannot both listen on {address}");
            found.add(&["listen", "metrics"], "clash", message, "");
        }
        self.check_tokens(&mut found);
        self.check_queues(&mut found);
        if let Some(lease) = &self.lease {
            lease.check(&mut found);
        }
        if let Some(ship) = &self.ship {
            ship.check(&mut found);
        }
        self.by_hand.check(&mut found);
        super::copies::check("freeze", &self.freeze.copies, &mut found);
        if let Some(glass) = &self.break_glass {
            glass.check(&mut found);
        }
        let names: Vec<&str> = self.receivers.iter().map(|one| one.name.as_str()).collect();
        found.clashes(&["receivers"], "name", "receiver", &names);
        for (at, receiver) in self.receivers.iter().enumerate() {
            receiver.check(at, &mut found);
        }
        let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
        if let Some(url) = self.public_url.as_deref().filter(|url| !is_web(url)) {
            let message = format!("`{url}` is not the URL of a page");
            found.add(&["public_url"], "wrong-value", message, "such as https://muster.example");
        }
        found.list.sort();
        found.list
    }

    fn check_tokens(&self, found: &mut Findings<'_>) {
        let names: Vec<&str> = self.tokens.iter().map(|one| one.name.as_str()).collect();
        found.clashes(&["tokens"], "name", "token", &names);
        let mut hashes: BTreeMap<String, &str> = BTreeMap::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let at = at.to_string();
            let path = ["tokens", at.as_str(), "sha256"];
            let is_digit = |byte: u8| byte.is_ascii_hexdigit();
            if token.sha256.len() != 64 || !token.sha256.bytes().all(is_digit) {
                let message = format!("`sha256` of `{}` is not 64 hexadecimal digits", token.name);
                found.add(&path, "no-hash", message, "make one with `muster token`");
            } else if let Some(other) =
                hashes.insert(token.sha256.to_ascii_lowercase(), &token.name)
                && other != token.name
            {
                // One person with two names could approve what they asked for.
                let message = format!("`{}` has the token of `{other}`", token.name);
                found.add(&path, "shared-token", message, "make one for each with `muster token`");
            }
        }
    }

    fn check_queues(&self, found: &mut Findings<'_>) {
        let urls: Vec<&str> = self.queues.iter().map(|one| one.url.as_str()).collect();
        found.clashes(&["queues"], "url", "queue", &urls);
        for (at, queue) in self.queues.iter().enumerate() {
            let at = at.to_string();
            if !queue.url.starts_with("https://") && !queue.url.starts_with("http://") {
                let message = format!("`{}` is not the URL of a queue", queue.url);
                found.add(&["queues", &at, "url"], "wrong-value", message, "");
            }
            if let Some(dead) = &queue.dead_letters {
                let path = ["queues", &at, "dead_letters"];
                if !dead.starts_with("https://") && !dead.starts_with("http://") {
                    let message = format!("`{dead}` is not the URL of a queue");
                    found.add(&path, "wrong-value", message, "");
                } else if *dead == queue.url {
                    let message = format!("`{dead}` is the queue itself");
                    found.add(&path, "clash", message, "name the queue of its redrive policy");
                }
            }
            if queue.accounts.is_empty() {
                let message = "without an account no message is accepted".to_owned();
                found.add(&["queues", &at, "accounts"], "no-account", message, "");
            }
            for (place, account) in queue.accounts.iter().enumerate() {
                if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                    let message = format!("`{account}` is not an AWS account: twelve digits");
                    let path = ["queues", &at, "accounts", &place.to_string()];
                    found.add(&path, "wrong-value", message, "quote it: a number loses its zeros");
                }
            }
        }
    }

    /// What is wrong with it next to the runbooks that it names and the applications.
    pub(crate) fn check_beside(
        &self,
        library: &Library,
        applications: &BTreeMap<ApplicationName, Application>,
    ) -> Vec<Finding> {
        let mut found = Findings { source: &self.source, list: Vec::new() };
        for (at, queue) in self.queues.iter().enumerate() {
            // The defaults stand nowhere in the file.
            let named = queue.may_start.iter().enumerate();
            for (place, name) in named.filter(|(_, name)| library.get(name).is_none()) {
                let message = format!("no runbook without errors is called `{name}`");
                let path = ["queues", &at.to_string(), "may_start", &place.to_string()];
                found.add(&path, "unknown-runbook", message, "");
            }
        }
        if let Some(lease) = &self.lease {
            lease.check_beside(applications, &mut found);
        }
        self.by_hand.check_beside(applications, &mut found);
        found.list
    }
}
