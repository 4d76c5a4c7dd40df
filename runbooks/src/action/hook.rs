//! Asking the application itself, before and after a snapshot.

use super::{ComponentKind, Description, On, Role, action};
use crate::{
    application::{
        Component, Database,
        hook::{ExecHook, Hook, HookKind, HookTime, SqlHook},
    },
    shell::{command, word},
};

action! {
    /// Asks the hooks of a database, in the order of its file. Asked at least once: after a crash a hook may be asked again, under the same name.
    RunHooks = "run-hooks", Repeatable, on: &[ComponentKind::Databases], needs_active: false, global: false,
    with {
        /// The side whose application is asked.
        at: Role,
        /// Which hooks.
        when: HookTime,
    }
    gives {
        /// How many did what they were asked.
        ran: u32,
        /// Those with `on_error: continue` that failed, and what they said.
        failed: Vec<String>,
    }
}

impl RunHooks {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let mut said = Description::default();
        let Some(Component::Database(database)) = on.component else { return said };
        for hook in database.hooks_at(self.when) {
            let (effect, by_hand) = match &hook.kind {
                HookKind::Http(http) => {
                    let token = http
                        .token_env
                        .as_ref()
                        .map(|variable| format!(" -H \"Authorization: Bearer ${variable}\""));
                    let key = word(&format!("Idempotency-Key: {}", on.token));
                    let (url, token) = (word(&http.url), token.unwrap_or_default());
                    let by_hand = format!("curl -fsS -X POST -H {key}{token} {url}");
                    (format!("POST {}", http.url), by_hand)
                }
                HookKind::Sql(sql) => self.sql(on, database, sql, &mut said.permissions),
                HookKind::Exec(exec) => self.exec(on, exec),
            };
            said.effect.push(format!("hook {}: {effect} ({})", hook.name, terms(hook)));
            said.by_hand.push(by_hand);
        }
        said
    }

    fn sql(
        &self,
        on: &On<'_>,
        database: &Database,
        hook: &SqlHook,
        permissions: &mut Vec<String>,
    ) -> (String, String) {
        let region = on.region(self.at);
        let Some(sql) = &database.sql else {
            let none = format!("sql: none, `{}` says nothing about SQL", database.name);
            return (none, String::new());
        };
        let login = if hook.login.is_empty() { &sql.login } else { &hook.login };
        let place = match sql.endpoint(region) {
            Some(endpoint) => endpoint.to_owned(),
            None => {
                permissions.push("rds:DescribeDBClusters".to_owned());
                format!("ENDPOINT of {region}")
            }
        };
        if !login.secret.is_empty() {
            permissions.push("secretsmanager:GetSecretValue".to_owned());
        }
        let user = login.user.as_deref().unwrap_or("USER");
        let statement = in_one_line(&hook.statement);
        let connection = format!("host={place} dbname={} user={user}", sql.database);
        let by_hand = command!("psql {} -c {}", connection, statement);
        (format!("sql {place}: {statement}"), by_hand)
    }

    fn exec(&self, on: &On<'_>, hook: &ExecHook) -> (String, String) {
        let region = on.region(self.at);
        let workloads = &on.application.workloads;
        let workload = workloads.iter().find(|workload| workload.name == hook.workload);
        let namespace = workload.map_or("(no workload)", |workload| &workload.namespace);
        let context = workload.and_then(|workload| workload.contexts.get(region.as_str()));
        let context = context.map_or("CONTEXT", String::as_str);
        let container = hook.container.as_deref();
        let inside = container.map_or_else(String::new, |name| format!(", container {name}"));
        let flag = container.map_or_else(String::new, |name| format!(" -c {}", word(name)));
        let words = hook.command_for(on.token);
        let command: Vec<String> = words.iter().map(|one| word(&in_one_line(one))).collect();
        let command = command.join(" ");
        let selector = in_one_line(&hook.selector);
        let effect = format!(
            "kubernetes {region}: exec {command} in a ready pod `{selector}` of {namespace}{inside}"
        );
        let by_hand = format!(
            "{} exec POD{flag} -- {command}",
            command!("kubectl --context {} -n {}", context, namespace)
        );
        (effect, by_hand)
    }
}

/// What else holds for a hook.
fn terms(hook: &Hook) -> String {
    format!("within {}, on error: {}", hook.limit, hook.on_error)
}

/// A text of a file as one line of a preview.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
