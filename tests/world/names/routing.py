"""Which of the record sets of one name and type is answered (facts §5.4, Fail-open rules)."""

import random
from collections.abc import Callable

#: Policies that Muster never sets up; an answer made up for them would be worse than none.
FOREIGN = ("GeoLocation", "GeoProximityLocation", "MultiValueAnswer", "CidrRoutingConfig", "Region")


def choose(
    records: list[dict], healthy: Callable[[dict], bool], dice: random.Random
) -> dict | None:
    """One record set of several with the same name and type, or none if there is none."""
    if any(policy in record for record in records for policy in FOREIGN):
        raise NotImplementedError("only simple, weighted and failover records are answered")
    if any("Failover" in record for record in records):
        return failover(records, healthy)
    if any("Weight" in record for record in records):
        return weighted(records, healthy, dice)
    return records[0] if records else None


def failover(records: list[dict], healthy: Callable[[dict], bool]) -> dict | None:
    """The primary unless it is unhealthy and the secondary is not: with both down, the primary.

    So "make both unhealthy" sends users back to the dead region.
    """
    by_role = {record["Failover"]: record for record in records}
    primary, secondary = by_role.get("PRIMARY"), by_role.get("SECONDARY")
    if primary is None or (secondary is not None and not healthy(primary) and healthy(secondary)):
        return secondary
    return primary


def weighted(records: list[dict], healthy: Callable[[dict], bool], dice: random.Random) -> dict:
    """By weight among the healthy; none healthy means all are, all weights 0 means equal."""
    left = [record for record in records if healthy(record)] or records
    weights = [record["Weight"] for record in left]
    return dice.choices(left, weights if any(weights) else None)[0]
