//! Figures for alarms. Labels come from closed lists or from the configuration, never from strangers.

mod protection;

use std::{fmt::Write, sync::atomic::AtomicU64};

use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};
use jiff::Timestamp;
use muster_runbooks::{plan::Part, value::Span};
use muster_state::{
    lease::{Lease, Missing},
    overdue::Lacks,
    progress::Progress,
    run::Status,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{
    api::{
        Api, schedules,
        view::{
            application, run,
            wait::{self, Stops},
        },
    },
    overdue,
    perform::Health,
};

/// What is counted while the process lives. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    answers: Family<Class, Counter>,
    refused: Counter,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Class {
    class: &'static str,
}

impl Meters {
    /// Counts an answer by its class.
    pub fn answered(&self, status: u16) {
        let class = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.answers.get_or_create(&Class { class }).inc();
    }

    /// Counts a refusal that the audit trail is told of.
    pub fn refused(&self) {
        self.refused.inc();
    }
}

type Float = Gauge<f64, AtomicU64>;

type Labels = Vec<(&'static str, String)>;

fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

/// The second listener's route.
pub fn routes() -> Router<Api> {
    Router::new().route("/metrics", get(show))
}

async fn show(State(api): State<Api>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], render(&api))
}

/// Everything as text.
pub fn render(api: &Api) -> String {
    let mut registry = Registry::with_prefix("muster");
    let meters = api.meters();
    registry.register("http_answers", "Answers by class of status", meters.answers.clone());
    registry.register(
        "refusals",
        "Requests that were refused and recorded",
        meters.refused.clone(),
    );
    single(&mut registry, "event_streams", "Event streams that are open", api.streams_open());
    process(api, &mut registry);
    let now = api.intake().clock().now();
    api.intake().known(|known| runs(known, now, &mut registry));
    applications(api, &mut registry);
    protection::register(api, &mut registry);
    schedules_of(api, &mut registry);
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        let _ = writeln!(text, "# the metrics could not be written");
    }
    text
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, Float> {
    let family = Family::<Labels, Float>::default();
    registry.register(name, help, family.clone());
    family
}

fn single(registry: &mut Registry, name: &str, help: &str, value: usize) {
    let gauge = Float::default();
    gauge.set(value as f64);
    registry.register(name, help, gauge);
}

