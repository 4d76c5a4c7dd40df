"""Events of `aws.rds`, put through the EventBridge rules of their own region (facts §1.7, §9).

Delivery is best effort: `event_copies` loses events or sends them twice. A copy has the same id, as
EventBridge keeps it across retries of one delivery.
"""

import copy
import uuid

from moto.events.models import events_backends

from .clock import show
from .world import ACCOUNT, World

#: kind: detail-type, SourceType, and the word in the ARN (facts §1.7).
KINDS = {
    "cluster": ("RDS DB Cluster Event", "CLUSTER", "cluster"),
    "instance": ("RDS DB Instance Event", "DB_INSTANCE", "db"),
    "snapshot": ("RDS DB Cluster Snapshot Event", "CLUSTER_SNAPSHOT", "cluster-snapshot"),
}


def emit(
    world: World, region: str, kind: str, name: str, number: str, message: str, category: str
) -> None:
    """Sends `RDS-EVENT-<number>` about one resource to every matching rule of the default bus.

    Rules see only the events of their own region: a rule in one region misses what happens in the
    other (facts §9).
    """
    detail_type, source_type, word = KINDS[kind]
    arn = f"arn:aws:rds:{region}:{ACCOUNT}:{word}:{name}"
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": "aws.rds",
        "account": ACCOUNT,
        # moto turns the number into text on its way into the queue.
        "time": world.now().timestamp(),
        "region": region,
        "resources": [arn],
        "detail": {
            "EventCategories": [category],
            "SourceType": source_type,
            "SourceArn": arn,
            "Date": show(world.now()),
            "SourceIdentifier": name,
            "Message": message,
            "EventID": f"RDS-EVENT-{number}",
        },
    }
    bus = events_backends[ACCOUNT][region].describe_event_bus("default")
    for rule in bus.rules.values():
        for _ in range(int(world.settings.event_copies)):
            # Without moto's input transformer, which adds a field of its own to every event.
            rule.send_to_targets(copy.deepcopy(event), transform_input=False)
