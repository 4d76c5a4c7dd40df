//! Steps of the user's own: a call over HTTP, and a job in a cluster. Neither is asked in a drill or a
//! preview.

use serde_json::{Map, Value};

use super::{Description, On, Role, action, workload::context};
use crate::{
    application::{Job, Workload, job::filled, sending_problem},
    shell::{command, word},
    value::words,
};

words! {
    /// What an HTTP call asks for.
    Method {
        /// Make or do something.
        Post = "POST",
        /// Put something in the place of what is there.
        Put = "PUT",
        /// Change a part of what is there.
        Patch = "PATCH",
        /// Take something away.
        Delete = "DELETE",
    }
}

/// The most headers, body fields and picked names of a call.
const ITEMS_MAX: usize = 32;

/// Headers that are ours to set, or that hold what must not stand in a file.
const HEADERS_NOT: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "idempotency-key",
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
];

action! {
    /// Calls a URL that honours an idempotency key: the same outside name comes with every try. `{token}`, `{application}`, `{active}` and `{standby}` stand for what they say in `url`, `check_url`, `body` and `headers`.
    CallHttp = "call-http", Named, on: &[], needs_active: false, global: false,
    with {
        /// What the call asks for.
        method: Method,
        /// Where it goes: https, or http to loopback.
        url: String,
        /// The fields of its JSON body, as `name=value`; a value that is JSON is what it says.
        body: Option<Vec<String>>,
        /// Headers, as `Name: value`; nothing that is secret.
        headers: Option<Vec<String>>,
        /// The environment variable that holds a bearer token.
        token_env: Option<String>,
        /// The one status that is a yes; any between 200 and 299 when nothing is said.
        expect_status: Option<u32>,
        /// Fields of the JSON answer that become outputs of this step, by name.
        pick: Option<Vec<String>>,
        /// Where a GET, with the same key, says whether it is done: 200 it is, 202 not yet, 404 nothing is known of it.
        check_url: Option<String>,
    }
    gives {
        /// The status that came back.
        status: u32,
    }
}

impl CallHttp {
    /// A text of the file with what stands in braces filled in.
    pub fn filled(text: &str, on: &On<'_>) -> String {
        text.replace("{token}", on.token)
            .replace("{application}", on.application.name.as_str())
            .replace("{active}", on.active.as_str())
            .replace("{standby}", on.standby.as_str())
    }

    /// The body that is sent; none without fields.
    pub fn body_for(&self, on: &On<'_>) -> Option<Value> {
        let fields = self.body.as_ref()?.iter().filter_map(|text| text.split_once('='));
        let fields = fields.map(|(name, value)| {
            let value = CallHttp::filled(value, on);
            let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
            (name.to_owned(), value)
        });
        Some(Value::Object(fields.collect::<Map<_, _>>()))
    }

    /// The headers that are sent, by name.
    pub fn headers_for(&self, on: &On<'_>) -> Vec<(String, String)> {
        let headers = self.headers.iter().flatten().filter_map(|text| text.split_once(':'));
        headers
            .map(|(name, value)| (name.trim().to_owned(), CallHttp::filled(value.trim(), on)))
            .collect()
    }

    /// Whether a list of picked names holds one.
    pub fn picks(list: &Value, name: &str) -> bool {
        list.as_array().into_iter().flatten().any(|one| one.as_str() == Some(name))
    }

