"""Logs on stderr, as text for people or as JSON lines for machines."""

import json
import logging
import sys
from datetime import UTC, datetime

from eventwire.streams.settings import Settings


def configure(settings: Settings, *, debug: bool = False) -> None:
    """Send all logging to stderr in the format and from the level of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else settings.log_level.upper())
    # kafka-python warns of every reconnection; what matters is told by our own errors.
    logging.getLogger("kafka").setLevel(logging.DEBUG if debug else logging.ERROR)


class Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")


class JsonLines(logging.Formatter):
    """One object a record, always on one line: time, level, logger, message, error."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)
