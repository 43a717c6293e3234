import logging
import re
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from eventwire.streams import clients
from eventwire.streams.children import Child
from eventwire.streams.clients import BrokerError, client_options, ssl_context
from eventwire.streams.embedded import EmbeddedBroker, broker_command
from eventwire.streams.settings import Secret, Settings


def refusal(**settings):
    began = time.monotonic()
    with pytest.raises(BrokerError) as caught, clients.admin(Settings(**settings)):
        pass
    assert time.monotonic() - began < settings.get("connect_timeout", 10) + 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@contextmanager
def server(answer):
    """A server on a free port; `answer` gets every connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_brokers_that_are_down_are_told_at_once_with_address_reason_and_setting():
    assert refusal(brokers="127.0.0.1:1") == (
        "cannot reach Kafka at 127.0.0.1:1: Connection refused;"
        " set EVENTWIRE_BROKERS or --brokers, or start one with `eventwire broker`"
    )


def test_an_unknown_host_is_told():
    assert "no-such-host.invalid:9092: " in refusal(brokers="no-such-host.invalid:9092")


def test_one_broker_of_several_is_enough(broker):
    with clients.admin(Settings(brokers=f"127.0.0.1:1,{broker.address}")) as admin:
        assert admin.describe_cluster()["brokers"]


def test_brokers_that_are_back_are_found_within_seconds(broker):
    with clients.admin(Settings(brokers=broker.address)) as admin:
        assert admin.config["reconnect_backoff_max_ms"] < 5_000


def test_something_that_is_not_kafka_is_told():
    with server(lambda connection: connection.close()) as address:
        message = refusal(brokers=address, connect_timeout=1.0)
    assert "does not answer as Kafka does with EVENTWIRE_SECURITY_PROTOCOL PLAINTEXT" in message


ALICE = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_user": "alice",
    "sasl_password": Secret("hush"),
    "sasl_mechanism": "PLAIN",
}
LOGIN_STARTS = b"\0\0" + b"\0\0\0\1\0\5PLAIN"


def answering(*bodies):
    """A broker that answers one request after the other, and hangs up."""

    def answer(connection):
        with connection:
            for body in bodies:
                size, _, _, correlation = struct.unpack(">ihhi", connection.recv(12))
                connection.recv(size - 8)
                connection.sendall(struct.pack(">ii", 4 + len(body), correlation) + body)

    return answer


def test_a_refused_login_is_told_at_once_in_the_brokers_words_and_without_the_password():
    refused = b"\0\x3a" + b"\0\x0cno such user" + b"\0\0\0\0"
    with server(answering(LOGIN_STARTS, refused)) as address:
        began = time.monotonic()
        message = refusal(brokers=address, connect_timeout=600.0, **ALICE)
    assert time.monotonic() - began < 60
    assert message == (
        f"Kafka at {address} did not let user 'alice' in (EVENTWIRE_SASL_USER,"
        " EVENTWIRE_SASL_PASSWORD, EVENTWIRE_SASL_MECHANISM is PLAIN): no such user"
    )


def test_a_mechanism_that_the_broker_does_not_take_is_told_with_those_that_it_takes():
    with server(answering(b"\0\x21" + b"\0\0\0\1\0\6GSSAPI")) as address:
        message = refusal(brokers=address, connect_timeout=600.0, **ALICE)
    assert message.endswith("EVENTWIRE_SASL_MECHANISM is PLAIN): it takes GSSAPI")


@pytest.mark.parametrize(
    "bodies",
    [
        [],
        [b""],
        [b"\0\x22"],
        [LOGIN_STARTS],
        [LOGIN_STARTS, b"\0\0\xff\xff\x7f\0\0\0"],
        [LOGIN_STARTS, b"\0\x3a\x7f\xffno"],
    ],
)
def test_what_answers_a_login_as_kafka_does_not_is_not_said_to_refuse_it(bodies):
    with server(answering(*bodies)) as address:
        message = refusal(brokers=address, connect_timeout=600.0, **ALICE)
    assert "does not answer as Kafka does with EVENTWIRE_SECURITY_PROTOCOL SASL_PLAINT" in message


def test_brokers_that_do_not_answer_a_login_are_not_said_to_refuse_it():
    kept = []
    with server(kept.append) as address:
        message = refusal(brokers=address, connect_timeout=1.0, **ALICE)
    assert "does not answer as Kafka does with EVENTWIRE_SECURITY_PROTOCOL SASL_PLAINT" in message
    for connection in kept:
        connection.close()


def test_tls_with_a_plain_listener_is_told_and_not_waited_for(broker):
    message = refusal(brokers=broker.address, security_protocol="SSL", connect_timeout=1.0)
    assert message.startswith(f"no TLS with Kafka at {broker.address}: no answer")


def test_a_missing_ca_file_is_named_with_its_setting(tmp_path):
    message = refusal(security_protocol="SSL", ssl_ca_file=tmp_path / "none.pem")
    assert message == (
        f"EVENTWIRE_SSL_CA_FILE: expected certificates (PEM), got {tmp_path / 'none.pem'}:"
        " No such file or directory"
    )


@pytest.mark.parametrize(
    ("topic", "remedy"),
    [
        ("no.politics.events.v1", "`eventwire topics` creates it (its prefix comes from"),
        ("archive", "`EVENTWIRE_ARTICLES_TOPIC=archive eventwire topics` creates it"),
        ("no.such", "expected one that is there"),
    ],
)
def test_a_topic_that_does_not_exist_is_told_with_the_command_that_creates_it(
    broker, topic, remedy
):
    settings = Settings(brokers=broker.address, topic_prefix="no.", articles_topic="archive")
    with pytest.raises(BrokerError, match=f"topic {topic} does not exist .*: {re.escape(remedy)}"):
        clients.reader(settings, [topic], from_beginning=True)


def test_the_login_reaches_kafka_python():
    options = client_options(
        Settings(
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-256",
            sasl_user="alice",
            sasl_password=Secret("hush"),
        )
    )
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_mechanism"] == "SCRAM-SHA-256"
    assert options["sasl_plain_username"] == "alice"
    assert options["sasl_plain_password"] == "hush"
    assert options["ssl_context"].verify_mode == ssl.CERT_REQUIRED
    assert options["ssl_context"].check_hostname


def test_without_tls_there_is_no_context():
    assert ssl_context(Settings(security_protocol="PLAINTEXT")) is None


def test_a_producer_whose_broker_died_is_left_behind_within_seconds():
    with EmbeddedBroker() as broker:
        with clients.admin(Settings(brokers=broker.address)) as admin:
            admin.create_topics({"t": {"num_partitions": 1}})
        began = time.monotonic()
        with clients.producer(Settings(brokers=broker.address)) as producer:
            producer.send("t", b"1").get(10)
            broker.stop()
            producer.send("t", b"2")
        del producer
    assert time.monotonic() - began < 20  # records wait for 30 s, and a `close` for ever


# ------------------------------------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that vouches for itself, and its key, encrypted and not."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, to make certificates")
    folder = tmp_path_factory.mktemp("tls")

    def openssl(arguments):
        command = ["openssl", *arguments.split()]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    openssl("rsa -aes128 -passout pass:hush -in key.pem -out locked.pem")
    return folder


@pytest.fixture(scope="module")
def tls_broker(certificate, tmp_path_factory):
    """The embedded broker behind a door that wants TLS and a client certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate / "cert.pem")
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    def pump(source, sink):
        try:
            while data := source.recv(65_536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()

    def forward(connection):
        try:
            inside = context.wrap_socket(connection, server_side=True)
        except OSError:
            return
        outside = socket.create_connection(("127.0.0.1", plain))
        for pair in ((inside, outside), (outside, inside)):
            threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        plain = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("tansu") / "log"
    with server(forward) as address, log.open("wb") as file:
        command = [
            broker_command(),
            "broker",
            f"--listener-url=tcp://127.0.0.1:{plain}",
            f"--advertised-listener-url=tcp://{address}",
        ]
        with Child(command, log=file, grace=0.2):
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                try:
                    socket.create_connection(("127.0.0.1", plain), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.02)
            yield address


def test_tls_with_a_client_certificate_and_a_locked_key_works(tls_broker, certificate):
    settings = Settings(
        brokers=tls_broker,
        security_protocol="SSL",
        ssl_ca_file=certificate / "cert.pem",
        ssl_cert_file=certificate / "cert.pem",
        ssl_key_file=certificate / "locked.pem",
        ssl_key_password=Secret("hush"),
    )
    with clients.admin(settings) as admin:
        admin.create_topics({"secret": {"num_partitions": 1}})
    with clients.producer(settings) as producer:
        producer.send("secret", b"value").get(10)
    with clients.reader(settings, ["secret"], from_beginning=True) as reader:
        assert next(iter(reader)).value == b"value"


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_broker):
    message = refusal(brokers=tls_broker, security_protocol="SSL")
    assert "CERTIFICATE_VERIFY_FAILED" in message
    assert "EVENTWIRE_SSL_CA_FILE is unset" in message


def test_a_locked_key_without_its_password_is_told_and_not_asked_for(certificate):
    with pytest.raises(BrokerError, match=r"^EVENTWIRE_SSL_CERT_FILE, EVENTWIRE_SSL_KEY_FILE: "):
        ssl_context(
            Settings(
                security_protocol="SSL",
                ssl_cert_file=certificate / "cert.pem",
                ssl_key_file=certificate / "locked.pem",
            )
        )


def test_kafkas_logger_is_as_before_when_two_threads_have_listened_to_it() -> None:
    logger = logging.getLogger("kafka")
    before = logger.level, logger.propagate, logger.handlers[:]
    one, other = clients._hidden_failures(), clients._hidden_failures()
    with one as heard:
        other.__enter__()
        logger.warning("refused: %s", ValueError("x"))
    assert [str(failure) for failure in heard] == ["x"]
    assert not logger.propagate
    other.__exit__(None, None, None)
    assert (logger.level, logger.propagate, logger.handlers) == before
