"""Cluster snapshots: taken, copied between regions and deleted, each in its own time (facts §2)."""

import re
from collections.abc import Iterator
from datetime import datetime

from moto.rds.exceptions import (
    DBClusterNotFoundError,
    DBClusterSnapshotAlreadyExistsError,
    DBClusterSnapshotNotFoundError,
    InvalidDBClusterSnapshotStateFault,
    InvalidDBClusterStateFault,
    InvalidParameterCombination,
    InvalidParameterValue,
    KMSKeyNotAccessibleFault,
    SnapshotQuotaExceededFault,
)
from moto.rds.models import DBCluster, DBClusterSnapshot, RDSBackend

from .accounts import account_of, place, source_of
from .events import emit
from .world import World, every_rds, replace

#: 1 to 63 letters, digits and hyphens, a letter first, no hyphen doubled or last (facts §2).
NAME = re.compile(r"^[a-z](?:-?[a-z0-9])*$", re.IGNORECASE)


class Snapshots:
    """What creating, copying and deleting a cluster snapshot needs, refuses and leaves behind."""

    def __init__(self, world: World):
        self.world = world

    def install(self) -> None:
        self._moto_describe = RDSBackend.describe_db_cluster_snapshots
        replace(RDSBackend, "create_db_cluster_snapshot", self.create)
        replace(RDSBackend, "copy_db_cluster_snapshot", self.copy)
        replace(RDSBackend, "delete_db_cluster_snapshot", self.delete)
        replace(RDSBackend, "describe_db_cluster_snapshots", self.describe)

    def create(
        self,
        backend: RDSBackend,
        db_cluster_identifier: str,
        db_cluster_snapshot_identifier: str,
        snapshot_type: str = "manual",
        tags: list | None = None,
    ) -> DBClusterSnapshot:
        cluster = backend.clusters.get(db_cluster_identifier)
        if cluster is None:
            raise DBClusterNotFoundError(db_cluster_identifier)
        if snapshot_type != "manual":
            # Taken by the service itself, named `rds:…`, outside the quota: moto takes one with
            # each new cluster. No test waits for one.
            return self._keep(backend, cluster, db_cluster_snapshot_identifier, snapshot_type, tags)
        self._check_name(backend, db_cluster_snapshot_identifier)
        # `backing-up`, `maintenance` and the like refuse a snapshot until they are over (facts §2).
        if cluster.status != "available":
            raise InvalidDBClusterStateFault(
                f"DB cluster {db_cluster_identifier} is in {cluster.status} state."
            )
        self._check_quota(backend)
        snapshot = self._keep(backend, cluster, db_cluster_snapshot_identifier, "manual", tags)
        name, region = snapshot.db_cluster_snapshot_identifier, backend.region_name
        self.world.effect("snapshot-created", region, name)
        self._begin(snapshot, "creating", 0, self.world.settings.snapshot_secs)
        emit(
            self.world,
            region,
            "snapshot",
            name,
            "0074",
            "Creating manual cluster snapshot",
            "backup",
        )

        def done() -> None:
            if snapshot.status == "creating":
                snapshot.status = "available"
                emit(
                    self.world,
                    region,
                    "snapshot",
                    name,
                    "0075",
                    "Manual cluster snapshot created",
                    "backup",
                )

        self.world.later(self.world.settings.snapshot_secs, f"snapshot {name} available", done)
        return snapshot

    def copy(
        self,
        backend: RDSBackend,
        source_db_cluster_snapshot_identifier: str,
        target_db_cluster_snapshot_identifier: str,
        kms_key_id: str | None = None,
        copy_tags: bool = False,
        tags: list | None = None,
        **_,
    ) -> DBClusterSnapshot:
        """Called in the destination region, with the ARN of the source (facts §2, Copy)."""
        source = source_of(backend, source_db_cluster_snapshot_identifier)
        self._check_name(backend, target_db_cluster_snapshot_identifier)
        if source.status != "available":
            raise InvalidDBClusterSnapshotStateFault(
                f"Snapshot {source.arn} is in {source.status} state, not available."
            )
        key = self._key(backend, source, kms_key_id)
        self._check_quota(backend)
        # Tags are not copied unless asked for, and given tags win (facts §2; moto saw it at AWS).
        # Those of another account's snapshot are never copied.
        if copy_tags and not tags and source.account_id == backend.account_id:
            tags = source.tags
        snapshot = self._keep(
            backend,
            source.cluster,
            target_db_cluster_snapshot_identifier,
            "manual",
            tags or [],
            key,
        )
        snapshot.source_db_cluster_snapshot_arn = source.db_cluster_snapshot_arn
        snapshot.copy_source = source
        name = snapshot.db_cluster_snapshot_identifier
        self.world.effect("snapshot-copied", place(backend), name)
        snapshot.status, snapshot.begun_at = "copying", None
        self._start_queued(backend)
        return snapshot

    def delete(self, backend: RDSBackend, db_snapshot_identifier: str) -> DBClusterSnapshot:
        snapshot = backend.cluster_snapshots.get(db_snapshot_identifier)
        if snapshot is None:
            raise DBClusterSnapshotNotFoundError(db_snapshot_identifier)
        # Deleting the target while it is `copying` is how a copy is cancelled (facts §2, Copy).
        kind, status = snapshot.snapshot_type, snapshot.status
        if kind != "manual" or status not in ("available", "copying", "failed"):
            raise InvalidDBClusterSnapshotStateFault(
                f"Snapshot {db_snapshot_identifier} is {kind} and {status}."
            )
        self.world.effect("snapshot-deleted", place(backend), snapshot.db_cluster_snapshot_identifier)
        snapshot.status = "deleting"
        for copy in self._copies_of(snapshot):
            # To delete the source under a copy may kill the copy (facts §2): here it does.
            copy.status = "failed"
            self._start_queued(copy.backend)
        self._start_queued(backend)

        def gone() -> None:
            if backend.cluster_snapshots.get(db_snapshot_identifier) is snapshot:
                del backend.cluster_snapshots[db_snapshot_identifier]

        self.world.later(
            self.world.settings.delete_secs, f"snapshot {db_snapshot_identifier} gone", gone
        )
        return snapshot

    def describe(self, backend: RDSBackend, *args, **kwargs) -> list[DBClusterSnapshot]:
        found = self._moto_describe(backend, *args, **kwargs)
        for snapshot in found:
            snapshot.percent_progress = progress(snapshot, self.world.now())
        return found

    # Rules that both ways of making a snapshot share

    def _check_name(self, backend: RDSBackend, name: str) -> None:
        if not NAME.match(name) or len(name) > 63:
            raise InvalidParameterValue(f"{name} is not a valid DBClusterSnapshotIdentifier.")
        if name in backend.cluster_snapshots:
            raise DBClusterSnapshotAlreadyExistsError(name)

    def _check_quota(self, backend: RDSBackend) -> None:
        """Only manual snapshots count (facts §2, Quota)."""
        if manual_count(backend) >= self.world.settings.snapshots_max:
            raise SnapshotQuotaExceededFault()

    def _key(
        self, backend: RDSBackend, source: DBClusterSnapshot, wanted: str | None
    ) -> str | None:
        """The key of the copy, valid in the destination region (facts §2, Copy)."""
        if not source.encrypted:
            if wanted:
                raise InvalidParameterCombination(
                    "An unencrypted snapshot cannot be encrypted by copying."
                )
            return None
        if wanted:
            if account_of(wanted) not in (None, backend.account_id):
                raise KMSKeyNotAccessibleFault(wanted)
            return backend._validate_kms_key(wanted)
        if source.region != backend.region_name:
            raise KMSKeyNotAccessibleFault("none given for an encrypted snapshot of another region")
        if source.account_id != backend.account_id:
            # A copy of what is shared needs a key of one's own (facts §2, Cross-account).
            raise KMSKeyNotAccessibleFault("none given for an encrypted snapshot of another account")
        return source.kms_key_id

    def _keep(
        self,
        backend: RDSBackend,
        cluster: DBCluster,
        name: str,
        snapshot_type: str,
        tags: list | None,
        key: str | None = None,
    ) -> DBClusterSnapshot:
        snapshot = DBClusterSnapshot(backend, cluster, name, snapshot_type, tags, key)
        snapshot.db_cluster_resource_id = cluster.db_cluster_resource_id
        # A restore is a new, single cluster; moto would make it a member of the old global one.
        snapshot.cluster.global_cluster_identifier = None
        snapshot.copy_source, snapshot.begun_at = None, None
        backend.cluster_snapshots[name] = snapshot
        return snapshot

    # Time

    def _begin(self, snapshot: DBClusterSnapshot, status: str, zero: float, secs: float) -> None:
        snapshot.status = status
        snapshot.begun_at, snapshot.zero_secs, snapshot.busy_secs = self.world.now(), zero, secs

    def _start_queued(self, backend: RDSBackend) -> None:
        """Starts waiting copies, oldest first, while there is room (facts §2, Concurrency)."""
        for snapshot in list(backend.cluster_snapshots.values()):
            copying = [s for s in backend.cluster_snapshots.values() if s.status == "copying"]
            if sum(1 for s in copying if s.begun_at) >= self.world.settings.copies_max:
                return
            if snapshot in copying and not snapshot.begun_at:
                self._start(snapshot)

    def _start(self, snapshot: DBClusterSnapshot) -> None:
        zero, secs = self.world.settings.copy_zero_secs, self.world.settings.copy_secs
        self._begin(snapshot, "copying", zero, secs)

        def done() -> None:
            if snapshot.status == "copying":
                # No event tells of the end of a copy between regions: poll (facts §1.7).
                snapshot.status = "available"
                self._start_queued(snapshot.backend)

        self.world.later(
            zero + secs, f"copy {snapshot.db_cluster_snapshot_identifier} available", done
        )

    def _copies_of(self, source: DBClusterSnapshot) -> Iterator[DBClusterSnapshot]:
        for backend in every_rds():
            for snapshot in list(backend.cluster_snapshots.values()):
                if snapshot.copy_source is source and snapshot.status == "copying":
                    yield snapshot


def manual_count(backend: RDSBackend) -> int:
    return sum(1 for s in backend.cluster_snapshots.values() if s.snapshot_type == "manual")


def progress(snapshot: DBClusterSnapshot, now: datetime) -> int:
    """`PercentProgress`: 0 while queued or silent, then even, and 100 only at the end."""
    if snapshot.status not in ("creating", "copying"):
        return 0 if snapshot.status == "failed" else 100
    if snapshot.begun_at is None or snapshot.busy_secs <= 0:
        return 0
    worked = (now - snapshot.begun_at).total_seconds() - snapshot.zero_secs
    return max(0, min(99, int(100 * worked / snapshot.busy_secs)))
