//! Whether notices arrive: what each receiver made of what it was told last. In memory only, for the
//! heartbeat; a watchdog elsewhere tells people when nothing here can tell them any more.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use muster_runbooks::heartbeat::{BECAUSE_CHARS_MAX, Notices, Receiver};

/// What is known since a process started.
#[derive(Debug)]
pub struct Reception {
    since: Timestamp,
    receivers: Mutex<BTreeMap<String, Heard>>,
}

/// What one receiver said.
#[derive(Clone, Debug, Default)]
struct Heard {
    taken_at: Option<Timestamp>,
    /// The first refusal since it last took something, and the newest cause.
    failing: Option<(Timestamp, String)>,
}

impl Reception {
    /// Nobody has been told anything yet.
    pub fn since<'a>(since: Timestamp, names: impl Iterator<Item = &'a str>) -> Reception {
        let receivers = names.map(|name| (name.to_owned(), Heard::default())).collect();
        Reception { since, receivers: Mutex::new(receivers) }
    }

    /// A receiver took a notice, or did not.
    pub(super) fn note(&self, name: &str, at: Timestamp, told: Result<(), &str>) {
        let mut receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = receivers.entry(name.to_owned()).or_default();
        match told {
            Ok(()) => {
                heard.taken_at = heard.taken_at.max(Some(at));
                // Two that are under way at a time may end in any order.
                if heard.failing.as_ref().is_some_and(|(since, _)| *since <= at) {
                    heard.failing = None;
                }
            }
            Err(why) => {
                let since = heard.failing.as_ref().map_or(at, |(since, _)| *since);
                heard.failing = Some((since, why.chars().take(BECAUSE_CHARS_MAX).collect()));
            }
        }
    }

    /// All of it, for the heartbeat.
    pub(in crate::world) fn notices(&self) -> Notices {
        let receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = |(name, heard): (&String, &Heard)| Receiver {
            name: name.clone(),
            taken_at: heard.taken_at,
            failing_since: heard.failing.as_ref().map(|(since, _)| *since),
            because: heard.failing.as_ref().map(|(_, why)| why.clone()),
        };
        Notices { since: self.since, receivers: receivers.iter().map(receiver).collect() }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    /// Goal: an outage of a receiver is known from its first refusal to its end, and one that was never
    /// told anything is not said to be well.
    #[test]
    fn an_outage_lasts_until_something_is_taken() {
        let at = |secs| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(secs);
        let reception = Reception::since(at(0), ["chat", "on-call"].into_iter());
        let chat = |reception: &Reception| {
            let Notices { receivers, .. } = reception.notices();
            let [chat, on_call] = receivers.try_into().unwrap();
            assert_eq!((on_call.taken_at, on_call.failing_since), (None, None));
            (chat.taken_at, chat.failing_since, chat.because)
        };
        assert_eq!(chat(&reception), (None, None, None));
        reception.note("chat", at(10), Err("it answered 500"));
        reception.note("chat", at(20), Err("it answered 503"));
        assert_eq!(chat(&reception), (None, Some(at(10)), Some("it answered 503".to_owned())));
        reception.note("chat", at(5), Ok(()));
        assert_eq!(chat(&reception).1, Some(at(10)), "asked before the outage, answered late");
        reception.note("chat", at(30), Ok(()));
        assert_eq!(chat(&reception), (Some(at(30)), None, None));
        reception.note("chat", at(40), Err(&"x".repeat(5_000)));
        assert_eq!(chat(&reception).2.map(|why| why.len()), Some(BECAUSE_CHARS_MAX));
    }
}
