//! What every bench needs: the time, a disk to measure, a place in a sorted list.

use std::time::Instant;

/// The value below which a share of a sorted list lies.
pub(crate) fn at<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or_default()
}

/// A new folder on the disk that is measured.
pub(crate) fn folder() -> tempfile::TempDir {
    let on = std::env::var("MUSTER_BENCH_DIR").unwrap_or(env!("CARGO_TARGET_TMPDIR").to_owned());
    tempfile::TempDir::new_in(on).expect("a folder on the disk")
}

/// The machine's time.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
