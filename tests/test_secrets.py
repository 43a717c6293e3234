"""A password is in no log, metric, listing, exception or command line, however much is logged."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PYTHONPATH, Room, WorkerProcess, room_settings
from kafka_cluster import Cluster

NewWorker = Callable[..., WorkerProcess]

USER = "alice"
PASSWORD = "Tr0ub4dor&3'-unmistakable"
WRONG = "N0t-the-%s-{0}-one-unmistakable"
MECHANISMS = ("PLAIN", "SCRAM-SHA-512")


@pytest.fixture(scope="module")
def guarded(new_kafka: Callable[..., Cluster]) -> Cluster:
    """A broker that lets in by password: in the clear, as no one should, or by SCRAM."""
    return new_kafka(
        listeners=["SASL_PLAINTEXT"],
        format_options=["--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"],
        properties={
            "sasl.enabled.mechanisms": ",".join(MECHANISMS),
            "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
                "org.apache.kafka.common.security.plain.PlainLoginModule required"
                f' user_{USER}="{PASSWORD}";'
            ),
        },
    )


def login(cluster: Cluster, mechanism: str, password: str) -> dict[str, str]:
    return {
        "EVENTWIRE_BROKERS": cluster.address_of("SASL_PLAINTEXT"),
        "EVENTWIRE_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "EVENTWIRE_SASL_MECHANISM": mechanism,
        "EVENTWIRE_SASL_USER": USER,
        "EVENTWIRE_SASL_PASSWORD": password,
    }


def run(*arguments: str, **variables: str) -> str:
    """What a command says, on both streams."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVENTWIRE_")}
    done = subprocess.run(
        [sys.executable, "-m", "eventwire.streams.cli", *arguments],
        env=clean | {"PYTHONPATH": PYTHONPATH} | variables,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def shown(text: str, password: str) -> list[str]:
    """Places where the password stands, as it is or as programs write it."""
    forms = {
        password,
        repr(password)[1:-1],
        repr(password.encode())[2:-1],
        password.encode().hex(),
        base64.b64encode(password.encode()).decode().rstrip("="),
        base64.b64encode(f"\0{USER}\0{password}".encode()).decode().rstrip("="),
        "unmistakable",  # its end
    }
    return [
        text[max(0, found.start() - 100) : found.end() + 20]
        for form in forms
        for found in re.finditer(re.escape(form), text)
    ]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_worker_that_logs_everything_does_not_log_its_password(
    mechanism: str, guarded: Cluster, new_worker: NewWorker
) -> None:
    room = Room(room_settings(guarded, f"secret-{mechanism.lower()}", partitions=1))
    variables = login(guarded, mechanism, PASSWORD) | {"EVENTWIRE_LOG_LEVEL": "debug"}
    worker = new_worker(room, **variables)
    worker.wait_until_ready(90)
    assert room.ledger_of(room.send_article("a", "They met."), 60).outcome == "coded"
    room.close()
    environment = Path(f"/proc/{worker.coder_pid()}/environ").read_bytes().split(b"\0")
    assert any(variable.startswith(b"PYTHONPATH=") for variable in environment)
    assert [variable for variable in environment if variable.startswith(b"EVENTWIRE_")] == []
    said = worker.logged + worker.get("/metrics")[1] + worker.get("/health/ready")[1]
    for process in (worker.process.pid, worker.coder_pid()):
        said += Path(f"/proc/{process}/cmdline").read_text()
    assert "SaslHandshake" in said  # so much is logged that the login is
    assert shown(said, PASSWORD) == []


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("command", ["worker", "topics", "tail"])
def test_a_login_that_fails_is_told_without_the_password(
    command: str, mechanism: str, guarded: Cluster
) -> None:
    variables = login(guarded, mechanism, WRONG) | {
        "EVENTWIRE_CODER": "fakes.fake_coder:load",
        "EVENTWIRE_HTTP_PORT": "0" if command == "worker" else "9464",
    }
    said = run(command, "--debug", **variables)
    assert f"did not let user '{USER}' in" in said
    assert "Traceback" in said
    assert shown(said, WRONG) == []


def test_no_listing_shows_a_secret_nor_what_stands_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key-password"
    file.write_text(PASSWORD)
    variables = {
        "EVENTWIRE_SASL_PASSWORD": PASSWORD,
        "EVENTWIRE_SSL_KEY_PASSWORD_FILE": str(file),
    }
    for arguments in (["config"], ["config", "--json"], ["config", "--debug"]):
        said = run(*arguments, **variables)
        assert "********" in said
        assert f"EVENTWIRE_SSL_KEY_PASSWORD_FILE {file}" in said
        assert shown(said, PASSWORD) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", f"sasl_password={PASSWORD}"],
        ["--set", f"EVENTWIRE_SASL_PASSWORD={PASSWORD}"],
        ["--set", f"sasl_pasword={PASSWORD}"],
        ["--sasl-password", PASSWORD],
        [f"--sasl-password={PASSWORD}"],
    ],
)
def test_a_password_on_the_command_line_is_refused_without_repeating_it(
    arguments: list[str],
) -> None:
    said = run("config", *arguments)
    assert "see" in said or "unknown setting" in said
    assert shown(said, PASSWORD) == []
