"""Global datastores of ElastiCache: one primary, a follower in another region, a promotion (facts §3).

A promotion is taken at any time, even beside another one; several at once come to one primary in the end,
and AWS does not say which: here it is the one that was asked for last.
"""

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.elasticache.models import elasticache_backends
from moto.elasticache.responses import ElastiCacheResponse

from .world import ACCOUNT, World

#: Where all of them are kept, whatever region is called.
STORE = "us-east-1"


class GlobalReplicationGroupNotFoundFault(ServiceException):
    code = "GlobalReplicationGroupNotFoundFault"


class InvalidParameterValue(ServiceException):
    code = "InvalidParameterValue"


class Datastore:
    """One global datastore: its members by region."""

    def __init__(self, name: str, region: str, group: str):
        self.name, self.status = name, "available"
        self.members = {region: group}
        self.primary = region
        #: Promotions that were asked for and are not over.
        self.moving = 0

    def show(self, with_members: bool) -> dict:
        """As a Describe call shows it; the members only when they are asked for."""
        members = [
            {
                "ReplicationGroupId": group,
                "ReplicationGroupRegion": region,
                "Role": "PRIMARY" if region == self.primary else "SECONDARY",
                "AutomaticFailover": "enabled",
                "Status": "associated",
            }
            for region, group in self.members.items()
        ]
        shown = {"GlobalReplicationGroupId": self.name, "Status": self.status}
        return {**shown, "Members": members} if with_members else shown


def stored() -> dict[str, Datastore]:
    """All datastores; gone with everything else when the world is reset."""
    backend = elasticache_backends[ACCOUNT][STORE]
    return backend.__dict__.setdefault("_datastores", {})


def one(name: str) -> Datastore:
    """The datastore of a name, with the replication groups that have joined it since."""
    found = stored().get(name)
    if found is None:
        raise GlobalReplicationGroupNotFoundFault(f"Global replication group {name} not found.")
    for region, backend in elasticache_backends[ACCOUNT].items():
        for group in backend.replication_groups.values():
            if group.global_replication_group_id == name:
                found.members.setdefault(region, group.replication_group_id)
    return found


class Datastores:
    """Adds what moto does not answer to its door of ElastiCache."""

    def __init__(self, world: World):
        self.world = world

    def install(self) -> None:
        def create_global_replication_group(door: ElastiCacheResponse) -> ActionResult:
            asked = door.params
            group = asked["PrimaryReplicationGroupId"]
            # AWS puts a prefix of its own before the suffix that is asked for.
            name = f"ldgnf-{asked['GlobalReplicationGroupIdSuffix']}"
            made = stored()[name] = Datastore(name, door.region, group)
            primary = door.elasticache_backend.replication_groups[group]
            primary.global_replication_group_id = name
            self._tell(made)
            return ActionResult({"GlobalReplicationGroup": made.show(True)})

        def describe_global_replication_groups(door: ElastiCacheResponse) -> ActionResult:
            name = door.params.get("GlobalReplicationGroupId")
            all_of_them = [one(name)] if name else [one(each) for each in stored()]
            with_members = bool(door.params.get("ShowMemberInfo"))
            shown = [each.show(with_members) for each in all_of_them]
            return ActionResult({"GlobalReplicationGroups": shown})

        def failover_global_replication_group(door: ElastiCacheResponse) -> ActionResult:
            asked = door.params
            made = one(asked["GlobalReplicationGroupId"])
            region, group = asked["PrimaryRegion"], asked["PrimaryReplicationGroupId"]
            if made.members.get(region) != group or made.primary == region:
                raise InvalidParameterValue(f"{group} in {region} is no secondary of {made.name}.")
            self._promote(made, region)
            return ActionResult({"GlobalReplicationGroup": made.show(True)})

        ElastiCacheResponse.create_global_replication_group = create_global_replication_group
        ElastiCacheResponse.describe_global_replication_groups = describe_global_replication_groups
        ElastiCacheResponse.failover_global_replication_group = failover_global_replication_group

    def _promote(self, made: Datastore, region: str) -> None:
        made.status = "modifying"
        made.moving += 1
        self.world.effect("cache-promotion-asked", region, made.name)

        def done() -> None:
            made.moving -= 1
            if made.moving == 0:
                made.status = "available"
            made.primary = region
            self._tell(made)
            self.world.effect("cache-primary-moved", region, made.name)

        self.world.later(
            self.world.settings.cache_failover_secs, f"{made.name} is written in {region}", done
        )

    def _tell(self, made: Datastore) -> None:
        """Lets each member say its own role, as it does when it is described by itself."""
        for region, group in made.members.items():
            member = elasticache_backends[ACCOUNT][region].replication_groups[group]
            role = "PRIMARY" if region == made.primary else "SECONDARY"
            member.global_replication_group_member_role = role
