//! Reads how a database is reached by SQL, what is checked in it, and its canary.

use std::fmt;

use super::{Names, Sides, address, texts};
use crate::{
    application::sql::{
        Address, CANARY_EVERY, Canary, Check, CheckKind, Divergence, Login, Ordered, Rows,
        STATEMENT_LIMIT, Sql, SslMode, Table, is_identifier, statement_problem,
    },
    check::{Fields, Findings, list, text, wrong_kind},
    tree::Node,
    value::Span,
};

/// A canary that is written more often is a load, one that is written less often says nothing
/// against an objective of minutes.
const EVERY: (Span, Span) = (Span::from_secs(1), Span::from_secs(60));

/// The longest that one statement of a check may run.
const STATEMENT_LIMIT_MAX: Span = Span::from_mins(30);

/// What a database says about SQL.
pub(super) struct Said {
    pub(super) sql: Option<Sql>,
    pub(super) canary: Option<Canary>,
    pub(super) checks: Vec<Check>,
    pub(super) divergence: Option<Divergence>,
}

/// The keys of a database that are read here.
pub(super) const KEYS: &[&str] = &["sql", "canary", "checks", "divergence"];

pub(super) fn read(database: &Fields<'_>, sides: &Sides, out: &mut Findings) -> Option<Said> {
    let sql = database.get("sql").map(|node| sql(node, sides, out));
    let canary = database.get("canary").map(|node| canary(node, sides, out));
    let mut names = Names::default();
    let nodes = database.list("checks", out);
    let checks: Vec<_> =
        nodes.iter().map(|node| check(node, canary.is_some(), &mut names, out)).collect();
    let divergence = database.get("divergence").map(|node| divergence(node, out));
    for key in ["canary", "checks", "divergence"] {
        if let (None, Some(node)) = (&sql, database.get(key)) {
            out.error(
                node.place,
                "no-sql",
                format!("`{key}` needs `sql`: how the database is reached"),
            );
        }
    }
    let proves = |check: &Option<Check>| check.as_ref().is_none_or(|one| one.kind.proves_data());
    if let Some(node) = database.get("checks")
        && !checks.iter().any(proves)
    {
        let message = "none of the checks proves data: a restore that passes them is not verified";
        out.warning(node.place, "proves-nothing", message)
            .hint("add `rows`, `sentinel`, `canary_age` or `query`");
    }
    Some(Said {
        sql: transposed(sql)?,
        canary: transposed(canary)?,
        checks: checks.into_iter().collect::<Option<_>>()?,
        divergence: transposed(divergence)?,
    })
}

/// What is not there is fine; what is there and cannot be read is not.
fn transposed<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(Some(value)) => Some(Some(value)),
        Some(None) => None,
        None => Some(None),
    }
}

fn sql(node: &Node, sides: &Sides, out: &mut Findings) -> Option<Sql> {
    let known = &[
        "database",
        "user",
        "password_env",
        "secret",
        "ca_file",
        "sslmode",
        "endpoints",
        "statement_limit",
    ];
    let fields = Fields::open(node, "`sql`", known, out)?;
    let database = fields.need_text("database", out);
    let login = login(&fields, sides, out);
    if login.is_empty() {
        out.error(fields.place, "no-login", "`sql` needs `user` and `password_env`, or `secret`");
    }
    let ca_file = fields.text("ca_file", out);
    if let (Some(node), Some(file)) = (fields.get("ca_file"), &ca_file)
        && !file.starts_with('/')
    {
        let message = format!(
            "`{file}` is not a path from the root: it would depend on where the daemon starts"
        );
        out.error(node.place, "wrong-value", message);
    }
    let sslmode = match fields.get("sslmode") {
        Some(_) => fields.parsed("sslmode", out),
        None => Some(SslMode::VerifyFull),
    };
    let mut endpoints = std::collections::BTreeMap::new();
    for (region, node) in sides.map(fields.entries("endpoints", out), out) {
        if let Some(endpoint) = address::endpoint(node, false, out) {
            endpoints.insert(region.to_string(), endpoint);
        }
    }
    let statement_limit = match fields.get("statement_limit") {
        Some(node) => fields
            .parsed("statement_limit", out)
            .filter(|limit| in_range(node, *limit, (Span::from_secs(1), STATEMENT_LIMIT_MAX), out)),
        None => Some(STATEMENT_LIMIT),
    };
    let sql = Sql {
        database: database?,
        login,
        ca_file,
        sslmode: sslmode?,
        endpoints,
        statement_limit: statement_limit?,
    };
    secure(&sql, &fields, sides, out);
    Some(sql)
}

