//! The watchdog's Lambda function: invoked every minute, it looks and tells.

mod clock;

use std::{process::ExitCode, sync::Mutex};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use muster_lambdas::{
    function::{cannot_start, ended, failure, log},
    watchdog::{
        again_in,
        judge::{Judgement, Seen, State, judge},
        look::Eyes,
        merged,
        page::{Pager, events},
        settings::Settings,
    },
};
use serde_json::Value;

use clock::Clock;

/// One invocation at a time is all that Lambda gives a process, so one thread does.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log();
    let settings = match Settings::read(|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(why) => return cannot_start(&why),
    };
    let clock = match Clock::of_environment() {
        Ok(clock) => clock,
        Err(why) => return cannot_start(&why),
    };
    let eyes = Eyes::open(&settings).await;
    let watchdog = Watchdog { settings, clock, eyes, key: Mutex::new(None) };
    let watchdog = &watchdog;
    let serve = service_fn(move |_: LambdaEvent<Value>| watchdog.round());
    ended(lambda_runtime::run(serve).await)
}

struct Watchdog {
    settings: Settings,
    clock: Clock,
    eyes: Eyes,
    /// The routing key, once it was read and until it is refused.
    key: Mutex<Option<String>>,
}

impl Watchdog {
    /// One look. An error is for the function's own alarm: nobody could be told.
    async fn round(&self) -> Result<Value, Diagnostic> {
        // First: who cannot page must say so while there is nothing to page for.
        let pager = self.pager().await?;
        let seen = self.look().await;
        let now = self.clock.now();
        let judged = judge(now, &seen, &self.settings);
        report(&judged);
        let said = pager.say(&events(now, &judged, &self.settings.name)).await;
        if let Err(untold) = &said {
            for one in &untold.failed {
                tracing::error!(key = one.key, because = one.because, "nobody was told");
            }
            if untold.failed.iter().any(|one| one.is_refused) {
                self.keep(None);
            }
        }
        said.map_err(|untold| failure("Untold", &untold))?;
        Ok(Value::Null)
    }

    /// Looks once, and once more where that may change what is said.
    async fn look(&self) -> Seen {
        let first = self.eyes.look().await;
        match again_in(self.clock.now(), &first, &self.settings) {
            None => first,
            Some(span) => {
                self.clock.sleep(span).await;
                merged(first, self.eyes.look().await)
            }
        }
    }

    async fn pager(&self) -> Result<Pager, Diagnostic> {
        let kept = self.key.lock().ok().and_then(|key| key.clone());
        let key = match kept {
            Some(key) => key,
            None => {
                let key = self.eyes.key(&self.settings.pager.key).await;
                let key = key.map_err(|why| failure("NoRoutingKey", &why))?;
                self.keep(Some(key.clone()));
                key
            }
        };
        Pager::new(&self.settings.pager.url, key).map_err(|why| failure("NoPager", &why))
    }

    fn keep(&self, key: Option<String>) {
        if let Ok(mut kept) = self.key.lock() {
            *kept = key;
        }
    }
}

/// The log says everything each minute, also that all is well.
fn report(judged: &[Judgement]) {
    for Judgement { cause, state } in judged {
        match state {
            State::Well => tracing::info!(%cause, "well"),
            State::Unknown { because } => tracing::warn!(%cause, because, "unknown"),
            State::Alarm(alarm) => tracing::error!(%cause, alarm.summary, "alarm"),
        }
    }
}
