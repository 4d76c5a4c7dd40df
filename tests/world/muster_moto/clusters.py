"""Clusters and instances: slow to create and to delete, never created twice, failing over inside their
region."""

import json

from moto.rds.exceptions import (
    DBClusterNotFoundError,
    DBClusterToBeDeletedHasActiveMembers,
    InvalidDBClusterSnapshotStateFault,
    InvalidDBClusterStateFault,
    InvalidDBInstanceStateError,
    InvalidParameterCombination,
    InvalidParameterValue,
    RDSClientError,
)
from moto.rds.models import (
    DBCluster,
    DBInstance,
    DBInstanceClustered,
    MasterUserSecret,
    RDSBackend,
)

from .events import emit
from .global_clusters import global_of
from .world import World, replace


class Clusters:
    """What moto leaves out of single clusters."""

    def __init__(self, world: World):
        self.world = world

    def install(self) -> None:
        self._moto_create = RDSBackend.create_db_cluster
        self._moto_restore = RDSBackend.restore_db_cluster_from_snapshot
        self._moto_restore_to_time = RDSBackend.restore_db_cluster_to_point_in_time
        self._moto_create_instance = RDSBackend.create_db_instance
        self._moto_delete = RDSBackend.delete_db_cluster
        self._moto_delete_instance = RDSBackend.delete_db_instance
        self._moto_modify = RDSBackend.modify_db_cluster
        self._moto_designate = DBCluster.designate_writer
        replace(RDSBackend, "create_db_cluster", self.create)
        replace(RDSBackend, "restore_db_cluster_from_snapshot", self.restore)
        replace(RDSBackend, "restore_db_cluster_to_point_in_time", self.restore_to_time)
        replace(RDSBackend, "delete_db_cluster", self.delete)
        replace(RDSBackend, "modify_db_cluster", self.modify)
        replace(RDSBackend, "create_db_instance", self.create_instance)
        replace(RDSBackend, "delete_db_instance", self.delete_instance)
        replace(RDSBackend, "failover_db_cluster", self.failover)
        replace(DBCluster, "designate_writer", self.designate_writer)
        # moto's `creating` ends with the first look at it; here it ends by the clock.
        DBCluster.status = property(
            lambda c: c._status, lambda c, status: setattr(c, "_status", status)
        )
        MasterUserSecret.secret_status = property(lambda secret: secret._status)
        replace(MasterUserSecret, "_generate_secret_string", self.password)
        DBCluster.endpoint = self._at_test_server(DBCluster.endpoint)
        DBCluster.reader_endpoint = self._at_test_server(DBCluster.reader_endpoint)

    def password(self, secret: MasterUserSecret) -> str:
        """As the service writes it; the password is the one of the test's own server."""
        user = secret.resource.master_username
        return json.dumps({"username": user, "password": "only-for-tests"})

    @staticmethod
    def _at_test_server(motos: property) -> property:
        return property(lambda c: "127.0.0.1" if hasattr(c, "_test_server") else motos.fget(c))

    def create(self, backend: RDSBackend, kwargs: dict) -> DBCluster:
        name = kwargs["db_cluster_identifier"]
        # moto overwrites the existing cluster; a second create must be refused (facts §8).
        if name in backend.clusters:
            raise RDSClientError(
                "DBClusterAlreadyExistsFault", f"DB cluster {name} already exists."
            )
        if kwargs.get("global_cluster_identifier"):
            global_of(kwargs["global_cluster_identifier"])
        cluster = self._moto_create(backend, kwargs)
        # A secondary has no password of its own, and moto cannot restore a cluster without one.
        cluster.__dict__.setdefault("_master_user_password", "kept-by-the-primary")
        self.world.effect("cluster-created", backend.region_name, cluster.db_cluster_identifier)

        def done() -> None:
            if cluster.status == "creating":
                cluster.status = "available"
            if cluster.manage_master_user_password:
                cluster.master_user_secret._status = "active"

        self.world.later(self.world.settings.cluster_secs, f"cluster {name} available", done)
        return cluster

    def restore(self, backend: RDSBackend, from_snapshot_id: str, overrides: dict) -> DBCluster:
        """A new cluster without instances, of an `available` snapshot (facts §2, Restore)."""
        snapshot = backend.get_db_cluster_snapshot(from_snapshot_id)
        if snapshot.status != "available":
            raise InvalidDBClusterSnapshotStateFault(f"{from_snapshot_id} is {snapshot.status}.")
        # Its own key, its own tags and no protection: nothing of the source but its data (facts §2). What
        # is not passed is the default, above all the security group.
        overrides["kms_key_id"] = overrides.get("kms_key_id") or snapshot.kms_key_id
        # A secondary keeps the users of its primary, and moto makes no cluster without one.
        overrides["master_username"] = snapshot.cluster.master_username or "root"
        # moto knows the snapshot by its name only; the service takes its ARN, too.
        name = snapshot.db_cluster_snapshot_identifier
        cluster = self._moto_restore(backend, name, overrides)
        cluster.tags = overrides.get("tags") or []
        if self.world.settings.restored_port:
            cluster._test_server = True
            cluster.port, cluster.master_username = self.world.settings.restored_port, "postgres"
        cluster.deletion_protection = bool(overrides.get("deletion_protection"))
        cluster.vpc_security_group_ids = overrides.get("vpc_security_group_ids") or ["sg-default"]
        cluster.db_subnet_group_name = overrides.get("db_subnet_group_name") or "default"
        return cluster

    def restore_to_time(self, backend: RDSBackend, **wanted) -> DBCluster:
        """moto would make the new cluster a member of the source's global cluster."""
        return self._moto_restore_to_time(backend, **{**wanted, "global_cluster_identifier": None})

    def delete(
        self, backend: RDSBackend, cluster_identifier: str, snapshot_name: str | None = None
    ) -> DBCluster:
        cluster = backend.clusters.get(cluster_identifier)
        if cluster is None:
            raise DBClusterNotFoundError(cluster_identifier)
        # A member must leave its global cluster first; moto would leave it listed there.
        if cluster.global_cluster_identifier:
            raise InvalidDBClusterStateFault(f"{cluster_identifier} is part of a global cluster.")
        if cluster.deletion_protection:
            raise InvalidParameterCombination("Cannot delete protected Cluster.")
        if cluster.status in ("creating", "deleting"):
            raise InvalidDBClusterStateFault(f"{cluster_identifier} is {cluster.status}.")
        # Instances that are on their way out do not hold it up (the service's own words).
        if any(member.status != "deleting" for member in cluster._members):
            raise DBClusterToBeDeletedHasActiveMembers()
        if snapshot_name:
            backend.create_db_cluster_snapshot(cluster_identifier, snapshot_name)
        cluster.status = "deleting"
        self.world.effect("cluster-deleted", backend.region_name, cluster.db_cluster_identifier)

        def gone() -> None:
            if backend.clusters.get(cluster_identifier) is cluster:
                for member in cluster._members:
                    backend.databases.pop(member.db_instance_identifier, None)
                self._moto_delete(backend, cluster_identifier)

        secs = self.world.settings.teardown_secs
        self.world.later(secs, f"cluster {cluster_identifier} gone", gone)
        return cluster

    def modify(self, backend: RDSBackend, kwargs: dict) -> DBCluster:
        """A managed password is made by the service, and takes its time like a reset one (facts §1.4)."""
        name = kwargs["db_cluster_identifier"]
        cluster = backend.clusters.get(name)
        if cluster is None:
            raise DBClusterNotFoundError(name)
        if cluster.status != "available":
            raise InvalidDBClusterStateFault(f"{name} is in {cluster.status} state.")
        manages = kwargs.get("manage_master_user_password")
        if manages and cluster.manage_master_user_password:
            # Set-like: there is one secret, however often it is asked for (facts §8).
            kwargs.pop("manage_master_user_password")
            manages = False
        shown = self._moto_modify(backend, kwargs)
        if not manages:
            return shown
        self.world.effect("password-managed", backend.region_name, name)
        cluster.status = "resetting-master-credentials"

        def done() -> None:
            if cluster.status == "resetting-master-credentials":
                cluster.status = "available"
            cluster.master_user_secret._status = "active"

        self.world.later(self.world.settings.password_secs, f"password of {name}", done)
        return cluster

    def create_instance(self, backend: RDSBackend, kwargs: dict) -> DBInstance:
        instance = self._moto_create_instance(backend, kwargs)
        name = instance.db_instance_identifier
        self.world.effect("instance-created", backend.region_name, name)
        instance.status = "creating"

        def done() -> None:
            if instance.status == "creating":
                instance.status = "available"

        self.world.later(self.world.settings.instance_secs, f"instance {name} available", done)
        return instance

    def delete_instance(
        self, backend: RDSBackend, db_instance_identifier: str, *args, **kwargs
    ) -> DBInstance:
        instance = backend.databases.get(db_instance_identifier)
        if instance is None:
            return self._moto_delete_instance(backend, db_instance_identifier, *args, **kwargs)
        if instance.status in ("creating", "deleting"):
            raise InvalidDBInstanceStateError(db_instance_identifier, "DeleteDBInstance")
        name, region = instance.db_instance_identifier, backend.region_name
        self.world.effect("instance-deleted", region, name)
        instance.status = "deleting"

        def gone() -> None:
            if backend.databases.get(name) is instance:
                self._moto_delete_instance(backend, name, *args, **kwargs)

        self.world.later(self.world.settings.teardown_secs, f"instance {name} gone", gone)
        return instance

    def failover(
        self,
        backend: RDSBackend,
        db_cluster_identifier: str,
        target_db_instance_identifier: str | None = None,
    ) -> DBCluster:
        """Moves the writer to another instance; a second call does it again (facts §1.6, §8)."""
        cluster = backend.clusters.get(db_cluster_identifier)
        if cluster is None:
            raise DBClusterNotFoundError(db_cluster_identifier)
        if cluster.status != "available":
            raise InvalidDBClusterStateFault(
                f"{db_cluster_identifier} is in {cluster.status} state."
            )
        target = self._target(cluster, target_db_instance_identifier)
        name, region, writer = cluster.db_cluster_identifier, backend.region_name, cluster.writer
        self.world.effect("instance-failover-begun", region, name)
        cluster.status = "failing-over"
        same_zone = writer is None or writer.availability_zone == target.availability_zone
        number, how = ("0072", "same AZ") if same_zone else ("0073", "cross AZ")
        emit(self.world, region, "cluster", name, number, f"{how} failover started", "failover")

        def done() -> None:
            for member in cluster._members:
                member.is_cluster_writer = member is target
            cluster.status = "available"
            self.world.effect("instance-failover-done", region, name)
            said = f"Completed failover to DB instance: {target.db_instance_identifier}"
            emit(self.world, region, "cluster", name, "0071", said, "failover")

        self.world.later(self.world.settings.instance_failover_secs, f"failover of {name}", done)
        return cluster

    def _target(self, cluster: DBCluster, wanted: str | None) -> DBInstanceClustered:
        """The wanted reader, or the one with the best promotion tier (facts §1.6)."""
        readers = [
            m for m in cluster.members if not m.is_cluster_writer and m.status == "available"
        ]
        if wanted is not None:
            readers = [m for m in readers if m.db_instance_identifier == wanted]
            if not readers:
                raise InvalidParameterValue(f"Cannot find an available reader {wanted}")
        if not readers:
            raise InvalidDBClusterStateFault(
                f"{cluster.db_cluster_identifier} has no available reader."
            )
        return min(readers, key=lambda m: (m.promotion_tier, m.db_instance_identifier))

    def designate_writer(self, cluster: DBCluster) -> None:
        """A secondary of a global cluster has readers only until it is promoted (facts §1.5)."""
        if cluster.global_cluster_identifier and not cluster.is_writer:
            for member in cluster._members:
                member.is_cluster_writer = False
        else:
            self._moto_designate(cluster)
