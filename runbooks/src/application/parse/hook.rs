//! Reads the hooks of a database.

use super::{
    Names, Sides, address,
    sql::{in_range, login, variable},
};
use crate::{
    application::{
        hook::{
            ExecHook, HOOK_LIMIT_MAX, HOOKS_MAX, HOOKS_TOGETHER_MAX, Hook, HookKind, HookTime,
            HttpHook, OnError, SqlHook,
        },
        sql::{Login, one_statement_problem},
    },
    check::{Fields, Findings, list, text},
    tree::{Content, Node},
    value::Span,
};

const KINDS: &[&str] = &["http", "sql", "exec"];

/// The most words of a command, and the most bytes of all of them: they travel in a URL.
const COMMAND: (usize, usize) = (64, 4_096);

/// The longest label selector, in bytes.
const SELECTOR_BYTES_MAX: usize = 512;

/// The names of the workloads that the file declares, whether or not they can be read.
pub(super) struct Workloads<'a>(Vec<&'a str>);

impl<'a> Workloads<'a> {
    pub(super) fn declared(fields: &Fields<'a>, out: &mut Findings) -> Workloads<'a> {
        let name = |node: &'a Node| match &node.content {
            Content::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == "name")
                .and_then(|entry| entry.value.text()),
            Content::Scalar(_) | Content::List(_) => None,
        };
        Workloads(fields.list("workloads", out).iter().filter_map(name).collect())
    }
}

/// Reads the hooks of a database.
pub(super) fn read(
    database: &Fields<'_>,
    sides: &Sides,
    workloads: &Workloads<'_>,
    out: &mut Findings,
) -> Option<Vec<Hook>> {
    let nodes = database.list("hooks", out);
    if let Some(first) = nodes.get(HOOKS_MAX) {
        let message = format!("a database has {HOOKS_MAX} hooks at most");
        out.error(first.place, "too-many-hooks", message);
        return None;
    }
    let mut names = Names::default();
    let has_sql = database.get("sql").is_some();
    let hooks: Vec<_> =
        nodes.iter().map(|node| hook(node, has_sql, sides, workloads, &mut names, out)).collect();
    together(nodes, &hooks, out);
    hooks.into_iter().collect()
}

/// What can only be judged about several hooks.
fn together(nodes: &[Node], hooks: &[Option<Hook>], out: &mut Findings) {
    let read = || nodes.iter().zip(hooks).filter_map(|(node, hook)| Some((node, hook.as_ref()?)));
    for time in [HookTime::BeforeSnapshot, HookTime::AfterSnapshot] {
        let mut secs = 0;
        let mut urls: Vec<&str> = Vec::new();
        for (node, hook) in read().filter(|(_, hook)| hook.when == time) {
            let was_fine = secs <= HOOKS_TOGETHER_MAX.secs();
            secs += hook.limit.secs();
            if was_fine && secs > HOOKS_TOGETHER_MAX.secs() {
                let message =
                    format!("the hooks `{time}` may take over {HOOKS_TOGETHER_MAX} together");
                out.error(node.place, "too-long", message);
            }
            let HookKind::Http(http) = &hook.kind else { continue };
            if urls.contains(&http.url.as_str()) {
                let message = format!("two hooks `{time}` ask one URL under one idempotency key");
                out.error(node.place, "same-url", message)
                    .hint("the second would be taken for a repetition of the first");
            }
            urls.push(&http.url);
        }
    }
}

fn hook(
    node: &Node,
    has_sql: bool,
    sides: &Sides,
    workloads: &Workloads<'_>,
    names: &mut Names,
    out: &mut Findings,
) -> Option<Hook> {
    let known = [&["name", "when", "limit", "on_error"], KINDS].concat();
    let fields = Fields::open(node, "a hook", &known, out)?;
    let name = names.read_as(&fields, "a hook of this database", out);
    let when = fields.need_parsed("when", out);
    let limit: Option<Span> = fields.need_parsed("limit", out);
    let limit = limit
        .zip(fields.get("limit"))
        .filter(|(limit, node)| in_range(node, *limit, (Span::from_secs(1), HOOK_LIMIT_MAX), out));
    let on_error: Option<OnError> = fields.need_parsed("on_error", out);
    let mut given = KINDS.iter().filter_map(|kind| Some((*kind, fields.get(kind)?)));
    let Some((word, what)) = given.next() else {
        let message = format!("a hook says how it is asked: one of {}", KINDS.join(", "));
        out.error(node.place, "missing-key", message);
        return None;
    };
    if let Some((other, node)) = given.next() {
        let message = format!("a hook is either `{word}` or `{other}`");
        out.error(node.place, "two-kinds", message);
        return None;
    }
    let kind = match word {
        "http" => http(what, out).map(HookKind::Http),
        "sql" => sql(what, has_sql, sides, out).map(HookKind::Sql),
        _ => exec(what, workloads, out).map(HookKind::Exec),
    };
    Some(Hook { name: name?, when: when?, limit: limit?.0, on_error: on_error?, kind: kind? })
}

