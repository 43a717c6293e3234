"""TLS, passwords and permissions on Apache Kafka, for the worker and for the tools."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import TESTS, Room, WorkerProcess, no_broker
from kafka_cluster import Cluster

from eventwire.streams.apache_kafka import JVM_OPTIONS, Installation
from eventwire.streams.settings import Settings

NewWorker = Callable[..., WorkerProcess]
Secure = Callable[..., dict[str, str]]

DOCS = TESTS.parent / "docs" / "security.md"

USERS = ("worker", "sender", "reader", "nobody")
PASSWORD = "correct horse"
SEEN = "seen-and-not-read"
"""A group that the worker may describe, as monitoring may, and nothing more."""
ARTICLES = (
    '{"id": "a1", "text": "The ministers met. The rebels captured a port."}',
    '{"id": "a2", "text": ""}',
)


class Certificates(NamedTuple):
    authority: Path
    """What clients have to trust."""
    broker: Path
    """Key and certificate, for 127.0.0.1."""
    stranger: Path
    """Another authority."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        no_broker("needs openssl, to make certificates")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(arguments: str) -> None:
        new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        command = ["openssl", *new.split(), *arguments.split()]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    openssl("-subj /CN=authority -keyout authority.key -out authority.pem")
    openssl("-subj /CN=stranger -keyout stranger.key -out stranger.pem")
    openssl(
        "-subj /CN=broker -CA authority.pem -CAkey authority.key -keyout broker.key"
        " -out broker.crt -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE"
    )
    both = (folder / "broker.key").read_text() + (folder / "broker.crt").read_text()
    (folder / "broker.pem").write_text(both)
    return Certificates(*(folder / f"{name}.pem" for name in ("authority", "broker", "stranger")))


@pytest.fixture(scope="module")
def guarded(new_kafka: Callable[..., Cluster], certificates: Certificates) -> Cluster:
    """A broker that lets in by TLS and password, and lets everyone do what docs/security.md says.

    Its PLAINTEXT listener is for the tests alone: who comes that way may do all.
    """
    users = [
        option
        for user in USERS
        for option in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={PASSWORD}]")
    ]
    return new_kafka(
        listeners=["SASL_SSL"],
        format_options=users,
        properties={
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.broker),
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        },
    )


@pytest.fixture(scope="module")
def room(guarded: Cluster, kafka_installation: Installation) -> Iterator[Room]:
    settings = Settings(
        brokers=guarded.address,
        partitions=2,
        coder="fakes.fake_coder:load",
        session_timeout=3.0,
        heartbeat=0.8,
    )
    shared = Room(settings)
    grant(guarded, kafka_installation)
    yield shared
    shared.close()


@pytest.fixture
def secure(
    guarded: Cluster, room: Room, certificates: Certificates, tmp_path: Path
) -> Callable[..., dict[str, str]]:
    """Makes the variables of a user who comes by TLS and password; others may replace them."""
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")

    def variables(user: str, **others: str) -> dict[str, str]:
        return {
            "EVENTWIRE_BROKERS": guarded.address_of("SASL_SSL"),
            "EVENTWIRE_SECURITY_PROTOCOL": "SASL_SSL",
            "EVENTWIRE_SSL_CA_FILE": str(certificates.authority),
            "EVENTWIRE_SASL_USER": user,
            "EVENTWIRE_SASL_PASSWORD_FILE": str(password),
        } | others

    return variables


@pytest.fixture
def feed(tmp_path: Path) -> str:
    path = tmp_path / "feed.jsonl"
    path.write_text("\n".join(ARTICLES))
    return str(path)


def grant(cluster: Cluster, kafka: Installation) -> None:
    """Run the commands of docs/security.md, as they stand there."""
    commands = re.findall(r"^kafka-acls (.*(?<!\\)$)", DOCS.read_text().replace("\\\n", ""), re.M)
    assert len(commands) == 7
    describe = "--operation Describe --group"
    commands.append(
        f"--bootstrap-server $KAFKA --add --allow-principal User:worker {describe} {SEEN}"
    )
    classes = ("-cp", kafka.jars / "*", "org.apache.kafka.tools.AclCommand")
    tool = [kafka.java, *JVM_OPTIONS, *classes]
    running = [
        subprocess.Popen(
            [*tool, *shlex.split(command.replace("$KAFKA", cluster.address))],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for command in commands
    ]
    for process in running:
        said, _ = process.communicate()
        assert process.returncode == 0, said


class Tool:
    """An `eventwire` command in a process of its own."""

    def __init__(self, variables: dict[str, str], *arguments: str) -> None:
        clean = {n: v for n, v in os.environ.items() if not n.startswith("EVENTWIRE_")}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "eventwire.streams.cli", *arguments],
            env=clean | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> tuple[int, str, str]:
        out, errors = self.process.communicate(timeout=60)
        return self.process.returncode, out, errors

    def refusal(self) -> str:
        """The one line of an end without success."""
        status, out, errors = self.finish()
        assert (status, out) == (1, ""), errors
        [line] = errors.splitlines()
        return line


