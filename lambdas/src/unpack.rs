//! Takes events out of what carries them: a queue's batch, a topic's notification, a list of records of S3.
//!
//! | what comes | what it holds |
//! |---|---|
//! | an event of EventBridge, an alarm that invokes | itself |
//! | a batch of SQS | one text for each item, each of them anything of this table |
//! | a notification of SNS, whole or as a queue carries it | one text |
//! | a notification of S3 | one event for each record; a test holds none |
//!
//! Whoever may publish to a topic or send to a queue could write anything there, so only those that the
//! settings list may carry events.

use serde_json::Value;

use crate::{settings::Rules, translate::NotOurs};

/// A queue's item that holds a notification that holds a list: nobody wraps more often.
const DEPTH_MAX: u32 = 4;

/// SQS gives no function more items at a time; what is over is refused in one line.
const EVENTS_MAX: usize = 10_000;

/// One event, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Parcel {
    /// The item of the queue's batch that it came in. Several may have come in one.
    pub item: Option<String>,
    /// The event, without any wrapping.
    pub event: Result<Value, NotOurs>,
}

/// What an invocation brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Unpacked {
    /// All of it, in its order.
    pub parcels: Vec<Parcel>,
    /// Whether it was a queue's batch, of which items may be given back one by one (facts §9).
    pub is_batch: bool,
}

/// Unpacks what a function was invoked with.
pub fn unpack(payload: &Value, rules: &Rules) -> Unpacked {
    let is_batch = is_from(payload, "eventSource", "aws:sqs");
    let mut parcels = Vec::new();
    open(payload, rules, None, 0, &mut parcels);
    Unpacked { parcels, is_batch }
}

fn open(payload: &Value, rules: &Rules, item: Option<&str>, depth: u32, out: &mut Vec<Parcel>) {
    if depth >= DEPTH_MAX {
        let why = "it is wrapped too often".to_owned();
        put(item, Err(NotOurs::Shape { why }), out);
    } else if let Some(records) = payload["Records"].as_array() {
        for record in records {
            self::record(record, rules, item, depth, out);
        }
    } else if payload["Event"] == "s3:TestEvent" {
        put(item, Err(NotOurs::Idle { what: "s3:TestEvent".to_owned() }), out);
    } else if payload["Type"] == "Notification" && payload["TopicArn"].is_string() {
        carried(&payload["TopicArn"], &payload["Message"], rules, item, depth, out);
    } else {
        put(item, Ok(payload.clone()), out);
    }
}

fn record(record: &Value, rules: &Rules, item: Option<&str>, depth: u32, out: &mut Vec<Parcel>) {
    if record["eventSource"] == "aws:sqs" {
        let item = record["messageId"].as_str();
        carried(&record["eventSourceARN"], &record["body"], rules, item, depth, out);
    } else if record["EventSource"] == "aws:sns" {
        let notification = &record["Sns"];
        carried(&notification["TopicArn"], &notification["Message"], rules, item, depth, out);
    } else {
        // Not as a payload: a record that has records of its own is nobody's.
        put(item, Ok(record.clone()), out);
    }
}

fn carried(
    carrier: &Value,
    text: &Value,
    rules: &Rules,
    item: Option<&str>,
    depth: u32,
    out: &mut Vec<Parcel>,
) {
    let carrier = carrier.as_str().unwrap_or_default();
    let held = if rules.carriers.contains(carrier) {
        let text = text.as_str().unwrap_or_default();
        serde_json::from_str(text).map_err(|why| NotOurs::Shape { why: why.to_string() })
    } else {
        let carrier = carrier.chars().filter(|c| !c.is_control()).take(128).collect();
        Err(NotOurs::Carrier { carrier })
    };
    match held {
        Ok(held) => open(&held, rules, item, depth + 1, out),
        Err(why) => put(item, Err(why), out),
    }
}

fn put(item: Option<&str>, event: Result<Value, NotOurs>, out: &mut Vec<Parcel>) {
    let full = || NotOurs::Shape { why: format!("more than {EVENTS_MAX} events came at once") };
    let event = match out.len() {
        0..EVENTS_MAX => event,
        EVENTS_MAX => Err(full()),
        _ => return,
    };
    out.push(Parcel { item: item.map(str::to_owned), event });
}

fn is_from(payload: &Value, field: &str, name: &str) -> bool {
    let first = payload["Records"].as_array().and_then(|records| records.first());
    first.is_some_and(|record| record[field] == name)
}

