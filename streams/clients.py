"""Connections to Kafka for the tools (kafka-python), and the TLS context the worker shares.

Whatever goes wrong on the way to the brokers is a `BrokerError`: one line with the address, the
reason and the settings to look at.
"""

import contextlib
import functools
import inspect
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import MemberToRemove
from kafka.errors import (
    AuthorizationError,
    GroupAuthorizationFailedError,
    KafkaError,
    KafkaTimeoutError,
    SaslAuthenticationFailedError,
)

from eventwire.streams import login
from eventwire.streams.settings import Settings, variable
from eventwire.streams.stopping import held

Client = TypeVar("Client")


log = logging.getLogger(__name__)


class BrokerError(Exception):
    """The brokers cannot be used; the message is one line that says what to do."""


def admin(settings: Settings) -> KafkaAdminClient:
    return _connect(settings, lambda: _Admin(**client_options(settings)))


@contextlib.contextmanager
def producer(settings: Settings) -> Iterator[KafkaProducer]:
    """A producer that waits for all replicas; look at every future that its `send` returns."""
    client = _connect(
        settings,
        lambda: _Producer(
            **client_options(settings),
            acks="all",
            # One record of the largest size, and the 61 bytes of a batch around it.
            max_request_size=settings.output_max_bytes + 1024,
            allow_auto_create_topics=False,
            linger_ms=5,
            request_timeout_ms=15_000,
            delivery_timeout_ms=30_000,
            max_block_ms=15_000,
        ),
    )
    try:
        yield client
    finally:
        try:
            client.close(timeout=1)  # without, it waits for ever for brokers that are gone
        except KafkaTimeoutError:
            # What was not acknowledged has been told by who waited for it. The destructor would
            # try once more, and print a traceback.
            client._closed = True


