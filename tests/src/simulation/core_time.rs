//! How long this thread has had a core: the figure that a busy machine does not change.

use std::time::Duration;

/// The time that this thread has spent on a core, as Linux counts it.
pub fn core_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts it");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("the first figure is nanoseconds"))
}