fn http(node: &Node, out: &mut Findings) -> Option<HttpHook> {
    let fields = Fields::open(node, "`http`", &["url", "token_env"], out)?;
    let url = fields.need("url", out).and_then(|node| address::secure_url(node, out));
    let token_env = fields.text("token_env", out);
    if let (Some(node), Some(name)) = (fields.get("token_env"), &token_env) {
        variable(node, name, "write its name, such as `QUIESCE_TOKEN`, never the token", out);
    }
    Some(HttpHook { url: url?, token_env })
}

fn sql(node: &Node, has_sql: bool, sides: &Sides, out: &mut Findings) -> Option<SqlHook> {
    let fields = Fields::open(node, "`sql`", &["statement", "login"], out)?;
    if !has_sql {
        let message = "a hook by SQL needs `sql` of the database: how it is reached";
        out.error(node.place, "no-sql", message);
    }
    let statement = fields.need_text("statement", out);
    if let (Some(node), Some(statement)) = (fields.get("statement"), &statement)
        && let Some(why) = one_statement_problem(statement)
    {
        out.error(node.place, "bad-sql", format!("this is not one statement: {why}"));
    }
    let login = fields.get("login").map_or(Some(Login::default()), |node| {
        let known = ["user", "password_env", "secret"];
        let fields = Fields::open(node, "a login", &known, out)?;
        let login = login(&fields, sides, out);
        if login.is_empty() {
            let message = "a login needs `user` and `password_env`, or `secret`";
            out.error(fields.place, "no-login", message);
        }
        Some(login)
    });
    Some(SqlHook { statement: statement?, login: login? })
}

fn exec(node: &Node, workloads: &Workloads<'_>, out: &mut Findings) -> Option<ExecHook> {
    let known = ["workload", "selector", "container", "command"];
    let fields = Fields::open(node, "`exec`", &known, out)?;
    let workload: Option<crate::name::ComponentName> = fields.need_parsed("workload", out);
    if let (Some(node), Some(name)) = (fields.get("workload"), &workload)
        && !workloads.0.contains(&name.as_str())
    {
        let lead = "no workload is called";
        crate::check::unknown(
            node.place,
            lead,
            "unknown-workload",
            name.as_str(),
            &workloads.0,
            out,
        );
    }
    let selector = fields.need_text("selector", out);
    if let (Some(node), Some(selector)) = (fields.get("selector"), &selector)
        && (selector.len() > SELECTOR_BYTES_MAX || selector.chars().any(char::is_control))
    {
        out.error(node.place, "wrong-value", "this is not a label selector such as `app=api`");
    }
    let container = fields.text("container", out);
    if let (Some(node), Some(name)) = (fields.get("container"), &container)
        && !is_label(name)
    {
        out.error(node.place, "wrong-value", format!("`{name}` is not the name of a container"));
    }
    let command = fields.need("command", out).and_then(|node| command(node, out));
    Some(ExecHook { workload: workload?, selector: selector?, container, command: command? })
}

/// A label as Kubernetes names containers: RFC 1123.
pub(super) fn is_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// The words of a command.
pub(super) fn command(node: &Node, out: &mut Findings) -> Option<Vec<String>> {
    let items = list(node, out)?;
    if items.is_empty() {
        out.error(node.place, "wrong-value", "an empty command does nothing");
        return None;
    }
    let words: Vec<String> =
        items.iter().filter_map(|node| text(node, out)).map(str::to_owned).collect();
    let (words_max, bytes_max) = COMMAND;
    if words.len() > words_max || words.iter().map(String::len).sum::<usize>() > bytes_max {
        let message = format!("a command has {words_max} words and {bytes_max} bytes at most");
        out.error(node.place, "wrong-value", message)
            .hint("put what it does into a script of the image");
        return None;
    }
    (words.len() == items.len()).then_some(words)
}
