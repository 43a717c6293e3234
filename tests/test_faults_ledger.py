"""The ledger gives the same answers whoever is asked: after a restart, on another worker, after a
kill, and with another model."""

import signal
from collections.abc import Callable

import fault_stories as stories
from conftest import Room, WorkerProcess
from fakes.fake_coder import FakeCoder

from eventwire.models.records import Article
from eventwire.streams.outputs import LedgerRecord

NewRoom = Callable[..., Room]
NewWorker = Callable[..., WorkerProcess]

SECONDS = 120.0
SAME = "They met. They captured it."
RECODE = [("eventwire-recode", b"true")]


class Desk:
    """Sends the same articles again and again, and corrections of others."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._corrections = 0
        self._first = {p: self._send(f"same-{p}", SAME, p) for p in (0, 1)}

    def check(self) -> None:
        self._corrections += 1
        for partition in (0, 1):
            again = self._send(f"same-{partition}", SAME, partition)
            assert (again.outcome, again.model) == ("duplicate", self._first[partition].model)
            assert again.event_ids == self._first[partition].event_ids
            # One event moves each time: so one comes, and one is taken back.
            text = f"They met. {'It rained. ' * self._corrections}They captured it."
            self._correct(f"fixed-{partition}", text, partition)

    def _correct(self, article_id: str, text: str, partition: int) -> None:
        coding = FakeCoder().coding(Article(id=article_id, text=text))
        ids = {event.event_id for event in coding.events}
        corrected = self._send(article_id, text, partition)
        assert (corrected.outcome, set(corrected.event_ids)) == ("coded", ids)
        captures = {event.event_id for event in coding.events if event.event_type == "capture"}
        self.room.wait(lambda: self._standing(article_id) == (ids, captures), SECONDS, article_id)

    def _standing(self, article_id: str) -> tuple[set[str], set[str]]:
        topics = self.room.topics
        events, captures = (
            {i for i, event in self.room.events(t).items() if event["article"]["id"] == article_id}
            for t in (topics.events.name, topics.routed["capture"].name)
        )
        return events, captures

    def _send(self, article_id: str, text: str, partition: int) -> LedgerRecord:
        position = self.room.send_article(article_id, text, partition=partition)
        return self.room.ledger_of(position, SECONDS)


def test_duplicates_and_corrections_are_known_to_whoever_has_the_partition(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    room = new_room("ledger-moves")
    first = stories.start(room, new_worker)
    desk = Desk(room)
    desk.check()

    first.signal(signal.SIGTERM)
    assert first.wait(60) == 0
    second = stories.start(room, new_worker)
    desk.check()
    desk.check()

    third = stories.start(room, new_worker)
    stories.until_given(second, 1)  # one partition is the other's now
    desk.check()

    given = third.logged.count("given partitions")
    second.signal(signal.SIGKILL)
    stories.until_given(third, given, "[0, 1]")
    desk.check()
    assert third.metric("eventwire_ledger_entries") == 4
    assert third.metric("eventwire_ledger_entries_limit") == 100_000
    assert {record.outcome for record in room.ledger().values()} == {"coded", "duplicate"}


def test_another_model_codes_again_where_a_replay_asks_for_it_and_only_once(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    room = new_room("ledger-models", partitions=1)
    first = stories.start(room, new_worker)
    coded = room.ledger_of(room.send_article("a", SAME), SECONDS)
    first.signal(signal.SIGTERM)
    assert first.wait(60) == 0

    stories.start(room, new_worker, EVENTWIRE_MODEL="2")
    headers: list[list[tuple[str, bytes]]] = [[], RECODE, RECODE, []]
    records = [
        room.ledger_of(room.send_article("a", SAME, headers=each), SECONDS) for each in headers
    ]
    assert [record.outcome for record in records] == [
        "duplicate",
        "coded",
        "duplicate",
        "duplicate",
    ]
    assert [r.model.version for r in records if r.model] == ["1", "2", "2", "2"]
    assert all(record.event_ids == coded.event_ids for record in records)
    assert {event["model"]["version"] for event in room.events().values()} == {"2"}


def test_what_has_fallen_out_of_the_memory_is_coded_again_to_the_same_ids(
    new_room: NewRoom, new_worker: NewWorker
) -> None:
    room = new_room("ledger-small", partitions=1)
    worker = stories.start(room, new_worker, EVENTWIRE_LEDGER_ENTRIES="3")
    coded = [room.ledger_of(room.send_article(f"a{n}", SAME), SECONDS) for n in range(5)]
    assert worker.metric("eventwire_ledger_entries") == 3
    assert worker.metric("eventwire_ledger_entries_limit") == 3
    standing = room.events()
    again = [room.ledger_of(room.send_article(f"a{n}", SAME), SECONDS) for n in (4, 0)]
    assert [record.outcome for record in again] == ["duplicate", "coded"]
    assert [record.event_ids for record in again] == [coded[4].event_ids, coded[0].event_ids]
    assert room.events() == standing