    /// What is wrong with one parameter, if anything. Judged when a file is checked, and again when the
    /// call is made: an input may have brought it.
    pub fn problem(parameter: &str, value: &Value) -> Option<String> {
        let text = value.as_str();
        let texts = || value.as_array().into_iter().flatten().filter_map(Value::as_str);
        let many = value.as_array().is_some_and(|list| list.len() > ITEMS_MAX);
        if many {
            return Some(format!("{ITEMS_MAX} at most"));
        }
        match parameter {
            "url" | "check_url" => {
                // What stands in braces is a name, whatever it stands for.
                let filled = ["{token}", "{application}", "{active}", "{standby}"]
                    .iter()
                    .fold(text?.to_owned(), |text, mark| text.replace(mark, "name"));
                sending_problem(&filled)
            }
            "body" => texts().find_map(|text| match text.split_once('=') {
                Some((name, _)) if !name.trim().is_empty() => None,
                Some(_) | None => Some(format!("`{text}` is not `name=value`")),
            }),
            "headers" => texts().find_map(header_problem),
            "token_env" => {
                let fits =
                    |sign: char| sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '_';
                let fits = |name: &str| !name.is_empty() && name.chars().all(fits);
                (!fits(text?)).then(|| "this is not the name of an environment variable".to_owned())
            }
            "expect_status" => {
                let is_status = value.as_u64().is_some_and(|code| (200..=299).contains(&code));
                (!is_status).then(|| format!("{value} is not a status between 200 and 299"))
            }
            "pick" => texts().find_map(|name| {
                let fits =
                    |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_';
                let starts = name.starts_with(|sign: char| sign.is_ascii_lowercase());
                let is_ours = name == "status";
                (is_ours || !starts || !name.chars().all(fits))
                    .then(|| format!("`{name}` cannot be the name of an output"))
            }),
            _ => None,
        }
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let url = CallHttp::filled(&self.url, on);
        let body = self.body_for(on).map(|body| body.to_string());
        let shown = body.as_ref().map_or_else(String::new, |body| format!(" with {body}"));
        let mut by_hand = vec![format!("{}{}", self.curl(on), {
            let data = body.map_or_else(String::new, |body| {
                format!(" -H 'Content-Type: application/json' --data {}", word(&body))
            });
            format!("{data} -X {} {}", self.method, word(&url))
        })];
        if let Some(check) = &self.check_url {
            let check = CallHttp::filled(check, on);
            by_hand.push(format!("{} {}", self.curl(on), word(&check)));
        }
        Description {
            effect: vec![format!("http: {} {url}{shown}", self.method)],
            by_hand,
            permissions: Vec::new(),
        }
    }

    /// What every request of it begins with.
    fn curl(&self, on: &On<'_>) -> String {
        let mut curl = command!("curl -fsS -H {}", format!("Idempotency-Key: {}", on.token));
        for (name, value) in self.headers_for(on) {
            curl += &command!(" -H {}", format!("{name}: {value}"));
        }
        if let Some(variable) = &self.token_env {
            // The name was checked: the shell is to fill it in.
            curl += &format!(" -H \"Authorization: Bearer ${variable}\"");
        }
        curl
    }
}

fn header_problem(text: &str) -> Option<String> {
    let Some((name, value)) = text.split_once(':') else {
        return Some(format!("`{text}` is not `Name: value`"));
    };
    let name = name.trim();
    if HEADERS_NOT.contains(&name.to_ascii_lowercase().as_str()) {
        return Some(format!("`{name}` is not for a file to set; a token stands in `token_env`"));
    }
    let fits = |sign: char| sign.is_ascii_alphanumeric() || sign == '-' || sign == '_';
    let is_name = !name.is_empty() && name.chars().all(fits);
    let is_value = value.chars().all(|sign| (' '..='~').contains(&sign));
    (!is_name || !is_value).then(|| format!("`{text}` is not `Name: value` in plain letters"))
}

action! {
    /// Runs a job that a workload of the application declares, in its namespace, and waits for its end.
    RunJob = "run-job", Named, on: &[], needs_active: false, global: false,
    with {
        /// The side in whose cluster it runs.
        at: Role,
        /// What it is called in the application's file.
        job: String,
    }
    gives {
        /// How many of its pods succeeded.
        succeeded: u32,
        /// The pod that ran last.
        pod: String,
    }
}

impl RunJob {
    /// The job and the workload that declares it.
    pub fn find<'a>(&self, on: &On<'a>) -> Option<(&'a Workload, &'a Job)> {
        on.application.job(&self.job)
    }

    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let Some((workload, job)) = self.find(on) else {
            let none = format!("kubernetes {region}: no job is called {}", self.job);
            return Description { effect: vec![none], ..Description::default() };
        };
        let context = context(workload, region);
        let image = filled(&job.image, region, on.token);
        let called: Vec<String> = job.command_for(region, on.token);
        let called: Vec<String> = called.iter().map(|one| word(one)).collect();
        let manifest = job.manifest(&workload.namespace, region, on.token);
        let kubectl = command!("kubectl --context {} -n {}", context, workload.namespace);
        Description {
            effect: vec![format!(
                "kubernetes {region}: create the job {} in {} of {context}: {image} {}, for {} at most",
                on.token,
                workload.namespace,
                called.join(" "),
                job.limit
            )],
            by_hand: vec![
                format!("printf %s {} | {kubectl} create -f -", word(&manifest.to_string())),
                format!(
                    "{kubectl} wait {} --for=condition=complete",
                    command!("job/{} --timeout {}s", on.token, job.limit.secs())
                ),
                format!("{kubectl} logs {} --tail 20", command!("job/{}", on.token)),
            ],
            permissions: Vec::new(),
        }
    }
}
