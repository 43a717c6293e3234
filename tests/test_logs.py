import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from eventwire.streams import logs
from eventwire.streams.settings import Settings

Configure = Callable[..., io.StringIO]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Configures logging into a buffer; puts everything back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}

    def into_buffer(**settings: str) -> io.StringIO:
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
    logging.getLogger("eventwire.streams.app").error("Crashed reason=%r", ValueError("x"))
    assert buffer.getvalue() == ""


def test_what_aiokafka_repeats_is_told_once_in_a_while(configure: Configure) -> None:
    buffer = configure()
    for port in range(50):
        logging.getLogger("aiokafka.client").error("Unable to connect to %s", port)
    logging.getLogger("aiokafka.client").error("something else")
    assert len(buffer.getvalue().splitlines()) == 2
