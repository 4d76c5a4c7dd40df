"""The nodes of a replication group inside one region: how many there are, and which one is the primary (facts §3).

A replica is promoted where automatic failover is off, by `ModifyReplicationGroup` with a `PrimaryClusterId`, and
by `TestFailover` where it is on; each of the two is refused where the other one belongs. While a primary moves its
group is `modifying`.
"""

from datetime import timedelta

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.elasticache.models import ElastiCacheBackend, ReplicationGroup
from moto.elasticache.responses import ElastiCacheResponse

from .caches import InvalidReplicationGroupState
from .datastores import InvalidParameterValue
from .world import World, replace

#: Shards that may be tested in any 24 hours (facts §3).
TESTED_MAX = 15
TESTED_WITHIN = timedelta(hours=24)


class InvalidParameterCombination(ServiceException):
    code = "InvalidParameterCombination"


class NodeGroupNotFoundFault(ServiceException):
    code = "NodeGroupNotFoundFault"


class ApiCallRateForCustomerExceeded(ServiceException):
    code = "APICallRateForCustomerExceeded"


class TestFailoverNotAvailableFault(ServiceException):
    code = "TestFailoverNotAvailableFault"


class Nodes:
    """Gives a group the nodes that it was asked for, and moves its primary."""

    def __init__(self, world: World):
        self.world = world

    def install(self) -> None:
        moto_create = ElastiCacheBackend.create_replication_group
        moto_modify = ElastiCacheResponse.modify_replication_group

        def create(backend: ElastiCacheBackend, **wanted) -> ReplicationGroup:
            # moto makes one node whatever `NumCacheClusters` says, and counts replicas only.
            if wanted.get("num_cache_clusters") and not wanted.get("replicas_per_node_group"):
                wanted["replicas_per_node_group"] = wanted["num_cache_clusters"] - 1
            return moto_create(backend, **wanted)

        def modify_replication_group(door: ElastiCacheResponse) -> ActionResult:
            wanted = door.params.get("PrimaryClusterId")
            if wanted is None:
                return moto_modify(door)
            group = available(door)
            if group.automatic_failover == "enabled":
                raise InvalidReplicationGroupState(
                    "Cannot manually promote a new primary while automatic failover is enabled"
                )
            shard = group.node_groups[0]
            if wanted not in replicas(shard):
                raise InvalidParameterValue(f"{wanted} is no replica of {group.replication_group_id}.")
            self._promote(door, group, shard, wanted)
            return ActionResult({"ReplicationGroup": group})

        def test_failover(door: ElastiCacheResponse) -> ActionResult:
            if self.world.settings.test_failover_blocked:
                raise TestFailoverNotAvailableFault("The TestFailover action is not available.")
            group = available(door)
            shards = {shard["node_group_id"]: shard for shard in group.node_groups}
            shard = shards.get(door.params["NodeGroupId"])
            if shard is None:
                raise NodeGroupNotFoundFault(f"Node group {door.params['NodeGroupId']} not found.")
            if group.automatic_failover != "enabled":
                raise InvalidParameterCombination("Automatic failover is not enabled.")
            self._count(door.elasticache_backend)
            self._promote(door, group, shard, replicas(shard)[0])
            return ActionResult({"ReplicationGroup": group})

        replace(ElastiCacheBackend, "create_replication_group", create)
        ElastiCacheResponse.modify_replication_group = modify_replication_group
        ElastiCacheResponse.test_failover = test_failover

    def _count(self, backend: ElastiCacheBackend) -> None:
        """Counts a test, unless there were too many in the last day."""
        tested = backend.__dict__.setdefault("_tested", [])
        recent = [at for at in tested if at > self.world.now() - TESTED_WITHIN]
        if len(recent) >= TESTED_MAX:
            raise ApiCallRateForCustomerExceeded(f"{TESTED_MAX} shards were tested in 24 hours.")
        tested[:] = [*recent, self.world.now()]

    def _promote(
        self, door: ElastiCacheResponse, group: ReplicationGroup, shard: dict, name: str
    ) -> None:
        group.status = "modifying"
        region, own = door.region, group.replication_group_id
        self.world.effect("cache-failover-asked", region, own)

        def done() -> None:
            for node in shard["node_group_members"]:
                node["current_role"] = "primary" if node["cache_cluster_id"] == name else "replica"
            group.status = "available"
            self.world.effect("cache-node-promoted", region, name)

        self.world.later(self.world.settings.cache_node_secs, f"{name} is the primary of {own}", done)


def available(door: ElastiCacheResponse) -> ReplicationGroup:
    """The group that a call is about; nothing is asked of one that is busy."""
    [group] = door.elasticache_backend.describe_replication_groups(door.params["ReplicationGroupId"])
    if group.status != "available":
        raise InvalidReplicationGroupState(f"the group is {group.status}")
    return group


def replicas(shard: dict) -> list[str]:
    """The nodes of a shard that are not its primary, by name."""
    nodes = shard["node_group_members"]
    return [one["cache_cluster_id"] for one in nodes if one.get("current_role") != "primary"]
