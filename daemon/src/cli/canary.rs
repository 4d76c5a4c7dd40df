//! `muster canary grant`: the SQL by which the owner of a database lets Muster write its canary.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use muster_runbooks::{
    application::{Application, sql::grant::grant},
    name::ComponentName,
};
use serde_json::json;

use super::{Exit, Failure, Terminal, files::Files};

/// Verbs about canaries.
#[derive(Clone, Debug, Subcommand)]
pub enum Canary {
    /// Print the SQL that allows a canary, from the application's file alone.
    Grant(Grant),
}

/// Arguments of `canary grant`.
#[derive(Clone, Debug, Args)]
pub struct Grant {
    /// The application's file.
    #[arg(long, short, value_name = "FILE")]
    pub application: PathBuf,
    /// The database; the only one with a canary without it.
    #[arg(long, short, value_name = "NAME")]
    pub database: Option<ComponentName>,
}

/// Carries a verb about canaries out.
pub(super) fn canary(verb: &Canary, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let Canary::Grant(args) = verb;
    let path = args.application.display();
    let bad = |because: String, hint: String| Failure::BadUse { because, hint: Some(hint) };
    let lint = || format!("muster lint {path}");
    let files = Files::read(std::slice::from_ref(&args.application))?;
    let (name, text) = files
        .applications
        .first()
        .ok_or_else(|| bad(format!("{path} holds no application"), lint()))?;
    let application = Application::parse(name, text)
        .map_err(|_| bad(format!("{path} cannot be used"), lint()))?;
    let databases = application.databases.iter();
    let mut wanted = databases.filter(|database| match &args.database {
        Some(name) => database.name == *name,
        None => database.canary.is_some(),
    });
    let (database, others) = (wanted.next(), wanted.count());
    let Some(database) = database else {
        let hint = "a canary is off until the file declares it: `canary: { schema: muster }`";
        return Err(bad(format!("{path} declares no such canary"), hint.to_owned()));
    };
    if others > 0 {
        let hint = "name one with --database".to_owned();
        return Err(bad(format!("{path} declares several canaries"), hint));
    }
    let text = grant(database).ok_or_else(|| {
        let because = format!("`{}` has no canary whose role is named", database.name);
        bad(because, "`canary` needs `schema` and `user`".to_owned())
    })?;
    terminal.json(&json!({ "database": database.name, "sql": text }));
    for line in text.lines() {
        terminal.line(line);
    }
    Ok(Exit::Done)
}