/// The answer that gives items of a queue's batch back, so that the queue delivers those again and no
/// other. `None` where one of them has no id: an empty one gives back the whole batch, without saying so.
pub fn give_back(items: &[Option<String>]) -> Option<Value> {
    let mut failed: Vec<&str> = Vec::new();
    for item in items {
        let item = item.as_deref().filter(|item| !item.is_empty())?;
        if !failed.contains(&item) {
            failed.push(item);
        }
    }
    let failed: Vec<Value> =
        failed.into_iter().map(|item| serde_json::json!({ "itemIdentifier": item })).collect();
    Some(serde_json::json!({ "batchItemFailures": failed }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:muster-alarms";
    const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:muster-replication";

    fn rules() -> Rules {
        serde_json::from_str(include_str!("../fixtures/rules.json")).unwrap()
    }

    fn seen(payload: &Value) -> Vec<(Option<String>, String)> {
        let Unpacked { parcels, .. } = unpack(payload, &rules());
        let word = |event: Result<Value, NotOurs>| match event {
            Ok(event) => event.to_string(),
            Err(why) => format!("not ours: {why}"),
        };
        parcels.into_iter().map(|parcel| (parcel.item, word(parcel.event))).collect()
    }

    /// Goal: an event is found in every wrapping that AWS puts around it, and keeps its item.
    /// Method: one event in each wrapping, and in wrappings of wrappings.
    #[test]
    fn every_wrapping_comes_off() {
        let event = json!({ "detail-type": "a" });
        let text = event.to_string();
        let lone = |item: Option<&str>| vec![(item.map(str::to_owned), text.clone())];
        assert_eq!(seen(&event), lone(None));
        let sns = json!({ "Records": [
            { "EventSource": "aws:sns", "Sns": { "TopicArn": TOPIC, "Message": text } },
        ]});
        assert_eq!(seen(&sns), lone(None));
        let item = |id: &str, body: &str| json!({ "eventSource": "aws:sqs", "messageId": id, "eventSourceARN": QUEUE, "body": body });
        assert_eq!(seen(&json!({ "Records": [item("i", &text)] })), lone(Some("i")));
        let notice =
            json!({ "Type": "Notification", "TopicArn": TOPIC, "Message": text }).to_string();
        assert_eq!(seen(&json!({ "Records": [item("i", &notice)] })), lone(Some("i")));
        let s3 = json!({ "Records": [{ "eventSource": "aws:s3" }, { "eventSource": "aws:s3" }] });
        let both = seen(&json!({ "Records": [item("i", &s3.to_string()), item("j", &text)] }));
        let items: Vec<_> = both.iter().map(|(item, _)| item.as_deref()).collect();
        assert_eq!(items, [Some("i"), Some("i"), Some("j")]);
        assert!(unpack(&json!({ "Records": [item("i", "")] }), &rules()).is_batch);
        assert!(!unpack(&s3, &rules()).is_batch);
    }

    /// Goal: what nobody listed carries nothing, and what is no text of an event is refused, not lost.
    #[test]
    fn what_may_not_carry_is_refused() {
        let wrap = |arn: &str, text: &str| {
            json!({ "Records": [
                { "EventSource": "aws:sns", "Sns": { "TopicArn": arn, "Message": text } },
            ]})
        };
        for (payload, wanted) in [
            (wrap("arn:aws:sns:us-east-1:999999999999:x", "{}"), "is not a topic or queue"),
            (wrap(TOPIC, "hello"), "not ours: it is no EventBridge event"),
            (wrap(TOPIC, ""), "not ours: it is no EventBridge event"),
            (json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" }), "nothing waits for"),
        ] {
            let found = seen(&payload);
            assert_eq!(found.len(), 1, "{payload}");
            assert!(found[0].1.contains(wanted), "{found:?}");
        }
        let mut nested = "{}".to_owned();
        for _ in 0..6 {
            nested =
                json!({ "Type": "Notification", "TopicArn": TOPIC, "Message": nested }).to_string();
        }
        let found = seen(&serde_json::from_str(&nested).unwrap());
        assert!(found[0].1.contains("wrapped too often"), "{found:?}");
        assert_eq!(seen(&json!({ "Records": [] })), []);
    }

    /// Goal: only what failed is given back, once for each item, and never by an empty name.
    #[test]
    fn items_are_given_back_by_name() {
        let item = |text: &str| Some(text.to_owned());
        assert_eq!(give_back(&[]), Some(json!({ "batchItemFailures": [] })));
        assert_eq!(
            give_back(&[item("a"), item("a"), item("b")]),
            Some(json!({ "batchItemFailures": [
                { "itemIdentifier": "a" }, { "itemIdentifier": "b" },
            ]}))
        );
        assert_eq!(give_back(&[item("a"), item("")]), None);
        assert_eq!(give_back(&[None]), None);
    }
}
