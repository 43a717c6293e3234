"""A login to Kafka on a socket of our own, only to learn at once whether it is refused, and why.

Kafka hangs up behind its refusal. kafka-python then mostly sees no more than a lost connection, and
tries again until its time is over; aiokafka and Faust try for ever.
"""

import socket
import struct

from kafka.net.sasl import get_sasl_mechanism

HANDSHAKE, AUTHENTICATE = 17, 36
HANDSHAKE_VERSION, AUTHENTICATE_VERSION = 1, 0
MAX_ANSWER_BYTES = 65_536

NONE, UNSUPPORTED_SASL_MECHANISM = 0, 33
"""Kafka's error codes."""


class Refused(Exception):  # noqa: N818
    """The broker does not let this user in; its own words, which may be none."""


class NoAnswer(Exception):  # noqa: N818
    """What is there does not answer as Kafka does."""


def log_in(connection: socket.socket, mechanism: str, user: str, password: str) -> None:
    """Raises Refused, NoAnswer or OSError."""
    answer = _ask(connection, HANDSHAKE, HANDSHAKE_VERSION, _short(mechanism.encode()))
    code = answer.number(">h")
    if code == UNSUPPORTED_SASL_MECHANISM:
        offered = [answer.text() for _ in range(answer.number(">i"))]
        raise Refused(f"it takes {', '.join(offered)}")
    if code != NONE:
        raise NoAnswer
    dialog = get_sasl_mechanism(mechanism)(
        sasl_mechanism=mechanism, sasl_plain_username=user, sasl_plain_password=password
    )
    while not dialog.is_done():
        token = dialog.auth_bytes()
        body = struct.pack(">i", len(token)) + token
        answer = _ask(connection, AUTHENTICATE, AUTHENTICATE_VERSION, body)
        if answer.number(">h") != NONE:
            raise Refused(answer.text())
        answer.text()
        dialog.receive(answer.take(answer.number(">i")))


class _Answer:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, size: int) -> bytes:
        part = self._content[self._at : self._at + max(size, 0)]
        if len(part) < size:
            raise NoAnswer
        self._at += len(part)
        return part

    def number(self, kind: str) -> int:
        (number,) = struct.unpack(kind, self.take(struct.calcsize(kind)))
        return int(number)

    def text(self) -> str:
        """Empty where it is null."""
        return self.take(self.number(">h")).decode(errors="replace")


def _ask(connection: socket.socket, request: int, version: int, body: bytes) -> _Answer:
    correlation, client = 1, _short(b"eventwire")
    frame = struct.pack(">hhi", request, version, correlation) + client + body
    connection.sendall(struct.pack(">i", len(frame)) + frame)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    if not 4 <= size <= MAX_ANSWER_BYTES:
        raise NoAnswer
    answer = _Answer(_receive(connection, size))
    if answer.number(">i") != correlation:
        raise NoAnswer
    return answer


def _receive(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        part = connection.recv(size - len(content))
        if not part:
            raise NoAnswer
        content += part
    return content


def _short(content: bytes) -> bytes:
    return struct.pack(">h", len(content)) + content
