"""Logs on stderr: text for people, or JSON lines."""

import copy
import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

from eventwire.streams.settings import Secret, Settings

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
CRASHES = ("]: Crashed reason=", "]: Drain messages raised")
"""Faust's services each say it; the worker says once why it ends."""


def configure(
    settings: Settings, stream: TextIO | None = None, *, debug: bool = False, stamped: bool = True
) -> None:
    """Replace the root logger's handlers; stdout is for results only.

    `stamped` puts time and level before a line of text, as a service needs and a tool does not.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else settings.log_level.upper())
    everything = root.level <= logging.DEBUG
    as_json = settings.log_format == "json"
    mask = _Mask(settings)
    handler.setFormatter(
        _Json(mask) if as_json else _Text(mask, stamped=stamped, tracebacks=everything)
    )
    if not everything:
        handler.addFilter(_Sparing())
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(logging.NOTSET if everything else max(level, root.level))


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
        if any(sign in words for sign in CRASHES):
            return False
        if not record.name.startswith("aiokafka"):
            return True
        which = words.startswith("Unable connect to node")
        if not which and any(sign in record.getMessage() for sign in LOST_CONNECTION):
            return False
        if record.created - self._last.get(words, float("-inf")) < (60.0 if which else 10.0):
            return False
        self._last[words] = record.created
        return True


class _Mask:
    """Hides the secrets of the settings in what libraries log: kafka-python logs its options, and
    the bytes of a login, to who debugs."""

    def __init__(self, settings: Settings) -> None:
        values = [getattr(settings, name) for name in settings.__struct_fields__]
        secrets = [value.reveal() for value in values if isinstance(value, Secret)]
        forms = (
            {
                form.replace("'", quote)  # which `repr` escapes where the other kind stands as well
                for secret in secrets
                for form in (secret, repr(secret)[1:-1], repr(secret.encode())[2:-1])
                for quote in ("'", "\\'")
            }
            - {""}
        )
        longest_first = sorted(forms, key=len, reverse=True)
        self._found = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        return self._found.sub(repr(Secret("")), text) if self._found else text


class _Text(logging.Formatter):
    def __init__(self, mask: _Mask, *, stamped: bool, tracebacks: bool) -> None:
        before = "%(asctime)s %(levelname)-7s " if stamped else ""
        super().__init__(before + "%(message)s", datefmt="%H:%M:%S")
        self._tracebacks = tracebacks
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and record.exc_info[1] and not self._tracebacks:
            error = record.exc_info[1]
            kind, text = type(error).__name__, " ".join(str(error).split())
            record = copy.copy(record)
            record.msg, record.args = f"{record.getMessage()}: {kind}: {text}", ()
            record.exc_info = record.exc_text = record.stack_info = None
        return self._mask(super().format(record))


class _Json(logging.Formatter):
    def __init__(self, mask: _Mask) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._mask(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = self._mask(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)
