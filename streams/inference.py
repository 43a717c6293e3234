"""The coder in a process of its own, and the worker's end of the line to it.

While the child computes, the worker's event loop is free; a native crash or an out-of-memory kill
costs a batch and not the worker; and the worker never imports what the model needs. Batches cross
as frames of msgpack, a length of four bytes before each, on the pipes that were the child's stdin
and stdout; what libraries print there goes to stderr.
"""

import asyncio
import contextlib
import ctypes
import importlib
import json
import logging
import os
import queue
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import msgspec

from eventwire.models.drift import Profile
from eventwire.models.records import Article, Coding, ModelRef, Stats
from eventwire.models.seam import Coder
from eventwire.streams import logs
from eventwire.streams.settings import PREFIX, Settings

log = logging.getLogger(__name__)

WARM_UP = Article(
    id="warm-up",
    text="The foreign minister met the ambassador in Geneva on Monday. Talks go on, he said.",
)
RESTARTS = 3
"""Attempts to bring the coder back before the worker gives up; a second apart, then two."""
TIMES_ESTIMATE = 10
"""A batch may take that many times its estimate, and the timeout on top, before it is killed."""


# ------------------------------------------------------------------------------- the messages


class Ready(msgspec.Struct, tag=True):
    model: ModelRef
    device: str
    precision: str
    reference: Profile | None
    """What drift is measured against."""
    seconds: float
    """To load and warm up."""


class Fatal(msgspec.Struct, tag=True):
    """The coder cannot be made; one line."""

    message: str


class Request(msgspec.Struct, tag=True):
    number: int
    articles: list[Article]


class Done(msgspec.Struct, tag=True):
    number: int
    codings: list[Coding]
    spent: Stats
    """By this request alone."""


class Raised(msgspec.Struct, tag=True):
    """The coder raised on the whole batch."""

    number: int
    error: str


_encode = msgspec.msgpack.Encoder().encode
_LENGTH = struct.Struct(">I")

# ---------------------------------------------------------------------------- the worker's end


class CoderFailed(Exception):  # noqa: N818
    """There is no coder and there will be none; one line."""


class _Died(Exception):  # noqa: N818
    """The child ended, or was ended for taking too long."""


class _BatchRaised(Exception):  # noqa: N818
    pass


@dataclass(frozen=True)
class Failure:
    """Why one article has no coding."""

    article_id: str
    reason: Literal["coder_crash", "coder_error"]
    message: str


@dataclass(frozen=True)
class Coded:
    """What became of a batch: one result for each article, in their order."""

    results: list[Coding | Failure]
    spent: Stats
    seconds: float


