//! How long a page of recovery points takes out of a catalogue of a hundred thousand: through the real
//! view, newest first, at random places, with and without a filter. Beside it, in the same run: the same
//! page by sorting the whole list, as the plainest way would.
//!
//! Prints one JSON line. `cargo bench -p muster --bench recovery_points`

use std::{
    cmp::Reverse,
    io::Write as _,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use muster::api::view::point::{self, Place, Sieve};
use muster_runbooks::value::Span;
use muster_state::{catalog::RecoveryPoint, progress::ApplicationState};
use serde_json::json;

const POINTS: u32 = 100_000;
const PAGES: u32 = 400;
const LIMIT: usize = 50;

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn now() -> Instant {
    Instant::now()
}

fn main() -> std::io::Result<()> {
    let state = catalogue();
    let at: Timestamp = "2026-03-01T02:00:00Z".parse().expect("an instant");
    let places: Vec<Place> = (0..PAGES)
        .map(|number| (at - minutes(number.wrapping_mul(7_919) % POINTS), String::new()))
        .collect();
    let show = |one: &RecoveryPoint| point::view(one, &state, None, Span::from_mins(5), at);
    let filtered = Sieve {
        component: Some("c3".parse().expect("a name")),
        region: Some("us-west-2".parse().expect("a region")),
    };
    let page = |sieve: &Sieve, after: Option<&Place>| {
        let began = now();
        let (items, _) = point::page(&state, sieve, after, LIMIT, show);
        std::hint::black_box(items);
        began.elapsed()
    };
    let first: Vec<_> = places.iter().map(|_| page(&Sieve::default(), None)).collect();
    let deep: Vec<_> = places.iter().map(|place| page(&Sieve::default(), Some(place))).collect();
    let one: Vec<_> = places.iter().map(|place| page(&filtered, Some(place))).collect();
    let sorted: Vec<_> = places.iter().take(40).map(|_| by_sorting(&state, show)).collect();
    let line = json!({
        "points": POINTS,
        "limit": LIMIT,
        "first_page_ms": figures(first),
        "page_anywhere_ms": figures(deep),
        "page_of_one_component_and_region_ms": figures(one),
        "by_sorting_everything_ms": figures(sorted),
    });
    writeln!(std::io::stdout(), "{line}")
}

fn figures(mut all: Vec<Duration>) -> serde_json::Value {
    all.sort_unstable();
    let at = |share: f64| {
        let place = ((all.len() - 1) as f64 * share) as usize;
        (all[place].as_secs_f64() * 1e6).round() / 1e3
    };
    json!({ "p50": at(0.5), "p99": at(0.99) })
}

fn by_sorting<T>(state: &ApplicationState, show: impl Fn(&RecoveryPoint) -> T) -> Duration {
    let began = now();
    let mut all: Vec<&RecoveryPoint> = state.points.values().collect();
    all.sort_by_key(|one| (Reverse(one.data_time), one.id.as_str()));
    let items: Vec<T> = all.into_iter().map(show).take(LIMIT).collect();
    std::hint::black_box(items);
    began.elapsed()
}

fn minutes(number: u32) -> SignedDuration {
    SignedDuration::from_mins(i64::from(number))
}

fn catalogue() -> ApplicationState {
    let at: Timestamp = "2026-03-01T02:00:00Z".parse().expect("an instant");
    let points = (0..POINTS).map(|number| {
        let region = if number % 2 == 0 { "us-east-1" } else { "us-west-2" };
        // Identifiers in another order than time, as real ones are.
        let scattered = number.wrapping_mul(2_654_435_761);
        let point = RecoveryPoint { key: Some(format!("arn:aws:kms:{region}:123456789012:key/one")), size_gib: Some(20), source_resource: Some("cluster-ABC".to_owned()), ..RecoveryPoint::new(format!(
                "arn:aws:rds:{region}:123456789012:cluster-snapshot:muster-{scattered:010}-{number}"
            ), format!("c{}", number % 10).parse().expect("a name"), region.parse().expect("a region"), "123456789012".to_owned(), at - minutes(number), "r00000000001".parse().expect("a run id")) };
        (point.id.clone(), point)
    });
    ApplicationState { points: points.collect(), ..ApplicationState::default() }
}
