"""`AuroraGlobalDBRPOLag`: one sample a minute, for as long as the test says that there is one."""

from datetime import datetime, timedelta

from moto.cloudwatch.models import cloudwatch_backends

from .world import ACCOUNT, World

MINUTE = timedelta(minutes=1)
#: A clock that jumps by days leaves no more than this behind; nobody reads older samples.
SAMPLES_MAX = 180


class LagSamples:
    """Stamps samples with the minute they describe, once it has passed (facts §8: metrics lag)."""

    def __init__(self, world: World):
        self.world = world
        self.forget()

    def forget(self) -> None:
        self._lag: dict[tuple[str, str], tuple[float, datetime]] = {}

    def set(self, region: str, cluster: str, lag_ms: float | None) -> None:
        """Begins, changes or ends the samples of one secondary; without a lag they stop coming."""
        if lag_ms is None:
            self._lag.pop((region, cluster), None)
            return
        # The last full minute is known at once, so that a test can read what it has just set.
        self._lag[(region, cluster)] = (lag_ms, self._minute() - MINUTE)
        self.catch_up()

    def catch_up(self) -> None:
        """Writes the samples of all minutes that ended since the last call."""
        until = self._minute()
        for (region, cluster), (lag_ms, since) in self._lag.items():
            since = max(since, until - SAMPLES_MAX * MINUTE)
            while since < until:
                self._put(region, cluster, lag_ms, since)
                since += MINUTE
            self._lag[(region, cluster)] = (lag_ms, since)

    def _minute(self) -> datetime:
        return self.world.now().replace(second=0, microsecond=0)

    def _put(self, region: str, cluster: str, lag_ms: float, minute: datetime) -> None:
        sample = {
            "MetricName": "AuroraGlobalDBRPOLag",
            "Dimensions": [{"Name": "DBClusterIdentifier", "Value": cluster}],
            "Timestamp": minute.replace(tzinfo=None),
            "Value": lag_ms,
            "Unit": "Milliseconds",
        }
        cloudwatch_backends[ACCOUNT][region].put_metric_data("AWS/RDS", [sample])
