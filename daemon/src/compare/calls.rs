//! How many calls one comparison has under way.
//!
//! Each call under way has a connection, which stays open for the next one and keeps room for the
//! largest answer it has seen, close to half a megabyte. So this is what bounds the memory.

use tokio::sync::Semaphore;

/// The calls of one comparison.
#[derive(Debug)]
pub struct Calls(Semaphore);

impl Calls {
    /// At most so many at a time.
    pub fn at_most(count: usize) -> Calls {
        Calls(Semaphore::new(count.max(1)))
    }

    /// Makes one call when it is its turn.
    pub async fn one<T>(&self, call: impl Future<Output = T>) -> T {
        // Nobody closes it, so an error cannot come; without a permit it would still be one call.
        let _turn = self.0.acquire().await.ok();
        call.await
    }
}