def reader(
    settings: Settings, topics: list[str], *, from_beginning: bool, **others: Any
) -> KafkaConsumer:
    """A consumer of every partition of `topics`, outside any group: it commits nothing.

    Its first `poll` continues from where the topics end now, or from their beginning. `others` are
    options in kafka-python's words. Raises BrokerError, and so does the consumer's `poll`.
    """
    consumer = _connect(
        settings,
        lambda: _Reader(
            settings,
            **client_options(settings),
            **{
                "group_id": None,
                "enable_auto_commit": False,
                "auto_offset_reset": "earliest" if from_beginning else "latest",
                "allow_auto_create_topics": False,
                "max_partition_fetch_bytes": settings.output_max_bytes,
                **others,
            },
        ),
    )
    partitions = []
    for topic in topics:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            consumer.close()
            raise missing_topic(settings, topic)
        partitions += [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    if from_beginning:
        consumer.seek_to_beginning()
    else:
        consumer.seek_to_end()
        for partition in partitions:  # now, not at the first poll: nothing is missed
            consumer.position(partition)
    return consumer


def _uninterrupted(client: type[Client]) -> type[Client]:
    """The client, in whose methods signals wait, see `stopping.held`.

    What a handler raises may end in kafka-python's event loop, which takes it for a failed request
    and goes on, or leave one of its locks taken for ever.
    """

    def method(inner: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(inner)
        def outer(*args: Any, **kwargs: Any) -> Any:
            with held():
                return inner(*args, **kwargs)

        return outer

    for name, value in inspect.getmembers(client, inspect.isfunction):
        if name in ("__init__", "__exit__") or not name.startswith("_"):
            setattr(client, name, method(value))
    return client


@_uninterrupted
class _Admin(KafkaAdminClient):  # type: ignore[misc]
    pass


@_uninterrupted
class _Producer(KafkaProducer):  # type: ignore[misc]
    pass


@_uninterrupted
class _Reader(KafkaConsumer):  # type: ignore[misc]
    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings

    def poll(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().poll(*args, **kwargs)
        except AuthorizationError as error:
            raise forbidden(self._settings, f"read {self._topics}") from error
        except KafkaError as error:
            raise BrokerError(f"cannot read from {self._settings.brokers}: {error}") from error

    @property
    def _topics(self) -> str:
        return ", ".join(sorted({partition.topic for partition in self.assignment()}))


def check_group(settings: Settings) -> None:
    """Raises BrokerError where the user may not read as the workers' group.

    The worker would never learn of it: Faust asks for records, and for errors, only of partitions
    that it was given. Who may only describe the group may read its offsets, and yet not join. So
    Kafka is asked to let a member go that there is not: that takes the same permission as joining.
    """
    nobody = MemberToRemove(member_id="nobody")
    deadline = time.monotonic() + settings.connect_timeout
    with admin(settings) as client:
        while True:
            try:
                client.remove_group_members(settings.group, [nobody])
            except GroupAuthorizationFailedError as error:
                raise forbidden(settings, f"read as group {settings.group}") from error
            except KafkaError as error:
                # Of a cluster that had no group before, the coordinator is just being made.
                if error.retriable and time.monotonic() < deadline:
                    time.sleep(0.2)
                    continue
                log.debug("group %s: %s", settings.group, error)
            return


def forbidden(settings: Settings, what: str) -> BrokerError:
    user = f"user {settings.sasl_user!r}" if settings.sasl_user else "this client"
    return BrokerError(
        f"Kafka at {settings.brokers} does not let {user} {what}:"
        " docs/security.md lists the permissions that eventwire needs"
    )


def missing_topic(settings: Settings, topic: str) -> BrokerError:
    from eventwire.streams.topics import topics  # which imports this module

    hidden = f", or user {settings.sasl_user!r} may not see it" if settings.sasl_user else ""
    remedy = "expected one that is there"  # the name is the user's
    if topic == settings.articles_topic:
        remedy = f"`{variable('articles_topic')}={topic} eventwire topics` creates it"
    elif topic in (own.name for own in topics(settings)):
        remedy = f"`eventwire topics` creates it (its prefix comes from {variable('topic_prefix')})"
    return BrokerError(f"topic {topic} does not exist on {settings.brokers}{hidden}: {remedy}")


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context, None where the protocol has no TLS; raises BrokerError."""
    if not settings.security_protocol.endswith("SSL"):
        return None
    said = f"{variable('ssl_ca_file')}: expected certificates (PEM), got {settings.ssl_ca_file}"
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_file)
        if settings.ssl_cert_file is not None:
            said = (
                f"{variable('ssl_cert_file')}, {variable('ssl_key_file')}: expected a certificate"
                f" and its key (PEM), got {settings.ssl_cert_file} and {settings.ssl_key_file}"
            )
            password = settings.ssl_key_password
            context.load_cert_chain(
                settings.ssl_cert_file,
                settings.ssl_key_file,
                # Without a password OpenSSL would ask for one on the terminal.
                password=password.reveal() if password else "",
            )
    except (OSError, ssl.SSLError) as error:
        raise BrokerError(f"{said}: {_words(error)}") from error
    return context


def client_options(settings: Settings) -> dict[str, Any]:
    """Where the brokers are and how to talk to them, in kafka-python's words."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.broker_list,
        "bootstrap_timeout_ms": int(settings.connect_timeout * 1000),
        "client_id": "eventwire",
        "reconnect_backoff_max_ms": 2_000,  # not 30 s, for which brokers are back and not noticed
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL"):
        assert settings.sasl_password is not None  # Settings checks it
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_user,
            "sasl_plain_password": settings.sasl_password.reveal(),
        }
    return options


def _connect(settings: Settings, make: Callable[[], Client]) -> Client:
    greet(settings)
    with _hidden_failures() as failures:
        try:
            return make()
        except KafkaTimeoutError as error:
            raise BrokerError(_refusal(settings, failures)) from error
        except KafkaError as error:
            raise BrokerError(f"Kafka at {settings.brokers}: {error}") from error


def greet(settings: Settings) -> None:
    """Open and close a connection to any of the brokers, with its TLS and its login; raises
    BrokerError.

    kafka-python retries without a reason given, and waits on for ever where TLS meets a plain
    listener; a socket of our own fails at once and tells why.
    """
    context = ssl_context(settings)
    deadline = time.monotonic() + settings.connect_timeout
    reason: Exception = TimeoutError()
    for address in settings.broker_list:
        host, port = host_and_port(address)
        seconds = max(deadline - time.monotonic(), 0.1)
        try:
            with socket.create_connection((host, port), timeout=seconds) as plain:
                _shake_hands(settings, context, plain, host)
        except (OSError, OverflowError) as error:
            reason = error
        else:
            return
    why = "no answer" if isinstance(reason, TimeoutError) else _words(reason)
    raise BrokerError(
        f"cannot reach Kafka at {settings.brokers}: {why};"
        f" set {variable('brokers')} or --brokers, or start one with `eventwire broker`"
    ) from reason


def host_and_port(address: str) -> tuple[str, int]:
    """Of one of `Settings.broker_list`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _shake_hands(
    settings: Settings, context: ssl.SSLContext | None, plain: socket.socket, host: str
) -> None:
    connection = plain
    if context is not None:
        try:
            connection = context.wrap_socket(plain, server_hostname=host)
        except OSError as error:  # ssl.SSLError is one
            why = "no answer" if isinstance(error, TimeoutError) else str(error)
            raise BrokerError(
                f"no TLS with Kafka at {settings.brokers}: {why}"
                f" ({variable('security_protocol')} is {settings.security_protocol},"
                f" {variable('ssl_ca_file')} is {settings.ssl_ca_file or 'unset'})"
            ) from error
    with connection:
        if settings.security_protocol.startswith("SASL"):
            _log_in(settings, connection)


def _log_in(settings: Settings, connection: socket.socket) -> None:
    assert settings.sasl_user is not None  # Settings checks it
    assert settings.sasl_password is not None
    user, password = settings.sasl_user, settings.sasl_password.reveal()
    try:
        login.log_in(connection, settings.sasl_mechanism, user, password)
    except login.Refused as refused:
        raise BrokerError(_not_let_in(settings, str(refused))) from refused
    except (login.NoAnswer, OSError, ValueError) as error:
        raise BrokerError(_not_kafka(settings)) from error


def _refusal(settings: Settings, failures: list[Exception]) -> str:
    """Why brokers that accept connections gave no metadata."""
    told = [_words(f) for f in failures if isinstance(f, SaslAuthenticationFailedError)]
    return _not_let_in(settings, told[-1]) if told else _not_kafka(settings)


def _not_let_in(settings: Settings, why: str) -> str:
    return (
        f"Kafka at {settings.brokers} did not let user {settings.sasl_user!r} in"
        f" ({variable('sasl_user')}, {variable('sasl_password')},"
        f" {variable('sasl_mechanism')} is {settings.sasl_mechanism})" + (f": {why}" if why else "")
    )


def _not_kafka(settings: Settings) -> str:
    return (
        f"{settings.brokers} accepts connections but does not answer as Kafka does with"
        f" {variable('security_protocol')} {settings.security_protocol}: is it Kafka,"
        " and does it expect TLS or a password?"
    )


def _words(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text.splitlines()[0] if text else type(error).__name__


@contextlib.contextmanager
def _hidden_failures() -> Iterator[list[Exception]]:
    """Exceptions that kafka-python's connection code logs, and hides from its caller."""
    failures: list[Exception] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            arguments = record.args if isinstance(record.args, tuple) else ()
            failures.extend(a for a in arguments if isinstance(a, Exception))

    logger, handler = logging.getLogger("kafka"), Collect(logging.WARNING)
    logger.addHandler(handler)
    try:
        if logger.getEffectiveLevel() > logging.DEBUG:  # --debug shows all of it as it comes
            with _KAFKA_UNHEARD:
                yield failures
        else:
            yield failures
    finally:
        logger.removeHandler(handler)


class _Unheard:
    """While any thread is within, warnings of a logger reach its own handlers and no others."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._within = 0
        self._before = logging.NOTSET, True

    def __enter__(self) -> None:
        with self._lock:
            if not self._within:
                self._before = self._logger.level, self._logger.propagate
                self._logger.setLevel(logging.WARNING)
                self._logger.propagate = False
            self._within += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                level, self._logger.propagate = self._before
                self._logger.setLevel(level)


_KAFKA_UNHEARD = _Unheard(logging.getLogger("kafka"))
