"""The coder's child process: real processes, a coder without a model."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from conftest import PYTHONPATH

from eventwire.models.records import Article, Coding, Stats
from eventwire.streams.inference import (
    CoderFailed,
    CoderProcess,
    Failure,
    _difference,
)

NewCoder = Callable[..., CoderProcess]


@pytest.fixture
async def new_coder(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NewCoder]:
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    coders = []

    def new(function: str = "load", *, timeout: float = 10.0, **options: object) -> CoderProcess:
        coders.append(
            CoderProcess(
                f"fakes.fake_coder:{function}", options, start_timeout=20.0, timeout=timeout
            )
        )
        return coders[-1]

    yield new
    for coder in coders:
        await coder.stop()


def articles(*texts: str) -> list[Article]:
    return [Article(id=f"a{n}", text=text) for n, text in enumerate(texts)]


def outcomes(results: list[Coding | Failure]) -> list[str]:
    return [r.reason if isinstance(r, Failure) else r.outcome for r in results]


async def test_codings_come_back_in_order_with_what_they_cost(new_coder: NewCoder) -> None:
    coder = new_coder(model="7")
    await coder.start()
    coded = await coder.code(articles("They met.", "It rained.", "They captured it."), 0.1)
    assert outcomes(coded.results) == ["coded", "no_event", "coded"]
    assert [r.article_id for r in coded.results] == ["a0", "a1", "a2"]
    assert coded.spent.articles == 3  # the article of the warm-up is not among them
    assert coder.model.version == "7"
    assert (coder.ready.device, coder.ready.precision) == ("cpu", "float32")
    assert coder.ready.reference is None


async def test_a_batch_with_poison_costs_that_article_alone(new_coder: NewCoder) -> None:
    coder = new_coder()
    await coder.start()
    coded = await coder.code(articles("They met.", "KILL", "They met."), 0.1)
    assert outcomes(coded.results) == ["coded", "coder_crash", "coded"]
    assert isinstance(coded.results[1], Failure)
    assert coded.results[1].message == "the coder died: killed by SIGKILL"


async def test_an_article_alone_gets_a_second_attempt(new_coder: NewCoder) -> None:
    restarts = 0

    def count() -> None:
        nonlocal restarts
        restarts += 1

    coder = new_coder()
    coder._on_restart = count
    await coder.start()
    coded = await coder.code(articles("KILL"), 0.1)
    assert outcomes(coded.results) == ["coder_crash"]
    assert restarts == 1


async def test_a_batch_that_raises_is_coded_article_by_article(new_coder: NewCoder) -> None:
    coder = new_coder()
    await coder.start()
    coded = await coder.code(articles("They met.", "RAISE", "They met."), 0.1)
    assert outcomes(coded.results) == ["coded", "coder_error", "coded"]
    assert isinstance(coded.results[1], Failure)
    assert coded.results[1].message == ("the coder raised RuntimeError: cannot allocate 42 tensors")


async def test_a_frozen_coder_is_killed_at_the_batchs_deadline(new_coder: NewCoder) -> None:
    coder = new_coder(timeout=0.4)
    await coder.start()
    began = time.monotonic()
    coded = await coder.code(articles("FREEZE", "They met."), 0.01)
    assert outcomes(coded.results) == ["coder_crash", "coded"]
    assert time.monotonic() - began < 30


async def test_a_coder_killed_between_batches_is_replaced(new_coder: NewCoder) -> None:
    coder = new_coder()
    await coder.start()
    assert coder.pid
    os.kill(coder.pid, signal.SIGKILL)
    coded = await coder.code(articles("They met."), 0.1)
    assert outcomes(coded.results) == ["coded"]


async def test_a_batch_of_megabytes_crosses(new_coder: NewCoder) -> None:
    coder = new_coder()
    await coder.start()
    coded = await coder.code(articles(*["It rained. " * 100_000] * 3), 1.0)
    assert outcomes(coded.results) == ["no_event"] * 3


async def test_what_the_coder_prints_does_not_reach_the_frames(new_coder: NewCoder) -> None:
    coder = new_coder()
    await coder.start()
    coded = await coder.code(articles("PRINT"), 0.1)
    assert outcomes(coded.results) == ["no_event"]


async def test_a_coder_that_cannot_be_made_is_told_in_one_line(new_coder: NewCoder) -> None:
    with pytest.raises(CoderFailed) as raised:
        await new_coder("fail").start()
    assert str(raised.value) == (
        "coder fakes.fake_coder:fail: model.safetensors: expected 24,117,248 bytes, got 134"
    )


async def test_a_coder_that_dies_while_loading_is_told_in_one_line(new_coder: NewCoder) -> None:
    with pytest.raises(CoderFailed, match=r"die: ended while loading \(killed by SIGKILL\)"):
        await new_coder("die").start()


async def test_a_coder_that_does_not_exist_is_told_in_one_line(new_coder: NewCoder) -> None:
    with pytest.raises(CoderFailed, match="no attribute 'nothing'"):
        await new_coder("nothing").start()


async def test_ctrl_c_and_sigterm_do_not_end_the_coder(new_coder: NewCoder) -> None:
    coder = new_coder()
    await coder.start()
    assert coder.pid
    os.kill(coder.pid, signal.SIGINT)
    os.kill(coder.pid, signal.SIGTERM)
    before = coder.pid
    coded = await coder.code(articles("They met."), 0.1)
    assert outcomes(coded.results) == ["coded"]
    assert coder.pid == before


async def test_the_coder_ends_with_its_pipe_in_the_middle_of_a_batch(new_coder: NewCoder) -> None:
    coder = new_coder()
    await coder.start()
    process = coder._process
    assert process is not None
    assert process.stdin is not None
    coding = asyncio.create_task(coder.code(articles("FREEZE"), 10.0))
    await asyncio.sleep(0.2)
    process.stdin.close()
    async with asyncio.timeout(5):
        await process.wait()
    coding.cancel()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a death")
def test_the_coder_dies_when_its_parent_is_killed() -> None:
    program = (
        "import asyncio\n"
        "from eventwire.streams.inference import CoderProcess\n"
        "from eventwire.models.records import Article\n"
        "async def main():\n"
        "    coder = CoderProcess('fakes.fake_coder:load', {}, start_timeout=20, timeout=20)\n"
        "    await coder.start()\n"
        "    print(coder.pid, flush=True)\n"
        "    await coder.code([Article(id='a', text='FREEZE')], 1)\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if ") Z " in Path(f"/proc/{pid}/stat").read_text():
            break
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{pid}").exists()


def test_the_cost_of_a_batch_is_the_difference_of_totals() -> None:
    before = Stats(articles=1, sentences=2, tokens=3, padded_tokens=4, seconds={"encode": 1.0})
    after = Stats(
        articles=2, sentences=4, tokens=6, padded_tokens=8, seconds={"encode": 1.5, "spans": 0.25}
    )
    assert _difference(after, before) == Stats(
        articles=1, sentences=2, tokens=3, padded_tokens=4, seconds={"encode": 0.5, "spans": 0.25}
    )