/// Nothing leaves the machine in the clear, or to somebody who cannot prove who they are.
fn secure(sql: &Sql, fields: &Fields<'_>, sides: &Sides, out: &mut Findings) {
    let is_near = |region: &crate::name::Region| {
        let endpoint = sql.endpoint(region).and_then(|text| text.parse::<Address>().ok());
        endpoint.is_some_and(|address| address.is_loopback())
    };
    let stays = sides.both().all(is_near);
    let place = fields.get("sslmode").map_or(fields.place, |node| node.place);
    let message = match (sql.sslmode, &sql.ca_file) {
        (SslMode::VerifyFull | SslMode::Require, Some(_)) => return,
        (SslMode::Require | SslMode::Disable, _) if stays => return,
        (SslMode::VerifyFull, None) => "`sslmode: verify-full` needs `ca_file`",
        (SslMode::Require, None) => "`sslmode: require` beyond loopback needs `ca_file`",
        (SslMode::Disable, _) => "`sslmode: disable` is for endpoints on loopback",
    };
    out.error(place, "insecure", message)
        .hint("download the bundle of RDS's authorities and name it in `ca_file`");
}

pub(super) fn login(fields: &Fields<'_>, sides: &Sides, out: &mut Findings) -> Login {
    let user = fields.text("user", out);
    let password_env = fields.text("password_env", out);
    if let (Some(node), Some(name)) = (fields.get("password_env"), &password_env) {
        variable(node, name, "write its name, such as `ORDERS_PASSWORD`, never the password", out);
        if user.is_none() {
            out.error(fields.place, "missing-key", "`password_env` needs `user`");
        }
        if let Some(secret) = fields.get("secret") {
            let message = "`secret` and `password_env` are two places for one password";
            out.error(secret.place, "two-passwords", message);
        }
    }
    if fields.get("secret").is_some() {
        sides.complete(fields, "secret", out);
    } else if let (Some(node), None) = (fields.get("user"), &password_env) {
        let message = "nothing says where the password comes from";
        out.error(node.place, "no-password", message).hint("`password_env` or `secret`");
    }
    let secret = address::arns(fields.entries("secret", out), "secretsmanager", sides, out);
    Login { user, password_env, secret }
}

/// Reports what is no name of an environment variable. A secret that somebody wrote here by mistake is
/// not repeated.
pub(super) fn variable(node: &Node, name: &str, hint: &str, out: &mut Findings) {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(fits) {
        out.error(node.place, "wrong-value", "this is not the name of an environment variable")
            .hint(hint);
    }
}

fn canary(node: &Node, sides: &Sides, out: &mut Findings) -> Option<Canary> {
    let known = &["schema", "every", "user", "password_env", "secret"];
    let fields = Fields::open(node, "a canary", known, out)?;
    let schema = fields.need("schema", out).and_then(|node| identifier(node, out));
    if let (Some(node), Some("public")) = (fields.get("schema"), schema.as_deref()) {
        out.error(node.place, "wrong-value", "the canary needs a schema of its own, not `public`");
    }
    let every = match fields.get("every") {
        Some(node) => {
            fields.parsed("every", out).filter(|every| in_range(node, *every, EVERY, out))
        }
        None => Some(CANARY_EVERY),
    };
    let login = login(&fields, sides, out);
    Some(Canary { schema: schema?, every: every?, login })
}

fn check(node: &Node, has_canary: bool, names: &mut Names, out: &mut Findings) -> Option<Check> {
    const KINDS: &[&str] = &["rows", "sentinel", "extensions", "roles", "canary_age", "query"];
    let known: Vec<&str> = std::iter::once("name").chain(KINDS.iter().copied()).collect();
    let fields = Fields::open(node, "a check", &known, out)?;
    let name = names.read(&fields, out);
    let mut given = KINDS.iter().filter_map(|kind| Some((*kind, fields.get(kind)?)));
    let Some((word, what)) = given.next() else {
        let message = format!("a check says what it checks: one of {}", KINDS.join(", "));
        out.error(node.place, "missing-key", message);
        return None;
    };
    if let Some((other, node)) = given.next() {
        let message = format!("a check is either `{word}` or `{other}`");
        out.error(node.place, "two-checks", message);
        return None;
    }
    let kind = match word {
        "rows" => rows(what, out),
        "extensions" => named(what, out).map(CheckKind::Extensions),
        "roles" => named(what, out).map(CheckKind::Roles),
        "canary_age" => {
            if !has_canary {
                let message = "`canary_age` needs a `canary` of the database";
                out.error(what.place, "no-canary", message);
            }
            let fields = Fields::open(what, "`canary_age`", &["max"], out);
            fields
                .and_then(|fields| fields.need_parsed("max", out))
                .map(|max| CheckKind::CanaryAge { max })
        }
        "sentinel" => statement(what, "a sentinel", "query", out)
            .map(|(query, equals)| CheckKind::Sentinel { query, equals }),
        _ => statement(what, "a query", "sql", out)
            .map(|(sql, equals)| CheckKind::Query { sql, equals }),
    };
    Some(Check { name: name?, kind: kind? })
}

