//! What happens in the demo: a backup, the loss of the active region, a failover.

use std::{collections::BTreeMap, io::IsTerminal};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use muster_runbooks::application::Application;
use serde_json::{Value, json};

use super::{Trouble, stage::People};
use crate::{
    api::view::run::RunView,
    cli::{Client, Connection, Terminal},
    clock::Clock,
    world::{
        World,
        sim::{Fault, Lost},
    },
};

/// How often the run is looked at, in real time.
const LOOK: SignedDuration = SignedDuration::from_millis(150);

/// How long a person has to press a key before the demo approves by itself. On the demo's clock it is as long as
/// somebody thinks who is woken at night; what could be lost grows meanwhile.
const KEY_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// How long, on the demo's clock, until the observers have noticed and somebody is at the keyboard.
const NOTICED_AFTER: SignedDuration = SignedDuration::from_secs(90);

/// A run that takes longer than this, in real time, has failed the demo.
const PATIENCE: SignedDuration = SignedDuration::from_secs(240);

/// The demo as it is told.
pub(super) struct Story<'a> {
    pub(super) server: &'a str,
    pub(super) people: &'a People,
    pub(super) application: &'a Application,
    pub(super) clock: &'a Clock,
    pub(super) world: &'a World,
}

impl Story<'_> {
    /// Tells it. Returns whether backup and failover succeeded.
    pub(super) async fn tell(&self, terminal: &mut Terminal) -> Result<bool, Trouble> {
        let (home, standby) = (&self.application.home, &self.application.standby);
        terminal.line(
            terminal.loud("Muster demo: two simulated regions on a fast clock, no cloud account"),
        );
        terminal
            .line(format!("{} lives in {home} and can live in {standby}", self.application.title));
        terminal.line(format!("page: {}/", self.server));

        self.scene(terminal, "1. A daily backup, copied to the other region");
        let backup =
            self.run(terminal, json!({ "runbook": "daily-backup", "reason": "demo" })).await?;

        self.scene(terminal, &format!("2. {home} is lost: no API, no database, no answer"));
        let symptom_at = self.clock.now();
        let World::Sim(world) = self.world else { return Ok(false) };
        world.with(|sim, now| {
            sim.inject(now, Fault::Outage { region: home.clone(), lost: Lost::Everything });
            sim.inject(now, Fault::GlobalControlPlane);
        });
        self.clock.sleep(NOTICED_AFTER).await;

        self.scene(
            terminal,
            &format!("3. ana asks for a failover to {standby}; it needs somebody else's approval"),
        );
        let ask = json!({
            "runbook": "region-failover", "manner": "forced",
            "reason": "demo: the region is gone", "symptom_at": symptom_at,
        });
        let failover = self.run(terminal, ask).await?;
        self.figures(terminal, &failover);
        Ok(is_well(&backup) && is_well(&failover))
    }

    fn scene(&self, terminal: &mut Terminal, title: &str) {
        terminal.line("");
        terminal.line(terminal.loud(title));
    }

    fn client(&self, who: &str) -> Result<Client, Trouble> {
        Ok(Client::new(&Connection {
            server: self.server.to_owned(),
            token: Some(self.people.token(who)),
            ..Connection::default()
        })?)
    }

    /// Asks for a run as ana and shows it to its end.
    async fn run(&self, terminal: &mut Terminal, mut ask: Value) -> Result<RunView, Trouble> {
        let ana = self.client("ana")?;
        ask["application"] = json!(self.application.name);
        let accepted: Value = ana.post("/v1/requests", &ask, None).await?;
        let id = accepted["run"].as_str().ok_or("the daemon named no run")?.to_owned();
        terminal.line(format!("run {id}"));
        let mut shown = Shown::default();
        let mut approvers = ["ben", "cleo"].into_iter();
        let began = Clock::Real.now();
        loop {
            let view: RunView = ana.get(&format!("/v1/runs/{id}")).await?;
            shown.show(&view, terminal);
            if !view.open || Clock::Real.now().duration_since(began) > PATIENCE {
                terminal.line(format!("the run {}", terminal.loud(&view.status.replace('_', " "))));
                return Ok(view);
            }
            if view.status == "awaiting_approval"
                && let Some(who) = approvers.next()
            {
                self.approve(terminal, &view, who).await?;
            }
            Clock::Real.sleep(LOOK).await;
        }
    }

    /// Shows what is asked, waits for a key or a few seconds, and approves as another person.
    async fn approve(
        &self,
        terminal: &mut Terminal,
        view: &RunView,
        who: &str,
    ) -> Result<(), Trouble> {
        let Some(asked) = view.approvals.first() else { return Ok(()) };
        terminal.line("");
        terminal.line(format!(
            "  `{}` asks for {} approval(s) by role {}:",
            asked.step, asked.missing, asked.role
        ));
        if let Some(loss) = &asked.data_loss {
            terminal.line(format!("    predicted data loss   {} ({})", loss.text, loss.by));
        }
        if let Some(length) = &asked.recovery_time {
            terminal.line(format!("    still to take         about {}", length.text));
        }
        if let Some(verdict) = &asked.observers {
            terminal.line(format!("    observers say         {verdict}"));
        }
        let risks: Vec<&String> = asked.may_accept.iter().collect();
        terminal.line(format!(
            "    risks to accept       {}",
            risks.iter().map(|risk| risk.as_str()).collect::<Vec<_>>().join(", ")
        ));
        terminal.line(format!("  press Enter to approve as {who}, or wait {KEY_WAIT:#}"));
        key_or(KEY_WAIT).await;
        let body = json!({
            "step": asked.step, "plan_hash": view.plan_hash, "accepts": risks,
            "reason": "demo: seen and agreed",
        });
        let _: Value =
            self.client(who)?.post(&format!("/v1/runs/{}/approve", view.id), &body, None).await?;
        terminal.line(format!("  {who} approved"));
        terminal.line("");
        Ok(())
    }

    fn figures(&self, terminal: &mut Terminal, view: &RunView) {
        terminal.line("");
        let unknown = "unknown".to_owned();
        if let Some(recovery) = &view.recovery {
            let total = recovery.total.as_ref().map_or(unknown.clone(), |total| total.text.clone());
            let objective = recovery.objective.as_ref();
            let objective =
                objective.map_or(String::new(), |rto| format!(" (objective {})", rto.text));
            terminal.line(format!("recovery time: {}{objective}", terminal.loud(&total)));
            let parts = &recovery.parts;
            let part = |name: &str, length: &Option<crate::api::view::Length>| {
                let text = length.as_ref().map_or("unknown", |length| length.text.as_str());
                format!("{name} {text}")
            };
            let list = [
                part("detect", &parts.detect),
                part("decide", &parts.decide),
                part("promote", &parts.promote),
                part("traffic", &parts.traffic),
                part("verify", &parts.verify),
            ];
            terminal.line(format!("  of which {}", list.join(", ")));
        }
        if let Some(losses) = &view.losses {
            let (measured, predicted) = (&losses.measured, losses.predicted.as_ref());
            let before = predicted.map_or("unknown", |loss| loss.text.as_str());
            // Nothing on the surviving side can tell while the old side may still take writes.
            let text = if measured.secs.is_some() {
                let measured = terminal.loud(&measured.text);
                format!(
                    "at most {measured} measured; at most {before} predicted when it was approved"
                )
            } else {
                format!("at most {} predicted, not measured yet", terminal.loud(before))
            };
            terminal.line(format!("data loss: {text}"));
            terminal.line(format!("  {}", measured.by));
        }
    }
}

