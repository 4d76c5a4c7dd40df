"""Snapshots of caches: slow, refused while the group is busy, each node stamped (facts §3); and what
else an inventory looks at: how far back clusters can be restored, replicas of secrets (facts §2)."""

from datetime import timedelta

from moto.core.exceptions import ServiceException
from moto.elasticache.models import ElastiCacheBackend, Snapshot
from moto.rds.models import DBCluster
from moto.secretsmanager.models import secretsmanager_backends

from .world import ACCOUNT, World, replace


class InvalidReplicationGroupState(ServiceException):
    """While a group is modified or saved it is not saved again (facts §3)."""

    code = "InvalidReplicationGroupState"


class InvalidSnapshotState(ServiceException):
    """A snapshot that is not there yet cannot be deleted."""

    code = "InvalidSnapshotState"


class Caches:
    """What moto leaves out: a snapshot that takes time, when each of its nodes was saved, and that
    its tags go with it."""

    def __init__(self, world: World):
        self.world = world

    def install(self) -> None:
        self._moto_create = ElastiCacheBackend.create_snapshot
        replace(ElastiCacheBackend, "create_snapshot", self.create)
        self._moto_delete = ElastiCacheBackend.delete_snapshot
        replace(ElastiCacheBackend, "delete_snapshot", self.delete)
        self._restorable()

    def create(self, backend: ElastiCacheBackend, **wanted) -> Snapshot:
        group = backend.replication_groups.get(wanted.get("replication_group_id"))
        if group is not None and group.status != "available":
            raise InvalidReplicationGroupState(f"the group is {group.status}")
        snapshot = self._moto_create(backend, **wanted)
        name, region = snapshot.snapshot_name, backend.region_name
        snapshot.node_snapshots = [
            {"CacheClusterId": node, "CacheSize": "12 MB", "SnapshotCreateTime": self.world.utcnow()}
            for node in (group.member_clusters if group is not None else [])[:1]
        ]
        self.world.effect("cache-snapshot-created", region, name)
        snapshot.snapshot_status = "creating"

        def done() -> None:
            if snapshot.snapshot_status == "creating":
                snapshot.snapshot_status = "available"

        self.world.later(self.world.settings.cache_snapshot_secs, f"snapshot {name} available", done)
        return snapshot

    def delete(self, backend: ElastiCacheBackend, snapshot_name: str) -> Snapshot:
        found = backend.snapshots.get(snapshot_name)
        if found is not None and found.snapshot_status != "available":
            raise InvalidSnapshotState(f"the snapshot is {found.snapshot_status}")
        snapshot = self._moto_delete(backend, snapshot_name)
        backend.tagging_service.delete_all_tags_for_resource(snapshot.arn)
        self.world.effect("cache-snapshot-deleted", backend.region_name, snapshot_name)
        return snapshot

    def _restorable(self) -> None:
        """A cluster can be restored to minutes before now, and to nothing while it is made (facts §2)."""
        world = self.world

        def latest(cluster: DBCluster):
            if cluster.status == "creating":
                return None
            return world.utcnow() - timedelta(seconds=world.settings.restorable_behind_secs)

        def earliest(cluster: DBCluster):
            return None if cluster.status == "creating" else cluster.__dict__.get("_earliest")

        DBCluster.latest_restorable_time = property(latest)
        DBCluster.earliest_restorable_time = property(
            earliest, lambda cluster, at: cluster.__dict__.update(_earliest=at)
        )


def set_replica(region: str, name: str, replica: str, status: str) -> None:
    """Puts the replica of a secret in a state by hand: `InSync`, `InProgress` or `Failed`."""
    secret = secretsmanager_backends[ACCOUNT][region].secrets[name]
    found = [one for one in secret.replicas if one.region == replica]
    found[0].config["Status"] = status
    found[0].config["StatusMessage"] = "set by the test"
