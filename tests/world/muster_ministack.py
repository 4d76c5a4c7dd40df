"""ministack, and AWS's own hand on its buses.

Nobody but AWS may put an event whose source begins with `aws.` on a bus. ministack keeps to that
(`_put_events` of its `services/eventbridge.py`), and it has no RDS, Health or CodePipeline that emits one.
So here `PutEvents` is AWS: it may name any source, and says when something happened (facts §9: what is
acted on is as old as its own `time`, not as old as its delivery). Matching, targets and everything behind
them stay ministack's.

A schedule's rule has no pattern; an event of `aws.events` goes to the targets of the rule that it names, as
ministack's own clock sends it there.

    GATEWAY_PORT=PORT python -m muster_ministack
"""

import json
from datetime import datetime, timezone

from ministack import app
from ministack.services import eventbridge


def put_events(data: dict):
    entries = [put_event(entry) for entry in data.get("Entries", [])]
    body = json.dumps({"FailedEntryCount": 0, "Entries": entries}).encode()
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, body


def put_event(entry: dict) -> dict:
    event = {
        "EventId": eventbridge.new_uuid(),
        "Source": entry["Source"],
        "DetailType": entry["DetailType"],
        "Detail": entry["Detail"],
        "EventBusName": "default",
        "Time": entry.get("Time") or int(datetime.now(timezone.utc).timestamp()),
        "Resources": entry.get("Resources", []),
        # Of another account's bus, which sends on what it hears.
        "Account": entry.get("Account") or eventbridge.get_account_id(),
        "Region": eventbridge.get_region(),
    }
    view = eventbridge._pattern_event_view(event)
    if event["Source"] == "aws.events":
        fire(event, view)
    else:
        eventbridge._dispatch_event(event, view)
    return {"EventId": event["EventId"]}


def fire(event: dict, view) -> None:
    for key, rule in eventbridge._rules.items():
        if rule["Arn"] in event["Resources"] and rule.get("ScheduleExpression"):
            for target in eventbridge._targets.get(key, []):
                eventbridge._invoke_target(target, event, rule, view)


if __name__ == "__main__":
    eventbridge._put_events = put_events
    app.main()