fn set<const N: usize>(
    family: &Family<Labels, Float>,
    pairs: [(&'static str, &str); N],
    value: usize,
) {
    family.get_or_create(&labels(pairs)).set(value as f64);
}

fn secs(span_secs: u64) -> usize {
    usize::try_from(span_secs).unwrap_or(usize::MAX)
}

fn process(api: &Api, registry: &mut Registry) {
    let health = api.intake().health();
    let state = gauge(registry, "health", "1 for the state that the process is in");
    for (word, is) in [
        ("starting", matches!(health, Health::Starting)),
        ("ready", matches!(health, Health::Ready)),
        ("standing_by", matches!(health, Health::StandingBy { .. })),
        ("read_only", matches!(health, Health::ReadOnly { .. })),
        ("stopping", matches!(health, Health::Stopping)),
    ] {
        set(&state, [("state", word)], usize::from(is));
    }
    let (off, end, epoch) =
        api.intake().known(|known| (known.off.is_some(), known.end, known.epoch));
    single(registry, "switched_off", "1 while Muster is switched off", usize::from(off));
    single(registry, "journal_records", "Records in the journal", secs(end));
    let help = "Rises whenever a process takes the state directory or the lease";
    single(registry, "epoch", help, secs(epoch));
    lease(api, registry);
    ship(api, registry);
    if let Some(beat) = api.intake().journal().last_beat() {
        let now = api.intake().clock().now();
        let age = secs(Span::between(beat, now).secs());
        single(registry, "heartbeat_age_seconds", "Since the engine last gave a sign of life", age);
    }
}

/// Only where one is configured: no series is no lease.
fn lease(api: &Api, registry: &mut Registry) {
    let now = api.intake().clock().now();
    let lease = api.intake().lease();
    if lease == Lease::NotConfigured {
        return;
    }
    let is = lease.forbids(now).as_ref().map_or("held", Missing::word);
    let states = gauge(registry, "lease", "1 for what the lease is to this process");
    for word in ["held", "unasked", "ended", "taken", "unreadable", "behind", "apart"] {
        set(&states, [("state", word)], usize::from(word == is));
    }
}

/// Only where the log is shipped.
fn ship(api: &Api, registry: &mut Registry) {
    let Some(shipped) = api.intake().shipping().last() else { return };
    let now = api.intake().clock().now();
    let behind = shipped.behind_since.map_or(0, |since| Span::between(since, now).secs());
    single(registry, "ship_behind_seconds", "Since the oldest record not shipped", secs(behind));
    single(registry, "ship_records", "Records that were shipped", secs(shipped.end));
}

fn runs(known: &Progress, now: Timestamp, registry: &mut Registry) {
    let open = gauge(registry, "runs_open", "Open runs by status");
    for status in Status::WORDS.iter().filter_map(|word| word.parse::<Status>().ok()) {
        if !run::is_final(status) {
            let count = known.runs.values().filter(|run| run.status() == status).count();
            set(&open, [("status", status.word())], count);
        }
    }
    let waits = known.runs.values().filter(|run| {
        let steps = run.steps().filter_map(|(step, state)| wait::of_step(run, step, state, now));
        wait::of_run(run, &Stops::default()).into_iter().chain(steps).any(|wait| wait.needs_person)
    });
    single(registry, "runs_waiting_for_person", "Open runs that wait for a person", waits.count());
    let failed = gauge(registry, "steps_failed", "Failed steps of open runs, by part");
    for part in [Part::Steps, Part::Undo, Part::Finally] {
        let steps = known.runs.values().flat_map(|run| run.steps());
        let count =
            steps.filter(|(step, state)| step.part == part && state.word() == "failed").count();
        set(&failed, [("part", part.word())], count);
    }
    single(registry, "proposals_open", "Proposals that nobody has started", known.proposals.len());
}

fn applications(api: &Api, registry: &mut Registry) {
    let now = api.intake().clock().now();
    let findings = gauge(registry, "findings", "Standing findings by application");
    let known = gauge(registry, "active_known", "1 if it was seen from where it is served");
    let age = gauge(
        registry,
        "recovery_point_age_seconds",
        "Age of the newest data; absent when there is none or its age is unknown",
    );
    let lag = gauge(
        registry,
        "replication_lag_seconds",
        "How far the standby is behind, rounded up; absent while nobody knows",
    );
    let count = gauge(registry, "recovery_points", "Recovery points by application");
    let held = gauge(registry, "recovery_points_held", "Recovery points that somebody holds");
    let behind = gauge(
        registry,
        "backup_overdue",
        "1 if a component lacks a backup or a copy that its schedule promised by now",
    );
    for one in api.intake().applications().values() {
        let canaries = api.intake().canaries();
        let view = api.intake().known(|known| application::view(known, canaries, one, now));
        let name = view.name.as_str();
        set(&findings, [("application", name)], view.findings.len());
        set(&known, [("application", name)], usize::from(view.active.is_some()));
        set(&count, [("application", name)], view.recovery_points);
        for canary in &view.canaries {
            let Some(behind) = canary.lag.secs else { continue };
            let component = canary.component.as_str();
            let pairs = [("application", name), ("component", component), ("source", "canary")];
            set(&lag, pairs, secs(behind));
        }
        set(&held, [("application", name)], view.newest.iter().map(|newest| newest.held).sum());
        for backup in overdue::backups(api.intake(), one) {
            let pairs = [("application", name), ("component", backup.component.as_str())];
            let is_overdue = usize::from(backup.lacks != Lacks::Nothing);
            // Two schedules may back the same component up: either may be behind.
            let gauge = behind.get_or_create(&labels(pairs)).get();
            set(&behind, pairs, is_overdue.max(usize::from(gauge > 0.0)));
        }
        for newest in &view.newest {
            let Some(length) = &newest.age else { continue };
            let (component, region) = (newest.component.as_str(), newest.region.as_str());
            let pairs = [("application", name), ("component", component), ("region", region)];
            match &newest.account {
                None => set(&age, pairs, secs(length.secs)),
                Some(account) => {
                    let [application, component, region] = pairs;
                    let pairs = [application, component, region, ("account", account)];
                    set(&age, pairs, secs(length.secs));
                }
            }
        }
    }
}

fn schedules_of(api: &Api, registry: &mut Registry) {
    let overdue =
        gauge(registry, "schedule_overdue", "1 if an occurrence is neither run nor missed");
    let missed = gauge(registry, "schedule_missed", "Missed occurrences that nothing made up for");
    for view in schedules::views(api) {
        let pairs = [("schedule", view.id.as_str())];
        set(&overdue, pairs, usize::from(view.overdue_at.is_some()));
        set(&missed, pairs, view.missed.iter().filter(|missed| missed.standing).count());
    }
}
