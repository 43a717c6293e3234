"""A worker that kills itself at one exact moment of its third batch with events."""

import os
import signal
from collections.abc import Sequence
from typing import Any

from eventwire.streams import app, logs, settings, worker
from eventwire.streams.agent import Agent
from eventwire.streams.outputs import Record
from eventwire.streams.publisher import Publisher

MOMENTS = (
    "before the events",
    "amid the events",
    "before the ledger",
    "amid the ledger",
    "before acknowledging",
    "before committing",
)


def program(moment: str) -> str:
    """For `conftest.WorkerProcess`."""
    return f"from fakes import dying_worker; dying_worker.run({moment!r})"


def run(moment: str) -> int:
    assert moment in MOMENTS
    batches = 0

    def die(now: str) -> None:
        if moment == now and batches == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    class Dying(Publisher):
        async def publish(self, records: Sequence[Record]) -> None:
            nonlocal batches
            ledger = any(record.topic.endswith("news.codings.v1") for record in records)
            batches += bool(records) and not ledger  # a batch of duplicates has none
            what = "ledger" if ledger else "events"
            die(f"before the {what}")
            half = len(records) // 2
            await super().publish(records[:half])
            die(f"amid the {what}")
            await super().publish(records[half:])
            if ledger:
                die("before acknowledging")

    class DyingAgent(Agent):
        def _count(self, results: Any) -> None:
            die("before committing")
            super()._count(results)

    loaded = settings.load(os.environ)
    logs.configure(loaded)
    app.Publisher, app.Agent = Dying, DyingAgent  # type: ignore[misc]
    return worker.run_worker(loaded)
