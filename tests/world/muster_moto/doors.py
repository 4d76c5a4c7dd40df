"""The operations of RDS that moto does not answer, or answers without pages."""

from moto.core.responses import ActionResult
from moto.rds.exceptions import InvalidParameterValue
from moto.rds.responses import RDSResponse

from .global_clusters import GlobalClusters, global_of
from .snapshots import manual_count
from .world import World


class Doors:
    """Adds to moto's door of RDS; a method's name is the operation's in snake case."""

    def __init__(self, world: World, global_clusters: GlobalClusters):
        self.world = world
        self.global_clusters = global_clusters

    def install(self) -> None:
        def switchover_global_cluster(door: RDSResponse) -> ActionResult:
            asked = door.params
            name, target = asked["GlobalClusterIdentifier"], asked["TargetDbClusterIdentifier"]
            made = self.global_clusters.switchover(door.region, name, target)
            return ActionResult({"GlobalCluster": made})

        def failover_global_cluster(door: RDSResponse) -> ActionResult:
            asked = door.params
            made = self.global_clusters.failover(
                door.region,
                asked["GlobalClusterIdentifier"],
                asked["TargetDbClusterIdentifier"],
                bool(asked.get("AllowDataLoss")),
                bool(asked.get("Switchover")),
            )
            return ActionResult({"GlobalCluster": made})

        def describe_account_attributes(door: RDSResponse) -> ActionResult:
            """The quota to read before a snapshot is taken (facts §2, Quota)."""
            used = manual_count(door.backend)
            quota = {"AccountQuotaName": "ManualClusterSnapshots", "Used": used}
            return ActionResult(
                {"AccountQuotas": [{**quota, "Max": int(self.world.settings.snapshots_max)}]}
            )

        def describe_global_clusters(door: RDSResponse) -> ActionResult:
            # moto ignores the name.
            name = door.params.get("GlobalClusterIdentifier")
            all_of_them = door.global_backend.global_clusters.values()
            return ActionResult(
                {"GlobalClusters": [global_of(name)] if name else list(all_of_them)}
            )

        RDSResponse.switchover_global_cluster = switchover_global_cluster
        RDSResponse.failover_global_cluster = failover_global_cluster
        RDSResponse.describe_account_attributes = describe_account_attributes
        RDSResponse.describe_global_clusters = describe_global_clusters
        for operation, list_name in [
            ("describe_db_clusters", "DBClusters"),
            ("describe_db_cluster_snapshots", "DBClusterSnapshots"),
            ("describe_global_clusters", "GlobalClusters"),
        ]:
            self._page(operation, list_name)

    def _page(self, operation: str, list_name: str) -> None:
        """Gives an operation pages: `MaxRecords` of 20 to 100, `Marker` to go on (API reference).

        Pages go by ARN and begin after the last one seen, so that what is deleted between two pages
        does not push another thing over the edge.
        """
        whole = getattr(RDSResponse, operation)

        def paged(door: RDSResponse) -> ActionResult:
            wanted = int(door.params.get("MaxRecords") or 100)
            if not 20 <= wanted <= 100:
                raise InvalidParameterValue(f"MaxRecords must be between 20 and 100, not {wanted}.")
            size = min(wanted, int(self.world.settings.page_max))
            after = door.params.get("Marker") or ""
            left = sorted(whole(door)._result[list_name], key=lambda thing: thing.arn)
            left = [thing for thing in left if thing.arn > after]
            page = left[:size]
            marker = page[-1].arn if len(left) > size else None
            return ActionResult({list_name: page, "Marker": marker})

        setattr(RDSResponse, operation, paged)
