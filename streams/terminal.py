"""Text of others on a terminal, which obeys some of it."""

import json
import re

import msgspec

_BLANK = re.compile(r"\s+")
# What a terminal or an editor would obey instead of showing it: C0 and C1 controls, what turns the
# direction of writing, separates lines, or is not seen (annotations, tags, a byte order mark). The
# joiners that Persian, Hindi and emoji are written with pass.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """On one line, with what a terminal would obey spelt out as `\\x1b`."""
    return _CONTROL.sub(_escape, _BLANK.sub(" ", text)).strip()


def printable(value: bytes) -> str:
    """On as many lines as it has; what a terminal would obey, or is no UTF-8, spelt out."""
    text = value.decode(errors="backslashreplace")
    return _CONTROL.sub(lambda match: match[0] if match[0] in "\n\t" else _escape(match), text)


def harmless_json(value: bytes) -> str:
    """JSON of the same meaning on one line, without controls that JSON may leave as they are."""
    compact = msgspec.json.encode(msgspec.json.decode(value)).decode()
    return _CONTROL.sub(lambda match: json.dumps(match[0])[1:-1], compact)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