class CoderProcess:
    """Codes batches in a child process, one at a time, and replaces the child when it dies."""

    def __init__(
        self,
        coder: str,
        options: dict[str, Any],
        *,
        start_timeout: float,
        timeout: float,
        logging_settings: Mapping[str, str] | None = None,
        on_restart: Callable[[], None] = lambda: None,
    ) -> None:
        """`coder` is `module:function`, called with `options` as keywords in the child; `timeout`
        is what a batch may take beyond `TIMES_ESTIMATE` times its estimate. Seconds. The child
        logs as `logging_settings`, a part of `settings.Settings`, say."""
        self._coder = coder
        self._options = options
        self._start_timeout = start_timeout
        self._timeout = timeout
        self._logging = dict(logging_settings or {})
        self._on_restart = on_restart
        self._process: asyncio.subprocess.Process | None = None
        self._number = 0
        self._ready: Ready | None = None

    @property
    def ready(self) -> Ready:
        """What the child said of itself when it was ready."""
        if self._ready is None:
            raise CoderFailed("the coder was not started")
        return self._ready

    @property
    def model(self) -> ModelRef:
        return self.ready.model

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Returns when the model is loaded and has coded an article; raises CoderFailed."""
        configuration = {
            "coder": self._coder,
            "options": self._options,
            "parent": os.getpid(),
            "logging": self._logging,
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # whatever lies in the current folder, it is not what we import
            "-m",
            "eventwire.streams.inference",
            json.dumps(configuration),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_without_settings(os.environ),
        )
        try:
            async with asyncio.timeout(self._start_timeout):
                answer = await self._receive(Ready | Fatal)
        except TimeoutError:
            await self.stop()
            raise CoderFailed(
                f"coder {self._coder}: expected it to load within {self._start_timeout:g} s"
            ) from None
        except _Died as died:
            await self.stop()
            raise CoderFailed(f"coder {self._coder}: ended while loading ({died})") from None
        if isinstance(answer, Fatal):
            await self.stop()
            raise CoderFailed(f"coder {self._coder}: {answer.message}")
        self._ready = answer
        log.info(
            "coder ready in %.1f s: %s %s", answer.seconds, answer.model.name, answer.model.version
        )

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()  # it holds nothing that would have to be closed
        await process.wait()

    async def code(self, articles: Sequence[Article], estimate: float) -> Coded:
        """Never raises for an article: one that the coder fails on, alone, gets a Failure.

        `estimate` is in seconds. Raises CoderFailed where a child that died cannot be replaced.
        """
        began = time.monotonic()
        try:
            done = await self._exchange(articles, estimate)
        except (_Died, _BatchRaised) as trouble:
            log.warning("a batch of %d articles failed (%s): one by one", len(articles), trouble)
            # Whoever was there when the coder died is suspect; a second time, alone, is proof.
            deaths = int(isinstance(trouble, _Died))
            spent, results = Stats(), []
            for article in articles:
                result, cost = await self._alone(article, estimate, deaths)
                results.append(result)
                spent.add(cost)
            return Coded(results, spent, time.monotonic() - began)
        return Coded(list(done.codings), done.spent, time.monotonic() - began)

    async def _alone(
        self, article: Article, estimate: float, deaths: int
    ) -> tuple[Coding | Failure, Stats]:
        while True:
            try:
                done = await self._exchange([article], estimate)
            except _Died as died:
                deaths += 1
                if deaths >= 2:
                    return Failure(article.id, "coder_crash", f"the coder died: {died}"), Stats()
            except _BatchRaised as raised:
                return Failure(article.id, "coder_error", f"the coder raised {raised}"), Stats()
            else:
                return done.codings[0], done.spent

    async def _exchange(self, articles: Sequence[Article], estimate: float) -> Done:
        if self._process is None:
            await self._restart()
        self._number += 1
        limit = self._timeout + TIMES_ESTIMATE * estimate
        try:
            async with asyncio.timeout(limit):
                await self._send(Request(self._number, list(articles)))
                answer: Done | Raised = await self._receive(Done | Raised)
        except TimeoutError:
            await self.stop()
            raise _Died(f"no answer within {limit:.0f} s, killed") from None
        except _Died:
            await self.stop()
            raise
        except asyncio.CancelledError:
            await self.stop()  # its answer would be taken for the next batch's
            raise
        if answer.number != self._number:
            await self.stop()
            raise _Died(f"expected answer {self._number}, got {answer.number}")
        if isinstance(answer, Raised):
            raise _BatchRaised(answer.error)
        if [coding.article_id for coding in answer.codings] != [a.id for a in articles]:
            raise _BatchRaised(
                f"expected {len(articles)} codings in the order of the articles, "
                f"got {len(answer.codings)}"
            )
        return answer

    async def _restart(self) -> None:
        for attempt in range(1, RESTARTS + 1):
            self._on_restart()
            try:
                await self.start()
            except CoderFailed as failed:
                if attempt == RESTARTS:
                    raise
                log.warning("%s; trying again", failed)
                await asyncio.sleep(attempt)
            else:
                return

    async def _send(self, message: Request) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        frame = _encode(message)
        try:
            self._process.stdin.write(_LENGTH.pack(len(frame)) + frame)
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise _Died(await self._how_it_ended()) from None

    async def _receive(self, kind: Any) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            (length,) = _LENGTH.unpack(await self._process.stdout.readexactly(_LENGTH.size))
            frame = await self._process.stdout.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            raise _Died(await self._how_it_ended()) from None
        try:
            return msgspec.msgpack.decode(frame, type=kind)
        except msgspec.MsgspecError as error:
            raise _Died(f"it answered something else: {error}") from None

    async def _how_it_ended(self) -> str:
        assert self._process is not None
        try:
            async with asyncio.timeout(5):
                status = await self._process.wait()
        except TimeoutError:
            return "closed its pipe"
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit {status}"


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The child gets its settings as arguments, and Kafka's passwords are not its business."""
    return {name: value for name, value in environment.items() if not name.startswith(PREFIX)}