def test_the_whole_path_runs_with_tls_a_password_and_the_permissions_of_the_documentation(
    secure: Secure, room: Room, new_worker: NewWorker, feed: str
) -> None:
    worker = new_worker(room, **secure("worker"))
    status, topics, errors = Tool(secure("worker"), "topics").finish()
    assert status == 0, errors
    assert len(topics.splitlines()) == len(list(room.topics))
    status, _, errors = Tool(secure("sender"), "replay", feed).finish()
    assert status == 0, errors
    room.wait(lambda: len(room.ledger()) == 2, 60, "both articles")
    assert {record.outcome for record in room.ledger().values()} == {"coded", "dead_letter"}
    assert worker.process.poll() is None

    tail = Tool(secure("reader"), "tail", "--from-beginning", "--json")
    assert tail.process.stdout is not None
    shown = [json.loads(tail.process.stdout.readline()) for _ in range(2)]
    tail.process.terminate()
    tail.finish()
    assert {event["event_type"] for event in shown} == {"meeting", "capture"}
    assert PASSWORD not in worker.logged


def test_a_wrong_password_is_told_in_one_line_and_at_once_by_the_worker_and_by_every_tool(
    secure: Secure, room: Room, new_worker: NewWorker, feed: str
) -> None:
    password = "battery staple"
    wrong = secure("worker", EVENTWIRE_SASL_PASSWORD=password, EVENTWIRE_CONNECT_TIMEOUT="600")
    del wrong["EVENTWIRE_SASL_PASSWORD_FILE"]
    for line in refusals(wrong, room, new_worker, feed):
        assert "did not let user 'worker' in (EVENTWIRE_SASL_USER, EVENTWIRE_SASL_PASSWORD," in line
        assert password not in line


def test_a_broker_that_nobody_trusted_vouches_for_is_told_in_one_line_by_all_of_them(
    secure: Secure, room: Room, new_worker: NewWorker, feed: str, certificates: Certificates
) -> None:
    deceived = secure("worker", EVENTWIRE_SSL_CA_FILE=str(certificates.stranger))
    for line in refusals(deceived, room, new_worker, feed):
        assert "CERTIFICATE_VERIFY_FAILED" in line
        assert f"EVENTWIRE_SSL_CA_FILE is {certificates.stranger}" in line


def refusals(
    variables: dict[str, str], room: Room, new_worker: NewWorker, feed: str
) -> Iterator[str]:
    worker = new_worker(room, **variables)
    tools = [
        Tool(variables, *command)
        for command in (["topics"], ["replay", feed], ["tail"], ["export", "--format", "csv"])
    ]
    for tool in tools:
        yield tool.refusal()
    yield worker_refusal(worker)


def worker_refusal(worker: WorkerProcess) -> str:
    assert worker.wait(60) == 1, worker.logged
    [_, line] = worker.logged.splitlines()  # the first tells the HTTP port
    assert " ERROR " in line
    return line


def test_a_permission_that_is_missing_is_told_in_one_line(
    secure: Secure, room: Room, new_worker: NewWorker, feed: str
) -> None:
    """Without Read on its group a worker once waited for ever and said nothing."""
    stranger = new_worker(room, **secure("nobody"))
    elsewhere = new_worker(room, **secure("worker", EVENTWIRE_GROUP="others"))
    onlooker = new_worker(room, **secure("worker", EVENTWIRE_GROUP=SEEN))
    unseen = Tool(secure("sender"), "tail")
    unread = Tool(secure("worker"), "tail", "--from-beginning")
    unwritten = Tool(secure("worker"), "replay", feed)
    permissions = ": docs/security.md lists the permissions that eventwire needs"

    line = worker_refusal(stranger)
    assert line.endswith(
        f" does not let user 'nobody' see or create topic news.articles.v1{permissions}"
    )
    for worker, group in ((elsewhere, "others"), (onlooker, SEEN)):
        line = worker_refusal(worker)
        assert line.endswith(f" does not let user 'worker' read as group {group}{permissions}")
    assert "or user 'sender' may not see it" in unseen.refusal()
    line = unread.refusal()
    assert line.endswith(f" does not let user 'worker' read politics.events.v1{permissions}")
    assert "TopicAuthorizationFailedError: news.articles.v1" in unwritten.refusal()
