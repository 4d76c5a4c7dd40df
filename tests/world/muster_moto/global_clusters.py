"""Aurora global clusters: which region is asked, what moves the writer, and what is seen meanwhile.

Switchover is called at the current primary's region and loses nothing; failover with data loss is
called at the target's region and needs nothing of the old one (facts §0.2, §1.1).
"""

from moto.rds.exceptions import (
    DBClusterNotFoundError,
    InvalidDBClusterStateFault,
    InvalidParameterCombination,
    InvalidParameterValue,
    RDSClientError,
)
from moto.rds.models import DBCluster, GlobalCluster, RDSBackend

from .events import emit
from .world import GLOBAL_STORE, World, every_rds, rds, replace

#: Statuses of `FailoverState` that every SDK knows.
PENDING, FAILING_OVER = "pending", "failing-over"
#: In the documentation and on the wire, but in no SDK's enum (facts §0.3).
SWITCHING_OVER = "switching-over"


class GlobalClusters:
    """Creation with the right writer, switchover, failover and removal."""

    def __init__(self, world: World):
        self.world = world

    def install(self) -> None:
        self._moto_create = RDSBackend.create_global_cluster
        replace(RDSBackend, "create_global_cluster", self.create)
        replace(RDSBackend, "remove_from_global_cluster", self.remove)
        GlobalCluster.failover_state = None
        GlobalCluster.operation = None
        GlobalCluster.global_cluster_members = property(members)
        DBCluster.synchronization_status = "connected"

    def create(
        self, backend: RDSBackend, global_cluster_identifier: str, **wanted
    ) -> GlobalCluster:
        if global_cluster_identifier in backend.global_clusters:
            raise RDSClientError(
                "GlobalClusterAlreadyExistsFault", f"{global_cluster_identifier} already exists."
            )
        source = wanted.pop("source_db_cluster_identifier", None)
        cluster = None
        if source is not None:
            # moto looks for the source in one region only, and then calls every member a reader.
            cluster = cluster_of(source)
            if wanted.get("engine"):
                raise InvalidParameterCombination("Engine is inherited from the source cluster.")
            wanted |= {"engine": cluster.engine, "engine_version": cluster.engine_version}
        made = self._moto_create(backend, global_cluster_identifier, None, **wanted)
        if cluster is not None:
            cluster.global_cluster_identifier = made.global_cluster_identifier
            cluster.is_writer = True
            made.members.append(cluster)
        return made

    def switchover(self, region: str, name: str, target: str) -> GlobalCluster:
        """Needs both sides healthy and waits for the target to catch up (facts §1.1)."""
        made, old, new = self._admit(name, target)
        if region != old.region:
            raise wrong_state(
                f"switchover of {name} must be called in {old.region}, where its primary is.",
            )
        for cluster in made.members:
            if cluster.status != "available":
                raise InvalidDBClusterStateFault(f"{cluster.arn} is in {cluster.status} state.")
        return self._start(made, old, new, SWITCHING_OVER, self.world.settings.switchover_secs)

    def failover(
        self, region: str, name: str, target: str, allow: bool, switch: bool
    ) -> GlobalCluster:
        """With neither flag a switchover: a dropped flag changes what is asked (facts §1.1)."""
        if allow and switch:
            raise InvalidParameterCombination("AllowDataLoss and Switchover exclude each other.")
        if not allow:
            return self.switchover(region, name, target)
        made, old, new = self._admit(name, target)
        if region != new.region:
            raise wrong_state(
                f"failover of {name} with data loss must be called in {new.region}, at the target.",
            )
        if new.status != "available":
            raise InvalidDBClusterStateFault(f"{new.arn} is in {new.status} state.")
        return self._start(made, old, new, FAILING_OVER, self.world.settings.failover_secs)

    def remove(
        self, _backend: RDSBackend, global_cluster_identifier: str, db_cluster_identifier: str
    ) -> GlobalCluster:
        """Detach and promote: the old primary goes on writing, unfenced (facts §1.1)."""
        made = global_of(global_cluster_identifier)
        cluster = cluster_of(db_cluster_identifier)
        if cluster not in made.members:
            raise DBClusterNotFoundError(db_cluster_identifier)
        if cluster.is_writer and len(made.members) > 1:
            raise wrong_state("the primary cannot leave before its secondaries.")
        made.members.remove(cluster)
        cluster.global_cluster_identifier, cluster.is_writer = None, False
        self.world.effect("global-member-removed", cluster.region, cluster.db_cluster_identifier)
        return made

    # The two operations share their way

    def _admit(self, name: str, target: str) -> tuple[GlobalCluster, DBCluster, DBCluster]:
        made = global_of(name)
        new = next((m for m in made.members if m.arn == target), None)
        old = next((m for m in made.members if m.is_writer), None)
        if new is None or old is None:
            raise DBClusterNotFoundError(target, f"{target} is not the ARN of a member of {name}.")
        # A retry after a lost answer meets this fault although the first call worked (facts §0.9).
        if made.operation or new is old:
            raise wrong_state(f"{name} is {made.operation or 'written there already'}.")
        # A headless secondary must be given an instance first (facts §1.2).
        if not any(instance.status == "available" for instance in new.members):
            raise InvalidDBClusterStateFault(f"{target} has no available instance.")
        return made, old, new

    def _start(
        self, made: GlobalCluster, old: DBCluster, new: DBCluster, how: str, secs: float
    ) -> GlobalCluster:
        graceful, what = how == SWITCHING_OVER, f"{made.resource_id} {how}"
        kind = "switchover" if graceful else "failover"
        self.world.effect(f"global-{kind}-begun", new.region, new.db_cluster_identifier)
        made.operation = how
        state = {
            "FromDbClusterArn": old.arn,
            "ToDbClusterArn": new.arn,
            "IsDataLossAllowed": not graceful,
        }

        def registered() -> None:
            made.status, made.failover_state = how, {"Status": PENDING, **state}
            self.world.later(self.world.settings.global_pending_secs, what, moving)

        def moving() -> None:
            made.failover_state = {"Status": how, **state}
            new.status = "promoting"
            if graceful:
                old.status = how
                self._tell(new, "0181", "Global switchover started")
            self.world.later(secs, f"{what}: writer moves", done)

        def done() -> None:
            made.status, made.failover_state, made.operation = "available", None, None
            new.status = "available"
            old.status = "available" if graceful else old.status
            if self.world.settings.global_operation_fails:
                self._tell(new, "0187" if graceful else "0239", f"Global {kind} failed")
            else:
                self._move_writer(made, old, new, graceful)

        # Until it registers, the state is empty, as it is when nothing was asked (facts §0.4).
        self.world.later(self.world.settings.global_register_secs, f"{what}: registers", registered)
        return made

    def _move_writer(
        self, made: GlobalCluster, old: DBCluster, new: DBCluster, graceful: bool
    ) -> None:
        old.is_writer, new.is_writer = False, True
        self.world.effect("writer-moved", new.region, new.db_cluster_identifier)
        where = f"to DB cluster {new.db_cluster_identifier} in Region {new.region}"
        if graceful:
            self._tell(old, "0182", "Old primary DB cluster is shut down")
            self._tell(new, "0184", "New primary DB cluster was promoted")
            self._tell(new, "0185", f"Global switchover {where} finished.")
        else:
            self._tell_of_fence(new)
            self._tell(new, "0238", f"Global failover {where} completed.")
            self._rebuild(old)
        self._tell(new, "0397", f"The writer endpoint of {made.resource_id} leads there now")

    def _tell(self, cluster: DBCluster, number: str, message: str) -> None:
        name = cluster.db_cluster_identifier
        emit(self.world, cluster.region, "cluster", name, number, message, "global failover")

    def _tell_of_fence(self, new: DBCluster) -> None:
        """At the new primary, for the old one is taken to be out of reach (facts §1.7)."""
        holds = self.world.settings.write_fence_holds
        number, verdict = ("0390", "succeeded") if holds else ("0391", "timed out")
        instance, said = new.members[0].db_instance_identifier, f"Blocking writes {verdict}"
        emit(self.world, new.region, "instance", instance, number, said, "notification")

    def _rebuild(self, old: DBCluster) -> None:
        """The old primary comes back on a new volume, its lost tail in a snapshot (facts §1.8)."""
        old.synchronization_status = "pending-resync"
        name = old.db_cluster_identifier

        def done() -> None:
            old.synchronization_status = "connected"
            stamp = self.world.now().strftime("%Y-%m-%d-%H-%M")
            tail = f"rds:unplanned-global-failover-{name}-{stamp}"
            rds(old.region).create_db_cluster_snapshot(name, tail, "automated")

        self.world.later(self.world.settings.resync_secs, f"{name} is rebuilt", done)