fn is_well(view: &RunView) -> bool {
    matches!(view.status.as_str(), "succeeded" | "succeeded_with_exceptions")
}

/// Returns at the first key, or after a while. The end of the input is no key.
async fn key_or(wait: SignedDuration) {
    let (pressed, key) = tokio::sync::oneshot::channel::<()>();
    if std::io::stdin().is_terminal() {
        // A thread of its own, left behind when nobody presses: reading cannot be called off.
        std::thread::spawn(move || {
            let mut line = String::new();
            if std::io::stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                let _ = pressed.send(());
            }
        });
    }
    let key = async {
        if key.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = key => {}
        () = Clock::Real.sleep(wait) => {}
    }
}

/// What was printed about each step, so that only news is.
#[derive(Default)]
struct Shown {
    steps: BTreeMap<String, String>,
}

impl Shown {
    fn show(&mut self, view: &RunView, terminal: &mut Terminal) {
        for step in &view.steps {
            let percent = step.sample.as_ref().and_then(|sample| sample.percent);
            let tenth = percent.map(|percent| percent / 25 * 25);
            let state = format!(
                "{}{}",
                step.state,
                tenth.map_or(String::new(), |tenth| format!(" {tenth} %"))
            );
            let known = self.steps.get(&step.id).map(String::as_str).unwrap_or_default();
            // One look without a figure is no news behind a look that had one.
            let is_known = known == state || known.starts_with(&format!("{state} "));
            if is_known || step.state == "pending" {
                continue;
            }
            self.steps.insert(step.id.clone(), state.clone());
            let seen_at = step.sample.as_ref().filter(|_| tenth.is_some());
            let seen_at = seen_at.map(|sample| sample.read_at);
            let at = step.ended_at.or(seen_at).or(step.started_at).unwrap_or(view.last_event_at);
            let at = time(at);
            let mark = match step.state.as_str() {
                "succeeded" => "✓",
                "failed" => "✗",
                "running" => "▸",
                _ => "·",
            };
            let took = step.took.as_ref().filter(|_| step.ended_at.is_some());
            let took = took.map_or(String::new(), |took| format!("  {}", took.text));
            let fault = step.fault.as_ref().map_or(String::new(), |fault| format!(": {fault}"));
            terminal.line(format!("  {at} {mark} {:<32} {state}{took}{fault}", step.id));
        }
    }
}

fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S").to_string()
}
