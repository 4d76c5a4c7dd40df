"""Everything a test can set, with its unit in its name and the fact behind it.

A length of time holds for what begins after it was set. All lengths run on the test clock.
"""

from dataclasses import asdict, dataclass, fields


@dataclass
class Settings:
    """The defaults are AWS at its quickest: everything is done at once and nothing goes wrong."""

    #: A cluster snapshot stays `creating` for minutes (facts §8).
    snapshot_secs: float = 0
    #: A copy to another region takes hours (facts §0.1, §8).
    copy_secs: float = 0
    #: Of these hours it may show 0 % for long, and is not stuck (facts §2, Concurrency).
    copy_zero_secs: float = 0
    #: A snapshot is `deleting` for seconds to minutes (facts §8).
    delete_secs: float = 0
    #: A snapshot of a cache is `creating` for minutes (facts §3).
    cache_snapshot_secs: float = 0
    #: A promotion of a global datastore: in one or two minutes (facts §3, §8).
    cache_failover_secs: float = 0
    #: Another node of a replication group becomes its primary: AWS names no time (facts §3).
    cache_node_secs: float = 0
    #: AWS blocks `TestFailover`, as it may in a large event (facts §3).
    test_failover_blocked: bool = False
    #: The last instant that a cluster can be restored to: typically within 5 minutes (facts §2).
    restorable_behind_secs: float = 240
    #: What is restored listens at this port of 127.0.0.1, so that a test can put a server of its own behind
    #: it; its user is `postgres` then. Without one nothing listens anywhere.
    restored_port: int = 0
    #: A created or restored cluster is `creating` for tens of minutes (facts §8).
    cluster_secs: float = 0
    #: An instance is `creating` for 5 to 10 minutes (facts §8).
    instance_secs: float = 0
    #: A deleted cluster or instance is `deleting` for minutes.
    teardown_secs: float = 0
    #: A cluster is `resetting-master-credentials` until its managed password is there (facts §1.4).
    password_secs: float = 0
    #: A build runs for so long at least, and for as long as its process does.
    build_secs: float = 0
    #: Failover inside a region: typically under 35 s (facts §1.6).
    instance_failover_secs: float = 0
    #: Before a global operation registers, `FailoverState` is empty; then `pending` (facts §0.4).
    global_register_secs: float = 0
    global_pending_secs: float = 0
    #: Promotion after that: "typically within a few minutes" (facts §1.1).
    switchover_secs: float = 0
    failover_secs: float = 0
    #: After a failover with data loss the old primary is rebuilt: minutes to hours (facts §1.1).
    resync_secs: float = 0
    #: The global operation ends without a new writer and with an empty state (facts §0.4).
    global_operation_fails: bool = False
    #: Whether Aurora's own write fence works or times out: event 0390 or 0391 (facts §0.5).
    write_fence_holds: bool = True
    #: Describe calls of RDS show the world of this many seconds ago (proofs, "stale reads").
    stale_read_secs: float = 0
    #: Nobody may take a role: a trust policy that names others (IAM).
    roles_closed: bool = False
    #: How often each event is delivered: 0 = lost, 2 = twice (facts §0.8, §9).
    event_copies: int = 1
    #: Manual cluster snapshots per region (facts §2, Quota).
    snapshots_max: int = 100
    #: Copies that run at once per destination region; the others queue at 0 % (facts §2).
    copies_max: int = 5
    #: The longest page of a Describe call; AWS gives 100, and may always give fewer.
    page_max: int = 100
    #: A received message is hidden for what its reader asked for, 12 h at most (SQS); see `queues.py`.
    message_hidden_secs_max: int = 43_200

    def change(self, wanted: dict) -> None:
        """Takes new values; an unknown name or a value of another kind is a mistake in the test."""
        kinds = {field.name: type(field.default) for field in fields(self)}
        for name, value in wanted.items():
            if name not in kinds:
                raise ValueError(f"no setting `{name}`; there are {', '.join(kinds)}")
            is_flag = isinstance(value, bool)
            if is_flag != (kinds[name] is bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"setting `{name}` cannot be `{value}`")
        for name, value in wanted.items():
            setattr(self, name, value)

    def show(self) -> dict:
        return asdict(self)
