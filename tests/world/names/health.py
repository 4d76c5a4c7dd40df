"""Health checks as Route 53 judges them (facts §5.3, §5.4), probed for real over loopback."""

import http.client
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from muster_moto.clock import Clock

#: Connect and status within these limits, and a text to match within these bytes (facts §5.4).
PROBE_SECS_MAX = 2
MATCH_BYTES_MAX = 5120
#: Route 53's own when a check does not say (facts §5.4).
INTERVAL_SECS, THRESHOLD = 30, 3


class Checks:
    """Keeps how each check stands and since when its probes say otherwise.

    Nothing probes in the background: a question probes. So an answer never depends on how fast the
    machine is; a test asks, moves the clock by interval × threshold, and asks again.
    """

    def __init__(self, clock: Clock, url_map: Path, flip_secs: float | None):
        self._clock, self._url_map, self._flip_secs = clock, url_map, flip_secs
        self._stands: dict[str, bool] = {}
        self._differs_since: dict[str, datetime] = {}

    def healthy(self, check_id: str, check: dict) -> bool:
        """Whether records with this check are to be answered."""
        # `Disabled` counts as healthy, and `Inverted` turns even that around (facts §5.4).
        passes = True if check.get("Disabled") else self._settled(check_id, check)
        return passes != bool(check.get("Inverted"))

    def _settled(self, check_id: str, check: dict) -> bool:
        """The last verdict, until probes have said otherwise for interval × threshold."""
        passes, now = self._probe(check), self._clock.read()
        stands = self._stands.setdefault(check_id, passes)
        if passes == stands:
            self._differs_since.pop(check_id, None)
            return stands
        since = self._differs_since.setdefault(check_id, now)
        if now - since < timedelta(seconds=self._wait(check)):
            return stands
        del self._differs_since[check_id]
        self._stands[check_id] = passes
        return passes

    def _wait(self, check: dict) -> float:
        if self._flip_secs is not None:
            return self._flip_secs
        return check.get("RequestInterval", INTERVAL_SECS) * check.get(
            "FailureThreshold", THRESHOLD
        )

    def _probe(self, check: dict) -> bool:
        """One GET; a host that the map does not name is not asked, so nothing leaves loopback."""
        host = check.get("FullyQualifiedDomainName") or check.get("IPAddress")
        base = json.loads(self._url_map.read_text()).get(host)
        if base is None or not check["Type"].startswith("HTTP"):
            print(
                f"health check of {host} ({check['Type']}) cannot be probed: it fails",
                file=sys.stderr,
            )
            return False
        url = urlsplit(base)
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PROBE_SECS_MAX)
        try:
            connection.request("GET", url.path + (check.get("ResourcePath") or "/"))
            answer = connection.getresponse()
            wanted = check.get("SearchString", "").encode()
            return 200 <= answer.status < 400 and wanted in answer.read(MATCH_BYTES_MAX)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
