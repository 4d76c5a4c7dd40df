"""The one test clock: a file with one RFC 3339 instant, shared with the daemon under test."""

from datetime import UTC, datetime
from pathlib import Path


class Clock:
    """Reads the instant from the file at every call."""

    def __init__(self, path: str):
        self._path = Path(path)
        self._last = parse(self._path.read_text())

    def read(self) -> datetime:
        """The instant in the file.

        A writer that truncates before it writes leaves an empty file for a moment. The last instant
        stands in for it: time standing still is harmless, a failed call is a fault nobody ordered.
        """
        text = self._path.read_text()
        if text.strip():
            self._last = parse(text)
        return self._last


def parse(text: str) -> datetime:
    """An aware instant in UTC; a text without an offset is refused."""
    instant = datetime.fromisoformat(text.strip())
    if instant.tzinfo is None:
        raise ValueError(
            f"`{text.strip()}` has no offset: write an instant such as 2026-03-01T02:00:00Z"
        )
    return instant.astimezone(UTC)


def show(instant: datetime) -> str:
    """An instant as AWS writes it in events: UTC, milliseconds."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
