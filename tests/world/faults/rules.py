"""Which fault meets which call.

A call belongs to the region and service that it was signed for. Route 53, IAM and the global STS
sign as us-east-1, so they fall silent with that region, as they do in life (facts §0.6, §5.1).
"""

from dataclasses import dataclass, field

#: A held connection ends by itself after this long at most, so that no test can hang for good.
HOLD_SECS_MAX = 120
#: Connections held at once; one more is reset.
HELD_MAX = 256


@dataclass(frozen=True)
class Call:
    """One outside call, numbered from 1 in the order of arrival."""

    number: int
    method: str
    path: str
    service: str | None
    operation: str | None
    region: str | None


@dataclass
class Kill:
    """Kills a process at one call: before the call is passed on, or after it took effect."""

    pid: int
    at: int
    when: str
    #: Calls that this fault met; one that stays at 0 means that the test missed.
    met: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.pid <= 1 or self.at < 1 or self.when not in ("before", "after"):
            raise ValueError("wanted: `pid` above 1, `at` from 1, `when` before or after")

    def meets(self, call: Call) -> bool:
        hit = call.number == self.at
        self.met += hit
        return hit


@dataclass
class Matched:
    """A fault for calls to some region, service and operation; `*` stands for all.

    `skip` calls pass first; then `times` calls are met, or all if it is null.
    """

    region: str = "*"
    service: str = "*"
    operation: str = "*"
    skip: int = 0
    times: int | None = None
    met: int = field(default=0, init=False)

    def meets(self, call: Call) -> bool:
        is_mine = (
            self.region in ("*", call.region)
            and self.service in ("*", call.service)
            and self.operation in ("*", call.operation)
        )
        if not is_mine or (self.times is not None and self.met >= self.times):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.met += 1
        return True


@dataclass
class Silence(Matched):
    """The call is not passed on: `hang` gives no answer, `reset` breaks the connection."""

    how: str = "hang"
    hold_secs: float = 30

    def __post_init__(self) -> None:
        if self.how not in ("hang", "reset") or not 0 < self.hold_secs <= HOLD_SECS_MAX:
            raise ValueError(f"wanted: `how` hang or reset, `hold_secs` up to {HOLD_SECS_MAX}")


@dataclass
class Lose(Matched):
    """The call takes effect and its answer is lost: the caller sees a broken connection."""

    times: int | None = 1


#: The faults by the name under which the control API takes them.
KINDS = {"kill": Kill, "silence": Silence, "lose": Lose}
