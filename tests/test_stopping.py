"""Signals that wait where an exception would do harm."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from eventwire.streams import clients
from eventwire.streams.settings import Settings
from eventwire.streams.stopping import held, signals
from eventwire.streams.topics import create_missing, topics


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def interrupted(times=1, inner=nullcontext, error=None):
    """What was done, where `times` interruptions come to what is held."""
    done = []

    def work():
        with held():
            with inner():
                for number in range(times):
                    interrupt()
                    done.append(number)
            done.append("rest")
            if error:
                raise error
        done.append("after")

    with pytest.raises(KeyboardInterrupt) as raised:
        work()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return done, raised.value


def test_a_signal_waits_for_the_end():
    assert interrupted()[0] == [0, "rest"]


def test_a_second_one_does_not():
    assert interrupted(times=3)[0] == [0]


def test_it_waits_for_the_outermost_end():
    assert interrupted(inner=held)[0] == [0, "rest"]


def test_an_error_and_a_signal_end_as_the_signal():
    error = ValueError()
    done, raised = interrupted(error=error)
    assert (done, raised.__context__) == ([0, "rest"], error)


def test_what_was_ignored_still_is():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with held():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_who_only_wants_to_be_told_is_told_at_once():
    with signals() as stopping, held():
        interrupt()
        assert stopping.signal == signal.SIGINT


def test_other_threads_take_no_signals():
    def work():
        with held():
            return "done"

    with ThreadPoolExecutor() as pool:
        assert pool.submit(work).result() == "done"


def test_kafka_python_is_not_interrupted(broker):
    """What a handler raised ended in its event loop, or left a lock taken, in one case of fifty: a
    demo, or a tail, went on as if nobody had pressed Ctrl-C."""
    local = Settings(brokers=broker.address, connect_timeout=3)
    create_missing(local)
    topic = topics(local).events.name

    def until_interrupted(milliseconds):
        threading.Timer(milliseconds / 1000, interrupt).start()
        with clients.producer(local) as producer:
            producer.partitions_for(topic)
            with clients.reader(local, [topic], from_beginning=True) as consumer:
                while time.monotonic() < began + 5:
                    consumer.poll(timeout_ms=20)

    for milliseconds in range(0, 60, 2):
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            until_interrupted(milliseconds)
        assert time.monotonic() < began + 3
