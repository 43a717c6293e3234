import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from eventwire.streams import logs
from eventwire.streams.settings import Secret, Settings

Configure = Callable[..., io.StringIO]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Configures logging into a buffer; puts everything back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}

    def into_buffer(**settings: str | Secret) -> io.StringIO:
        buffer = io.StringIO()
        logs.configure(Settings(**settings), buffer)  # type: ignore[arg-type]
        return buffer

    yield into_buffer
    root.handlers[:], level = before
    root.setLevel(level)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def test_json_logs_are_a_line_each_whatever_is_in_them(configure: Configure) -> None:
    buffer = configure(log_format="json")
    logging.getLogger("eventwire.x").warning("two\nlines %s", "\ud83d")
    try:
        int("wrong")
    except ValueError:
        logging.getLogger("eventwire.x").exception("failed")
    first, second = map(json.loads, buffer.getvalue().splitlines())
    assert first["level"] == "warning"
    assert first["message"] == "two\nlines \ud83d"
    assert first["time"].endswith("Z")
    assert "ValueError: invalid literal" in second["exception"]


def test_text_logs_tell_time_level_and_message(configure: Configure) -> None:
    buffer = configure()
    logging.getLogger("eventwire.x").info("articles[0] offset 7: fine")
    assert buffer.getvalue().endswith(" INFO    articles[0] offset 7: fine\n")


def test_libraries_are_quiet_unless_all_is_asked_for(configure: Configure) -> None:
    buffer = configure()
    logging.getLogger("faust").info("chatter")
    assert buffer.getvalue() == ""
    buffer = configure(log_level="debug")
    logging.getLogger("faust").info("chatter")
    assert "chatter" in buffer.getvalue()


def test_lost_connections_are_for_the_outage_to_tell_and_all_else_is_not(
    configure: Configure,
) -> None:
    log = logging.getLogger("aiokafka.consumer.fetcher")

    def report() -> None:
        log.error("Failed fetch messages from %s: %s", 1, "NodeNotReadyError: not ready")
        log.error("Unable to update metadata from %s", [1])
        log.error("Unable connect to node with id %s: %s", 1, "Connect call failed")
        log.error("Unable connect to node with id %s: %s", 1, "Connect call failed")
        log.error("Failed fetch messages from %s: %s", 1, "TopicAuthorizationFailedError")

    buffer = configure()
    report()
    node, refused = buffer.getvalue().splitlines()
    assert node.endswith("Unable connect to node with id 1: Connect call failed")
    assert refused.endswith("TopicAuthorizationFailedError")
    buffer = configure(log_level="debug")
    report()
    assert len(buffer.getvalue().splitlines()) == 5


def test_what_crashes_in_faust_is_for_the_worker_to_tell(configure: Configure) -> None:
    buffer = configure()
    logging.getLogger("eventwire.streams.app").error(
        "[^-Consumer]: Crashed reason=%r", ValueError("x")
    )
    assert buffer.getvalue() == ""


def test_a_traceback_is_for_who_debugs_and_others_get_a_line(configure: Configure) -> None:
    def fail() -> None:
        error = ValueError("too\n large")
        logging.getLogger("eventwire.x").error("batch of %d failed", 3, exc_info=error)

    buffer = configure()
    fail()
    [line] = buffer.getvalue().splitlines()
    assert line.endswith("batch of 3 failed: ValueError: too large")
    buffer = configure(log_level="debug")
    fail()
    assert "failed\nValueError: too" in buffer.getvalue()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_secret_is_hidden_in_whatever_form_a_library_logs_it(
    configure: Configure, log_format: str
) -> None:
    password = "pä\"ss\\w'ord"
    buffer = configure(log_format=log_format, log_level="debug", sasl_password=Secret(password))
    log = logging.getLogger("kafka.net.connection")
    log.debug("options %s", {"sasl_plain_password": password})
    log.debug("sending %s", b"\0alice\0" + password.encode())
    log.debug("password %s.", password)
    log.error("failed", exc_info=ValueError(password))
    logged = buffer.getvalue()
    assert logged.count("********") == 4
    assert not any(part in logged for part in ("ss\\", "w'ord", "w\\'ord"))


def test_what_aiokafka_repeats_is_told_once_in_a_while(configure: Configure) -> None:
    buffer = configure()
    for port in range(50):
        logging.getLogger("aiokafka.client").error("Unable to connect to %s", port)
    logging.getLogger("aiokafka.client").error("something else")
    assert len(buffer.getvalue().splitlines()) == 2
