//! `muster objectives`: what could be kept today of what was promised, with the reasons.

use clap::Args;

use super::{Client, Exit, Failure, Terminal, say::segment, show::at_text};
use crate::api::view::objectives::{AchievableView, Kept, ObjectivesView, ThreatView};

/// Arguments of `objectives`.
#[derive(Clone, Debug, Args)]
pub struct Objectives {
    /// The application.
    pub application: String,
}

/// Shows the objectives. The answer is yes only when the loss of the region was measured to be survived
/// as promised.
pub(super) async fn objectives(
    args: &Objectives,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let path = format!("/v1/applications/{}/objectives", segment(&args.application)?);
    let view: ObjectivesView = client.get(&path).await?;
    terminal.json(&view);
    let read = view.read_at.map_or("nobody has looked yet".to_owned(), |at| {
        format!("from what was read at {}", at_text(at))
    });
    terminal.line(terminal.loud(&format!(
        "{}: RPO {}, RTO {}; {read}",
        view.application, view.rpo.text, view.rto.text
    )));
    let all = view.threats.iter().map(|threat| ("", threat));
    let each = view.components.iter();
    let each =
        each.flat_map(|one| one.threats.iter().map(|threat| (one.component.as_str(), threat)));
    let rows = all.chain(each).flat_map(|(component, threat)| rows(component, threat));
    terminal.table(&["COMPONENT", "THREAT", "", "COULD BE", "PROMISE", "BECAUSE"], rows.collect());
    let survives = view.threats.iter().any(|threat| {
        threat.threat == "region-loss"
            && [&threat.rpo, &threat.rto].into_iter().all(|figure| figure.verdict == Kept::Met)
    });
    Ok(if survives { Exit::Done } else { Exit::No })
}

fn rows(component: &str, threat: &ThreatView) -> [Vec<String>; 2] {
    let row = |name: &str, figure: &AchievableView| {
        let component = if component.is_empty() { "(all)" } else { component };
        vec![
            component.to_owned(),
            threat.threat.clone(),
            name.to_owned(),
            figure.text.clone(),
            figure.verdict.word().to_owned(),
            figure.because.clone(),
        ]
    };
    [row("RPO", &threat.rpo), row("RTO", &threat.rto)]
}
