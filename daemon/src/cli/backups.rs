//! `muster backups`: the recovery points of one application or of all.

use clap::Args;
use serde_json::json;

use super::{Client, Exit, Failure, Terminal, say::segment, show::at_text};
use crate::api::{
    list::Page,
    view::{application::ApplicationView, point::PointView},
};

/// Arguments of `backups`.
#[derive(Clone, Debug, Default, Args)]
pub struct Backups {
    /// The application; all of them without it.
    pub application: Option<String>,
    /// Only of this database or cache.
    #[arg(long, value_name = "NAME")]
    pub component: Option<String>,
    /// Only in this region.
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
}

/// Lists recovery points.
pub(super) async fn backups(
    args: &Backups,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let names = match &args.application {
        Some(name) => vec![name.clone()],
        None => {
            let all: Page<ApplicationView> = client.get("/v1/applications?limit=200").await?;
            all.items.into_iter().map(|one| one.name).collect()
        }
    };
    let mut found: Vec<(String, PointView)> = Vec::new();
    for name in &names {
        let points = points(args, name, client).await?;
        found.extend(points.into_iter().map(|point| (name.clone(), point)));
    }
    match &args.application {
        Some(_) => terminal.json(&found.iter().map(|(_, point)| point).collect::<Vec<_>>()),
        None => {
            let lines =
                found.iter().map(|(name, point)| json!({ "application": name, "point": point }));
            terminal.json(&lines.collect::<Vec<_>>());
        }
    }
    if found.is_empty() {
        match &args.application {
            Some(name) => {
                terminal.line(format!("{name} has no such recovery point"));
                terminal
                    .then(format!("muster run daily-backup --application {name} --reason TEXT"));
            }
            None => terminal.line("no application has such a recovery point"),
        }
        return Ok(Exit::No);
    }
    let rows = found.iter().map(|(name, point)| {
        let mut row = row(point);
        if args.application.is_none() {
            row.insert(0, name.clone());
        }
        row
    });
    let mut header = vec![
        "COMPONENT",
        "REGION",
        "ACCOUNT",
        "DATA OF",
        "AGE",
        "STATUS",
        "PROVEN",
        "TESTED",
        "SIZE",
        "POINT",
        "",
    ];
    if args.application.is_none() {
        header.insert(0, "APPLICATION");
    }
    terminal.table(&header, rows.collect());
    Ok(Exit::Done)
}

/// Those recovery points of an application.
pub(super) async fn points(
    args: &Backups,
    name: &str,
    client: &Client,
) -> Result<Vec<PointView>, Failure> {
    let path = format!("/v1/applications/{}/recovery-points?limit=200", segment(name)?);
    let mut only = String::new();
    for (key, value) in [("component", &args.component), ("region", &args.region)] {
        if let Some(value) = value {
            only += &format!("&{key}={}", segment(value)?);
        }
    }
    let (mut points, mut after) = (Vec::new(), String::new());
    loop {
        let page: Page<PointView> = client.get(&format!("{path}{only}{after}")).await?;
        points.extend(page.items);
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(points),
        }
    }
}

fn row(point: &PointView) -> Vec<String> {
    let tested = point.tested.as_ref().map_or("never".to_owned(), |tested| {
        let took = tested.took.as_ref().map_or(String::new(), |took| format!(" in {}", took.text));
        let [restore, validation, clean_up] =
            [&tested.restore, &tested.validation, &tested.clean_up]
                .map(|stamp| stamp.status.replace('_', " "));
        format!("restore {restore}{took}, validation {validation}, clean-up {clean_up}")
    });
    let marked = if point.marked_at.is_some() { "marked for deletion" } else { "" };
    let fate = held(point).unwrap_or_else(|| marked.to_owned());
    vec![
        point.component.clone(),
        point.region.clone(),
        point.account.clone(),
        at_text(point.data_at),
        point.age.as_ref().map_or("unknown".to_owned(), |age| age.text.clone()),
        point.status.clone().unwrap_or("unknown".to_owned()),
        point.verified_at.map_or("never".to_owned(), at_text),
        tested,
        point.size_gib.map_or("unknown".to_owned(), |size| format!("{size} GiB")),
        point.id.clone(),
        fate,
    ]
}

/// Who holds a point.
pub(super) fn held(point: &PointView) -> Option<String> {
    let by = point.holds.iter().map(|hold| format!("`{}` ({})", hold.name, hold.by));
    let by: Vec<String> = by.collect();
    (!by.is_empty()).then(|| format!("held by {}", by.join(", ")))
}
