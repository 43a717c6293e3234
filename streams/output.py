"""Where results go: stdout, or a file that is replaced only when all of them are in it."""

import io
import os
import re
import secrets
import select
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from eventwire.streams.settings import SettingsError

DASH = "-"
"""stdout as an output, stdin as a feed."""

_DESCRIPTORS = {DASH: 1, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")


class _Named(io.FileIO):
    """A file that says in every error which one it is."""

    def __init__(self, file: Path | int, mode: str, said: str, *, closefd: bool = True) -> None:
        super().__init__(file, mode, closefd)
        self._said = said

    def write(self, data: Any) -> int:
        with self._naming():
            return super().write(data)

    def to_disk(self) -> None:
        with self._naming():
            os.fsync(self.fileno())

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = self._said
            raise


@contextmanager
def open_output(path: str | None, *, feed: str | None = None) -> Iterator[BinaryIO]:
    """A file for the results of `feed`; stdout for None and `-`.

    What was in a file stays there until the block has ended without an error. What is no regular
    file (a pipe, a device) is written as the results come. Raises SettingsError, before anything
    is changed, if it cannot be written, or is the feed itself.
    """
    path = DASH if path is None else path
    descriptor = _descriptor(path)
    if descriptor == 1:
        _refuse_the_feed(path, os.fstat(1), feed)
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    try:
        there = Path(path).stat() if descriptor is None else os.fstat(descriptor)
    except FileNotFoundError:
        there = None
    except OSError as error:
        raise _unwritable(path, error) from error
    _refuse_the_feed(path, there, feed)
    if descriptor is None and (there is None or stat.S_ISREG(there.st_mode)):
        with _replaced(path, exists=there is not None) as out:
            yield out
    else:
        with _written_directly(path, descriptor) as out:
            yield out


def expect_folder(option: str, path: Path) -> None:
    """Raises SettingsError where there is no folder and none can be made, or nothing in it."""
    there = path
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise SettingsError(f"{option} {path}: expected a folder, got the file {there}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise SettingsError(f"{option} {path}: cannot write in {there}")


def stdout() -> TextIO:
    """sys.stdout for a command: errors name it, and a letter that it lacks is spelt out."""
    if sys.stdout is not sys.__stdout__:  # somebody's own
        return sys.stdout
    raw = _Named(1, "wb", "stdout", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(sys.stdout, "encoding", None),
        errors="backslashreplace",
        line_buffering=raw.isatty(),
        write_through=getattr(sys.stdout, "write_through", False),
    )


def expect_reader() -> None:
    """Raises BrokenPipeError where stdout is a pipe that nobody reads any more."""
    if not hasattr(select, "poll"):  # Windows
        return
    poll = select.poll()
    poll.register(1, 0)  # errors are told unasked
    if any(found & select.POLLERR for _, found in poll.poll(0)):
        raise BrokenPipeError


def drop(results: TextIO) -> None:
    """What an error has left in its buffer: it would fail again when Python ends."""
    if results is sys.stdout:  # somebody's own
        return
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), results.fileno())


def occupy_closed_descriptors() -> None:
    """Of stdin, stdout and stderr, as with `>&-`: a feed that was opened as one of them would get
    what is written there. What is written now fails."""
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) < 3:
        pass
    os.close(descriptor)


def _descriptor(path: str) -> int | None:
    if match := _DESCRIPTOR.fullmatch(path):
        return int(match[1])
    return _DESCRIPTORS.get(path)


def _refuse_the_feed(path: str, there: os.stat_result | None, feed: str | None) -> None:
    if feed is None or there is None or not stat.S_ISREG(there.st_mode):
        return
    with suppress(OSError):
        if os.path.samestat(there, os.fstat(0) if feed == DASH else Path(feed).stat()):
            said = "stdout" if path == DASH else f"-o {path}"
            raise SettingsError(f"{said}: expected another file than the feed")


@contextmanager
def _written_directly(path: str, descriptor: int | None) -> Iterator[BinaryIO]:
    try:
        raw = _Named(Path(path) if descriptor is None else os.dup(descriptor), "wb", path)
    except OSError as error:
        raise _unwritable(path, error) from error
    with io.BufferedWriter(raw) as out:
        yield out


@contextmanager
def _replaced(path: str, *, exists: bool) -> Iterator[BinaryIO]:
    if not path or path.endswith(os.sep):
        raise SettingsError(f"-o {path!r}: expected the name of a file")
    target = Path(os.path.realpath(path))  # a link stays one
    name = f".eventwire-{secrets.token_hex(8)}"
    places = [target.parent / name]
    if exists:  # a file that may be written can be in a folder that takes no other
        places.append(Path(tempfile.gettempdir()) / name)
    try:  # a signal can come as soon as there is a file
        raw = _new(places, path, target if exists else None)
        with io.BufferedWriter(raw) as out:
            yield out
            out.flush()
            raw.to_disk()
        _move(Path(os.fsdecode(raw.name)), target)
    finally:
        for place in places:
            with suppress(OSError):
                place.unlink()


def _new(places: Sequence[Path], said: str, like: Path | None) -> _Named:
    """A file at the first of the places that takes one, with the rights of `like`."""
    try:
        if like is None:
            return _Named(places[0], "xb", said)
        with like.open("r+b"):  # raises where it may not be written
            pass
        try:
            raw = _Named(places[0], "xb", said)
        except OSError:
            raw = _Named(places[1], "xb", said)
    except OSError as error:
        raise _unwritable(said, error) from error
    shutil.copymode(like, os.fsdecode(raw.name))
    with suppress(OSError, AttributeError):  # who may not, or on Windows
        owner = like.stat()
        os.fchown(raw.fileno(), owner.st_uid, owner.st_gid)
    return raw


def _move(made: Path, target: Path) -> None:
    try:
        made.replace(target)
    except OSError:
        # It is in a folder where we may not, or a mount of its own, as single files in containers.
        with made.open("rb") as results, target.open("r+b") as file:
            shutil.copyfileobj(results, file)
            file.truncate()


def _unwritable(path: str, error: OSError) -> SettingsError:
    return SettingsError(f"-o {path}: cannot write there: {error.strerror}")
