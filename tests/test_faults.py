"""Faults of workers and of the coder, each in its short form: `make soak` has the long ones.

What must hold in all of them: no event is lost, none stands that should not, and each message has
its record in the ledger. See faults.py for how it is counted.
"""

import random
import signal
from collections.abc import Callable

import fault_stories as stories
from conftest import AnyBroker, Room, WorkerProcess
from fakes import dying_worker
from faults import QUICK, Trial, article

NewWorker = Callable[..., WorkerProcess]
Record = Callable[[str, object], None]


MOMENTS = ("amid the events", "before the ledger", "before committing")
"""Of those of dying_worker.py, where it leaves most to be repeated."""


def test_workers_killed_at_random_moments_lose_nothing(
    broker: AnyBroker, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(broker, "kills", record_property)
    seed = random.randrange(10**6)
    with trial.fed():
        stories.kill_at_random(trial, new_worker, 3, seed)
        last = stories.start(trial, new_worker)
    trial.finish(last)
    assert trial.count(f"3 SIGKILLs at random moments, seed {seed}").wrong == 0


def test_a_worker_killed_between_any_two_steps_of_a_batch_loses_nothing(
    broker: AnyBroker, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(broker, "moments", record_property)
    with trial.fed():
        for moment in MOMENTS:
            worker = new_worker(trial, program=dying_worker.program(moment), **QUICK)
            assert worker.wait(stories.START_SECONDS) == -signal.SIGKILL, worker.logged
        last = stories.start(trial, new_worker)
    trial.finish(last)
    count = trial.count(f"killed {', '.join(MOMENTS)}")
    assert count.wrong == 0
    # So it was killed amid them, and what it had written was written again, to the same ids.
    assert count.repeated > 0
    assert count.recorded_again > 0


def test_a_worker_told_to_stop_under_load_ends_in_time_and_nothing_is_repeated(
    broker: AnyBroker, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(broker, "sigterms", record_property)
    with trial.fed():
        stories.stop_under_load(trial, new_worker, 1)
        last = stories.start(trial, new_worker)
    trial.finish(last)
    count = trial.count("1 SIGTERM under load")
    assert (count.wrong, count.repeated, count.recorded_again) == (0, 0, 0)


def test_workers_that_join_and_leave_lose_nothing_and_repeat_nothing(
    broker: AnyBroker, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(broker, "joining", record_property, partitions=4)
    with trial.fed():
        last = stories.join_and_leave(trial, new_worker, 1)
    trial.finish(last)
    count = trial.count("two workers join a third, two leave")
    assert (count.wrong, count.repeated, count.recorded_again) == (0, 0, 0)


def test_a_worker_that_stands_still_for_longer_than_its_session_loses_nothing(
    broker: AnyBroker, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(broker, "stalled", record_property)
    with trial.fed():
        pair = stories.stall(trial, new_worker, 1)
    trial.finish(*pair)
    assert trial.count("1 SIGSTOP for longer than the session").wrong == 0


def test_a_worker_that_wakes_up_late_does_not_bring_back_what_was_corrected_meanwhile(
    new_room: Callable[..., Room], new_worker: NewWorker
) -> None:
    room = new_room("late", partitions=1)
    late = stories.start(room, new_worker)
    old = room.send_article("a", "LONG. They met. They captured it.")
    late.wait_for_log("read 0 records")
    late.signal(signal.SIGSTOP)
    try:
        room.read(500)
        assert old not in room.ledger()  # the coder is at it
        new = room.send_article("a", "They met. They denied it.")
        stories.start(room, new_worker)
        assert room.ledger_of(new, stories.START_SECONDS).outcome == "coded"
        standing = room.events()
        given = late.logged.count("given partitions")
    finally:
        late.signal(signal.SIGCONT)
    stories.until_given(late, given)
    room.ledger_of(room.send_article("b", "It rained."), stories.START_SECONDS)
    assert room.events() == standing
    assert [event["event_type"] for event in standing.values()] == ["meeting", "denial"]
    assert "silent for longer than its session (EVENTWIRE_SESSION_TIMEOUT): " in late.logged


def test_an_article_that_kills_the_coder_is_tried_twice_and_costs_no_other(
    broker: AnyBroker, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(broker, "poison", record_property, partitions=1)
    batch = trial.articles(5)
    trial.send([*batch[:3], article("poison", "They met. KILL"), *batch[3:]])
    worker = stories.start(trial, new_worker)
    trial.finish(worker)
    trial.send(trial.articles(5))
    trial.finish(worker)
    assert trial.count("poison that kills the coder", dead=["poison"]).wrong == 0
    assert "a batch of 6 articles failed (killed by SIGKILL): one by one" in worker.logged
    # Once with its batch, once alone: and each time the next ones find a new coder.
    assert worker.metric("eventwire_coder_restarts_total") == 2
    assert worker.metric('eventwire_dead_letters_total{reason="coder_crash"}') == 1


def test_a_coder_that_raises_on_a_batch_is_given_its_articles_one_by_one(
    broker: AnyBroker, new_worker: NewWorker, record_property: Record
) -> None:
    trial = Trial(broker, "raising", record_property, partitions=1)
    batch = trial.articles(5)
    crowd = article("crowd", "They met. CROWD")  # raises unless it is alone
    trial.send([*batch[:3], crowd, article("raising", "They met. RAISE"), *batch[3:]])
    worker = stories.start(trial, new_worker)
    trial.finish(worker)
    assert trial.count("a coder that raises on a batch", dead=["raising"]).wrong == 0
    assert "a batch of 7 articles failed (RuntimeError: too many at once)" in worker.logged
    assert worker.metric("eventwire_coder_restarts_total") == 0
    assert worker.metric('eventwire_dead_letters_total{reason="coder_error"}') == 1
