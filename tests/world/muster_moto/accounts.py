"""Several accounts: who may take a role of another one, and what that account may see (facts §2)."""

from moto.rds.exceptions import (
    DBClusterSnapshotNotFoundError,
    InvalidParameterValue,
    KMSKeyNotAccessibleFault,
)
from moto.rds.models import DBClusterSnapshot, RDSBackend, rds_backends
from moto.sts.exceptions import STSClientError
from moto.sts.models import AssumedRole, STSBackend

from .world import ACCOUNT, World, replace

#: moto's word for the key `aws/rds`, which no other account can use (facts §2, Cross-account).
DEFAULT_KEY = "default_kms_key_id"


class Accounts:
    """Roles that can be closed, and shares that are written down."""

    def __init__(self, world: World):
        self.world = world

    def install(self) -> None:
        self._moto_assume = STSBackend.assume_role
        self._moto_modify = RDSBackend.modify_db_cluster_snapshot_attribute
        replace(STSBackend, "assume_role", self.assume)
        replace(RDSBackend, "modify_db_cluster_snapshot_attribute", self.modify)

    def assume(self, backend: STSBackend, **asked) -> AssumedRole:
        """moto gives every role to everybody; a trust policy that names others gives it to nobody."""
        if self.world.settings.roles_closed:
            raise STSClientError(
                "AccessDenied",
                "User: arn:aws:iam::123456789012:user/muster is not authorized to perform: "
                f"sts:AssumeRole on resource: {asked['role_arn']}",
            )
        return self._moto_assume(backend, **asked)

    def modify(
        self,
        backend: RDSBackend,
        db_cluster_snapshot_identifier: str,
        attribute_name: str,
        values_to_add: list[str] | None = None,
        values_to_remove: list[str] | None = None,
    ) -> dict[str, list[str]]:
        """Each share and each end of one is an effect; to share twice is to share once."""
        snapshot = backend.cluster_snapshots.get(db_cluster_snapshot_identifier)
        if snapshot is None:
            raise DBClusterSnapshotNotFoundError(db_cluster_snapshot_identifier)
        before = list(snapshot.attributes[attribute_name])
        fresh = [value for value in values_to_add or [] if value not in before]
        if snapshot.encrypted and snapshot.kms_key_id == DEFAULT_KEY and fresh:
            # The key is the account's own and stays there (facts §2, Cross-account).
            raise InvalidParameterValue(
                "DB cluster snapshots encrypted with the default aws/rds key cannot be shared."
            )
        after = self._moto_modify(
            backend, db_cluster_snapshot_identifier, attribute_name, fresh, values_to_remove
        )
        name, region = snapshot.db_cluster_snapshot_identifier, backend.region_name
        if fresh:
            self.world.effect("snapshot-shared", region, name)
        if len(snapshot.attributes[attribute_name]) < len(before):
            self.world.effect("snapshot-unshared", region, name)
        return after


def source_of(backend: RDSBackend, identifier: str) -> DBClusterSnapshot:
    """The snapshot that is copied: one's own, or another account's if it is shared.

    What is not shared looks like what is not there (facts §2, Cross-account).
    """
    owner = account_of(identifier) or backend.account_id
    if owner == backend.account_id:
        return backend.get_db_cluster_snapshot(identifier)
    region, name = identifier.split(":")[3], identifier.split(":")[6]
    snapshot = rds_backends[owner][region].cluster_snapshots.get(name)
    if snapshot is None or backend.account_id not in snapshot.attributes["restore"]:
        raise DBClusterSnapshotNotFoundError(identifier)
    if snapshot.encrypted and snapshot.kms_key_id == DEFAULT_KEY:
        raise KMSKeyNotAccessibleFault(snapshot.kms_key_id)
    return snapshot


def account_of(arn: str) -> str | None:
    return arn.split(":")[4] if arn.startswith("arn:") else None


def place(backend: RDSBackend) -> str:
    """What effects call a region: with the account where it is not the first one."""
    own = backend.account_id == ACCOUNT
    return backend.region_name if own else f"{backend.region_name}/{backend.account_id}"
