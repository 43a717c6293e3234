import errno
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from eventwire.streams import output
from eventwire.streams.output import open_output
from eventwire.streams.settings import SettingsError


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text("old\n")
    return path


def write(path: Path | str, text: bytes = b"new\n", feed: str | None = None) -> None:
    with open_output(str(path), feed=feed) as out:
        out.write(text)


def write_and_raise(path: Path, error: type[BaseException]) -> None:
    with open_output(str(path)) as out:
        out.write(b"new\n" * 10_000)
        raise error


def refusal(path: Path | str, feed: Path | str | None = None) -> str:
    with pytest.raises(SettingsError) as refused, open_output(str(path), feed=feed and str(feed)):
        pass
    return str(refused.value)


def test_a_file_that_was_not_there_has_the_rights_that_new_files_get(tmp_path: Path) -> None:
    write(tmp_path / "events.jsonl")
    (tmp_path / "usual").touch()
    assert (tmp_path / "events.jsonl").read_text() == "new\n"
    modes = [(tmp_path / name).stat().st_mode for name in ("events.jsonl", "usual")]
    assert modes[0] == modes[1]


def test_a_file_keeps_its_content_until_all_is_written(old: Path) -> None:
    with open_output(str(old)) as out:
        out.write(b"new\n" * 10_000)
        assert old.read_text() == "old\n"
    assert old.read_text() == "new\n" * 10_000


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_file_as_it_was_and_no_other_beside_it(
    old: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        write_and_raise(old, error)
    assert old.read_text() == "old\n"
    assert list(old.parent.iterdir()) == [old]


def test_a_signal_that_comes_at_once_leaves_no_other_file(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.copymode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(old)
    assert list(old.parent.iterdir()) == [old]


def test_an_error_leaves_no_file_where_none_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_and_raise(tmp_path / "events.jsonl", KeyboardInterrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_file_keeps_its_rights_and_a_link_stays_one(old: Path) -> None:
    old.chmod(0o640)
    link = old.with_name("link")
    link.symlink_to(old.name)
    write(link)
    assert link.is_symlink()
    assert (old.read_text(), stat.S_IMODE(old.stat().st_mode)) == ("new\n", 0o640)


def test_a_file_that_cannot_be_replaced_is_overwritten_when_all_is_done(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(self: Path, target: Path) -> Path:
        raise OSError(errno.EBUSY, "a mount of its own")

    old.write_text("older and longer\n")
    monkeypatch.setattr(Path, "replace", busy)
    write(old)
    assert old.read_text() == "new\n"
    assert list(old.parent.iterdir()) == [old]


def test_a_file_in_a_folder_that_takes_no_other_is_written_through_a_temporary_one(
    old: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("temporary")
    opened = output._Named.__init__

    def only_elsewhere(self: output._Named, file: Path, *rest: str) -> None:
        if file.parent == old.parent:
            raise PermissionError(errno.EACCES, "Permission denied")
        opened(self, file, *rest)

    monkeypatch.setattr(output._Named, "__init__", only_elsewhere)
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    with open_output(str(old)) as out:
        out.write(b"new\n")
        assert old.read_text() == "old\n"
    assert old.read_text() == "new\n"
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "Is a directory"),
        ("none/events.jsonl", "No such file or directory"),
        ("events.jsonl/x", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_reason(
    old: Path, path: str, reason: str
) -> None:
    assert refusal(old.parent / path) == f"-o {old.parent / path}: cannot write there: {reason}"


def test_a_folder_that_is_not_there_is_no_name_of_a_file(tmp_path: Path) -> None:
    assert refusal(f"{tmp_path}/new/").endswith("expected the name of a file")


def test_a_file_that_may_not_be_written_is_not_replaced_either(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    if os.geteuid() == 0:  # who may write everything
        monkeypatch.setattr(Path, "open", denied)
    old.chmod(0o400)
    assert refusal(old).endswith("cannot write there: Permission denied")


def test_the_feed_itself_is_refused_under_any_name(old: Path) -> None:
    link = old.with_name("link")
    link.symlink_to(old.name)
    assert refusal(link, feed=old) == f"-o {link}: expected another file than the feed"
    assert old.read_text() == "old\n"


def test_a_device_stays_one() -> None:
    write("/dev/null", feed="/dev/null")
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_an_error_of_writing_names_the_file() -> None:
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write("/dev/full")


def test_a_pipe_gets_what_is_written_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []

    def reader() -> None:
        with pipe.open("rb") as file:
            read.append(file.readline())
            arrived.set()
            read.append(file.read())

    arrived = threading.Event()
    thread = threading.Thread(target=reader)
    thread.start()
    with open_output(str(pipe)) as out:
        out.write(b"one\n")
        out.flush()
        assert arrived.wait(60)
        out.write(b"two\n")
    thread.join()
    assert read == [b"one\n", b"two\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_an_open_file_is_written_where_it_stands(old: Path) -> None:
    with old.open("ab") as file:
        write(f"/dev/fd/{file.fileno()}")
    assert old.read_text() == "old\nnew\n"


@pytest.mark.parametrize("path", [None, "-", "/dev/stdout"])
def test_stdout_is_written_under_each_of_its_names(
    path: str | None, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    with open_output(path) as out:
        out.write(b"new\n")
    assert capsysbinary.readouterr().out == b"new\n"


def test_a_stdout_that_somebody_has_put_there_stays_theirs(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with old.open("w") as theirs:
        monkeypatch.setattr(sys, "stdout", theirs)
        output.drop(output.stdout())
        theirs.write("more\n")
    assert old.read_text() == "more\n"


def test_a_folder_that_can_be_made_is_fine_and_nothing_is_made_yet(tmp_path: Path) -> None:
    output.expect_folder("--out", tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(old: Path) -> None:
    with pytest.raises(SettingsError, match=r"^--out .*: expected a folder, got the file .*jsonl$"):
        output.expect_folder("--out", old / "b")


def test_a_folder_without_the_right_to_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SettingsError, match="cannot write in "):
        output.expect_folder("--out", tmp_path)
