"""Logs on stderr: text for people, or JSON lines."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from eventwire.streams.settings import Settings

QUIET = {
    # They log every rebalance step as a warning or at length; ours say it in a line.
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "aiokafka": logging.WARNING,
    "aiokafka.consumer.group_coordinator": logging.ERROR,
    # It calls every attempt to connect an error; ours tell what a lost connection means.
    "kafka": logging.CRITICAL,
    "asyncio": logging.WARNING,
    # Faust's words too: it logs in the names of our subclasses of its services.
    "eventwire.streams.app": logging.WARNING,
    "eventwire.streams.faust_fixes": logging.WARNING,
}
"""Least levels of libraries, unless everything is asked for with debug."""

LOST_CONNECTION = (
    "NodeNotReadyError",
    "KafkaConnectionError",
    "KafkaTimeoutError",
    "RequestTimedOutError",
    "CoordinatorNotAvailableError",
    "Unable to update metadata",
    "Heartbeat session expired",
)


def configure(
    settings: Settings, stream: TextIO | None = None, *, debug: bool = False, stamped: bool = True
) -> None:
    """Replace the root logger's handlers; stdout is for results only.

    `stamped` puts time and level before a line of text, as a service needs and a tool does not.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if settings.log_format == "json" else _text(stamped))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else settings.log_level.upper())
    if root.level > logging.DEBUG:
        handler.addFilter(_Sparing())
    for name, level in QUIET.items():
        quiet = root.level > logging.DEBUG
        logging.getLogger(name).setLevel(max(level, root.level) if quiet else logging.NOTSET)


class _Sparing(logging.Filter):
    """Drops what Faust and aiokafka say of lost connections and crashes, but to who debugs.

    With brokers away each part of aiokafka reports it for itself, several times a second;
    `outage` says it once. Which broker it is that cannot be reached, that is worth a line a minute.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        words = str(record.msg)
        if words.startswith("Crashed reason"):
            return False  # each of Faust's services repeats it; the worker tells why it ends
        if not record.name.startswith("aiokafka"):
            return True
        which = words.startswith("Unable connect to node")
        if not which and any(sign in record.getMessage() for sign in LOST_CONNECTION):
            return False
        if record.created - self._last.get(words, float("-inf")) < (60.0 if which else 10.0):
            return False
        self._last[words] = record.created
        return True


def _text(stamped: bool) -> logging.Formatter:
    before = "%(asctime)s %(levelname)-7s " if stamped else ""
    return logging.Formatter(before + "%(message)s", datefmt="%H:%M:%S")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
