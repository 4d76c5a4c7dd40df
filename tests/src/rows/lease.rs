//! The application's write lease as a client of the application keeps it.

use jiff::{SignedDuration, Timestamp};
use muster::clock::Clock;
use muster_runbooks::application::write_lease::Holder;

use crate::emulator::Emulator;

/// The lease of one client: it renews while its side is the holder, and stops by itself when it cannot.
#[derive(Debug)]
pub struct Lease {
    http: reqwest::Client,
    url: String,
    region: String,
    length: SignedDuration,
    /// The side for which it was renewed last, and when that began and ends.
    held: Option<(String, Timestamp, Timestamp)>,
}

impl Lease {
    /// The lease in an object of the emulated AWS, such as `locks/writer`. No fault stands between: whoever
    /// must stop is stopped by the lease and by nothing else.
    ///
    /// # Panics
    ///
    /// Never: the client that asks has no settings.
    pub fn at(world: &Emulator, region: &str, path: &str, length: SignedDuration) -> Lease {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let url = format!("{}/{path}", world.aws_url());
        Lease { http, url, region: region.to_owned(), length, held: None }
    }

    /// Whether its client may write at a side now.
    pub(super) async fn allows(&mut self, side: &str, clock: &Clock) -> bool {
        let now = clock.now();
        if let Some((held, since, until)) = &self.held
            && held == side
            && now < *until
            && now < *since + self.length / 3
        {
            return true;
        }
        if self.renew(side, now).await.is_some() {
            // Counted from before it was sent.
            self.held = Some((side.to_owned(), now, now + self.length));
        }
        self.held.as_ref().is_some_and(|(held, _, until)| held == side && now < *until)
    }

    /// Writes the object as it was read, if the side is the holder and its time has come.
    async fn renew(&self, side: &str, now: Timestamp) -> Option<()> {
        let found = self.signed(self.http.get(&self.url)).send().await.ok()?;
        let tag = found.headers().get("etag")?.to_str().ok()?.to_owned();
        let text = found.text().await.ok()?;
        let holder: Holder = serde_json::from_str(&text).ok()?;
        if holder.holder.as_str() != side || now < holder.from {
            return None;
        }
        let put = self.http.put(&self.url).header("If-Match", tag).body(text);
        let stored = self.signed(put).send().await.ok()?;
        stored.status().is_success().then_some(())
    }

    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let scope = format!("shop/20260301/{}/s3/aws4_request", self.region);
        let signed =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        request.header("Authorization", signed)
    }
}
