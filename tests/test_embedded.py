import socket

import pytest

from eventwire.streams import clients, embedded
from eventwire.streams.clients import BrokerError
from eventwire.streams.embedded import EmbeddedBroker
from eventwire.streams.settings import Settings


def listens(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_broker_answers_while_it_runs_and_its_port_is_free_afterwards():
    with EmbeddedBroker() as broker:
        with clients.admin(Settings(brokers=broker.address)) as admin:
            assert admin.list_topics() == []
        assert broker.running
    assert not broker.running
    assert not listens(broker.port)


def test_two_brokers_have_nothing_in_common():
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        with clients.admin(Settings(brokers=one.address)) as admin:
            admin.create_topics({"only.here": {"num_partitions": 1}})
        with clients.admin(Settings(brokers=other.address)) as admin:
            assert admin.list_topics() == []


def test_only_this_machine_can_connect(broker):
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    others = [a for a in addresses if not a.startswith("127.") and ":" not in a]
    if not others:
        pytest.skip("this machine has no address but 127.0.0.1")
    assert not listens(broker.port, others[0])


def test_a_port_that_is_taken_is_told_with_the_option_that_changes_it():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError) as caught:
            EmbeddedBroker(port)
    assert str(caught.value) == (
        f"port {port} of 127.0.0.1: Address already in use;"
        " choose another with --port, 0 for any free one"
    )


def test_somebody_elses_broker_on_the_port_is_not_taken_for_ours(broker, monkeypatch):
    monkeypatch.setattr(embedded, "_available", lambda _: broker.port)
    with pytest.raises(BrokerError, match="another broker has just taken"):
        EmbeddedBroker(broker.port)


def test_a_platform_without_the_broker_is_pointed_to_docker(monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(embedded.platform, "system", lambda: "Windows")
    with pytest.raises(BrokerError, match=r"no embedded broker for Windows .*Docker .*compose"):
        EmbeddedBroker()