def members(made: GlobalCluster) -> list[dict]:
    """`GlobalClusterMembers` with one writer, and how each member stands (facts §1.4)."""
    return [
        {
            "DBClusterArn": m.arn,
            "IsWriter": m.is_writer,
            "Readers": [r.arn for r in made.members if not r.is_writer] if m.is_writer else [],
            "GlobalWriteForwardingStatus": None if m.is_writer else "disabled",
            "SynchronizationStatus": m.synchronization_status,
        }
        for m in made.members
    ]


def global_of(name: str) -> GlobalCluster:
    made = rds(GLOBAL_STORE).global_clusters.get(name)
    if made is None:
        raise RDSClientError("GlobalClusterNotFoundFault", f"Global cluster {name} not found.")
    return made


def cluster_of(arn: str) -> DBCluster:
    """A cluster by its ARN, in whatever region; a bare name is refused as AWS does."""
    if not arn.startswith("arn:"):
        raise InvalidParameterValue(f"{arn} is not the ARN of a DB cluster.")
    for backend in every_rds():
        for cluster in backend.clusters.values():
            if cluster.arn == arn:
                return cluster
    raise DBClusterNotFoundError(arn)


def wrong_state(message: str) -> RDSClientError:
    return RDSClientError("InvalidGlobalClusterStateFault", message)