# ------------------------------------------------------------------------------ the child's end


def main(configuration: dict[str, Any]) -> int:
    requests, replies = _take_pipes()
    logs.configure(Settings(**configuration["logging"]))
    _end_with(configuration["parent"])
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, waiting), daemon=True).start()
    began = time.monotonic()
    try:
        coder = _load(configuration["coder"], configuration["options"])
        coder.code([WARM_UP])
    except Exception as error:  # noqa: BLE001 - whatever it is, the worker tells its user
        _write(replies, Fatal(_one_line(error, named=False)))
        return 1
    seconds = time.monotonic() - began
    _write(replies, Ready(coder.model, coder.device, coder.precision, coder.reference, seconds))
    decode = msgspec.msgpack.Decoder(Request).decode
    while True:
        request = decode(waiting.get())
        before = _copy(coder.stats)
        try:
            codings = coder.code(request.articles)
        except Exception as error:
            log.exception("the coder raised on a batch of %d articles", len(request.articles))
            _write(replies, Raised(request.number, _one_line(error, named=True)))
        else:
            _write(replies, Done(request.number, codings, _difference(coder.stats, before)))


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for the frames; whatever prints to stdout writes to stderr from now on."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _end_with(parent: int) -> None:
    """End when the worker does, and only then: it may be waiting for the batch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # and a service manager all its processes
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:  # it died before
            os._exit(1)


def _read(requests: BinaryIO, waiting: "queue.SimpleQueue[bytes]") -> None:
    """Frames as they come; the end of the pipe is the end of the worker, and so of this process,
    in the middle of a batch too."""
    while len(length := requests.read(_LENGTH.size)) == _LENGTH.size:
        (size,) = _LENGTH.unpack(length)
        waiting.put(requests.read(size))
    os._exit(0)


def _load(path: str, options: dict[str, Any]) -> Coder:
    module, _, function = path.partition(":")
    if not (module and function):
        raise ValueError(f"expected module:function, got {path!r}")
    coder: Coder = getattr(importlib.import_module(module), function)(**options)
    return coder


def _write(replies: BinaryIO, message: msgspec.Struct) -> None:
    frame = _encode(message)
    replies.write(_LENGTH.pack(len(frame)) + frame)
    replies.flush()


def _one_line(error: Exception, *, named: bool) -> str:
    text = " ".join(str(error).split())[:500]
    return f"{type(error).__name__}: {text}" if named or not text else text


def _copy(stats: Stats) -> Stats:
    return msgspec.structs.replace(stats, seconds=dict(stats.seconds))


def _difference(after: Stats, before: Stats) -> Stats:
    return Stats(
        articles=after.articles - before.articles,
        sentences=after.sentences - before.sentences,
        tokens=after.tokens - before.tokens,
        padded_tokens=after.padded_tokens - before.padded_tokens,
        seconds={
            stage: seconds - before.seconds.get(stage, 0.0)
            for stage, seconds in after.seconds.items()
        },
    )


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
