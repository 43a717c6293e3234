"""The manifest of a replay: what was sent from which files to where, and how far it has come.

A file of JSON for every replay, written as the brokers acknowledge; `--resume` begins with it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from eventwire.streams.compressed import sha256
from eventwire.streams.feeds import STDIN, FeedError
from eventwire.streams.outputs import now
from eventwire.streams.settings import SettingsError

SAVED_SECONDS = 1.0
"""Between two savings. What was acknowledged since the last one is found on the topic."""

State = Literal["running", "finished", "interrupted", "failed"]


class Input(msgspec.Struct, kw_only=True):
    path: str
    """Absolute; - for stdin."""
    name: str
    bytes: int | None = None
    """As the file lies there; null for stdin and pipes, and so is the next."""
    sha256: str | None = None
    records: int = 0
    """How many are behind us: sent and acknowledged, or not to be sent."""
    blank: int = 0
    """Lines that were no record, once all are read."""
    complete: bool = False


class Offsets(msgspec.Struct):
    """Of a partition, what this replay has written there; others may have written between."""

    first: int
    last: int


class Dates(msgspec.Struct, kw_only=True):
    """When the articles that were sent say that they were published."""

    exact: int = 0
    without_zone: int = 0
    unknown: int = 0
    """Could be two days, or none; what the feed says was sent as it is."""
    none: int = 0
    implausible: int = 0
    """Of the first two: to come, or before there were wires."""
    first: str | None = None
    last: str | None = None


class Counts(msgspec.Struct, kw_only=True):
    """Every record is counted once, but for no_articles, which are also in sent."""

    sent: int = 0
    no_articles: int = 0
    """Sent all the same, to end as dead letters."""
    malformed: int = 0
    too_large: int = 0
    damaged: int = 0
    """Parts of a file that could not be read; how many records they held is not known."""
    skipped: int = 0
    """No articles by their kind: blank lines, requests, images."""
    outside: int = 0
    """Not published between --from and --to."""
    undated: int = 0
    """Nobody can tell whether they were."""

    @property
    def records(self) -> int:
        return int(sum(msgspec.structs.astuple(self))) - self.no_articles

    @property
    def lost(self) -> int:
        """What should have been sent, and could not."""
        return self.malformed + self.too_large + self.damaged


class Manifest(msgspec.Struct, kw_only=True):
    manifest_version: Literal[1] = 1
    run_id: str
    state: State = "running"
    topic: str
    brokers: str
    choice: dict[str, str]
    """The options that decide what is sent; who resumes must give the same."""
    started_at: str = msgspec.field(default_factory=now)
    updated_at: str = ""
    inputs: list[Input]
    counts: Counts = msgspec.field(default_factory=Counts)
    dates: Dates = msgspec.field(default_factory=Dates)
    before: dict[str, int] = {}
    """Partition to the offset at which it ended before the first record was sent."""
    offsets: dict[str, Offsets] = {}
    """Partition to what was acknowledged there."""

    @property
    def of_files(self) -> bool:
        """Whether all of it can be read once more: a pipe cannot."""
        return all(one.bytes is not None for one in self.inputs)

    def written(self, partition: int, offset: int) -> None:
        known = self.offsets.setdefault(str(partition), Offsets(offset, offset))
        known.last = max(known.last, offset)

    def save(self, path: Path) -> None:
        """Whole or not at all; raises SettingsError where it cannot be written."""
        self.updated_at = now()
        made = path.with_name(f".{path.name}.new")
        try:
            made.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")
            made.replace(path)
        except OSError as error:
            raise _unwritable(path, error) from error


def folder(environment: Mapping[str, str]) -> Path:
    """Where manifests are kept unless told otherwise."""
    state = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "eventwire" / "replays"


def inputs(found: Sequence[tuple[str, str]]) -> list[Input]:
    """Files as they are now; raises FeedError where one cannot be read."""
    made = []
    for name, path in found:
        if path == STDIN or not Path(path).is_file():
            made.append(Input(path=path, name=name))
            continue
        try:
            size = Path(path).stat().st_size
            absolute = os.path.abspath(path)  # noqa: PTH100 - a link may be led elsewhere
            made.append(Input(path=absolute, name=name, bytes=size, sha256=sha256(Path(path))))
        except OSError as error:
            raise FeedError(f"cannot read the feed {path}: {error.strerror}") from error
    return made


def load(path: Path) -> Manifest:
    """Raises SettingsError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise SettingsError(f"--manifest {path}: cannot read it: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise SettingsError(
            f"--manifest {path}: expected the manifest of a replay, got: {error}"
        ) from error


def expect_replaceable(path: Path) -> None:
    """Raises SettingsError where something else than a manifest is, such as one of the feeds."""
    if path.exists() and not path.is_file():
        raise SettingsError(f"--manifest {path}: expected a file, got another kind of thing")
    if path.exists() and path.stat().st_size:
        load(path)


def latest(kept: Path, files: Sequence[str], topic: str) -> Path | None:
    """The manifest of the last replay of these files to this topic."""
    found: list[tuple[str, Path]] = []
    for path in kept.glob("*.json"):
        with suppress(SettingsError):
            manifest = load(path)
            if manifest.topic == topic and [i.path for i in manifest.inputs] == list(files):
                found.append((manifest.started_at, path))
    return max(found)[1] if found else None


def resumable(
    manifest: Manifest, path: Path, now_there: Sequence[Input], choice: Mapping[str, str]
) -> None:
    """Raises SettingsError where this replay cannot go on with these files and options."""
    anew = "start anew without --resume, or give the same"
    if [i.path for i in manifest.inputs] != [i.path for i in now_there]:
        had, have = len(manifest.inputs), len(now_there)
        raise SettingsError(f"{path}: it was of other files ({had}, now {have}); {anew}")
    for old, new in zip(manifest.inputs, now_there, strict=True):
        if new.sha256 is None:
            raise SettingsError(f"{new.path}: --resume needs files, which can be read once more")
        if old.sha256 != new.sha256:
            raise SettingsError(f"{new.path} is not what it was when the replay began; {anew}")
    for option in sorted({*manifest.choice, *choice}):
        old_value, new_value = manifest.choice.get(option), choice.get(option)
        if old_value != new_value:
            said = f"{option} was {old_value or 'not given'} and is {new_value or 'not given'}"
            raise SettingsError(f"{path}: {said}; {anew}")


def _unwritable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"--manifest {path}: cannot write there: {error.strerror}")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Raises SettingsError while another process runs the same replay."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    try:
        opened = lock.open("w")
    except OSError as error:
        raise _unwritable(path, error) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(f"{path}: this replay is running") from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