/// The tables that are compared between the sides, each once.
fn divergence(node: &Node, out: &mut Findings) -> Option<Divergence> {
    let fields = Fields::open(node, "`divergence`", &["tables"], out)?;
    let nodes = fields.need("tables", out).and_then(|node| list(node, out))?;
    if nodes.is_empty() {
        out.error(node.place, "wrong-value", "an empty list compares nothing");
        return None;
    }
    let (mut tables, mut seen) = (Vec::new(), Vec::<Table>::new());
    for node in nodes {
        let read = ordered(node, out);
        if let Some(one) = &read {
            if seen.contains(&one.table) {
                let message = format!("`{}` is compared twice", one.table);
                out.error(node.place, "duplicate-name", message);
            }
            seen.push(one.table.clone());
        }
        tables.push(read);
    }
    Some(Divergence { tables: tables.into_iter().collect::<Option<_>>()? })
}

fn ordered(node: &Node, out: &mut Findings) -> Option<Ordered> {
    let fields = Fields::open(node, "a table", &["table", "key", "written_at"], out)?;
    let table = fields.need_parsed("table", out);
    let key = fields.need("key", out).and_then(|node| identifier(node, out));
    let written_at = fields.get("written_at").map(|node| identifier(node, out));
    Some(Ordered { table: table?, key: key?, written_at: transposed(written_at)? })
}

fn rows(node: &Node, out: &mut Findings) -> Option<CheckKind> {
    let fields = Fields::open(node, "`rows`", &["table", "at_least", "within"], out)?;
    let table = fields.need_parsed("table", out);
    let at_least: Option<u64> = fields.parsed("at_least", out);
    let within = fields.parsed("within", out);
    if fields.get("at_least").is_none() && fields.get("within").is_none() {
        let message = "`rows` says how many: `at_least`, or `within` a share of the last count";
        out.error(fields.place, "missing-key", message);
    }
    if let (Some(node), Some(0), None) = (fields.get("at_least"), at_least, within) {
        out.warning(node.place, "proves-nothing", "an empty table passes `at_least: 0`");
    }
    Some(CheckKind::Rows(Rows { table: table?, at_least, within }))
}

/// A statement and the value that it must give.
fn statement(
    node: &Node,
    what: &'static str,
    key: &'static str,
    out: &mut Findings,
) -> Option<(String, String)> {
    let fields = Fields::open(node, what, &[key, "equals"], out)?;
    let sql = fields.need_text(key, out);
    if let (Some(node), Some(sql)) = (fields.get(key), &sql)
        && let Some(why) = statement_problem(sql)
    {
        out.error(node.place, "bad-sql", format!("this is not one statement that reads: {why}"));
    }
    let equals = fields.need("equals", out).and_then(|node| value(node, out));
    Some((sql?, equals?))
}

/// A value as PostgreSQL writes it.
fn value(node: &Node, out: &mut Findings) -> Option<String> {
    use serde_json::Value;
    match node.scalar() {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(true)) => Some("t".to_owned()),
        Some(Value::Bool(false)) => Some("f".to_owned()),
        Some(_) | None => {
            wrong_kind(node, "a text, a number, true or false", out);
            None
        }
    }
}

fn identifier(node: &Node, out: &mut Findings) -> Option<String> {
    let name = text(node, out)?;
    if is_identifier(name) {
        return Some(name.to_owned());
    }
    let message = format!("`{name}` is not a name of letters, digits and `_`, 63 at most");
    out.error(node.place, "wrong-value", message);
    None
}

/// A list of names that is not empty.
fn named(node: &Node, out: &mut Findings) -> Option<Vec<String>> {
    let items = list(node, out)?;
    if items.is_empty() {
        out.error(node.place, "wrong-value", "an empty list checks nothing");
        return None;
    }
    Some(texts(items, out))
}

pub(super) fn in_range<T: PartialOrd + fmt::Display>(
    node: &Node,
    value: T,
    (least, most): (T, T),
    out: &mut Findings,
) -> bool {
    let fits = value >= least && value <= most;
    if !fits {
        let message = format!("{value} is not between {least} and {most}");
        out.error(node.place, "wrong-value", message);
    }
    fits
}
