import os
import subprocess
import sys
import tempfile

import pytest

from eventwire.streams.scratch import Scratch

PROGRAM = (
    "import sys, tempfile, time; from eventwire.streams.scratch import Scratch\n"
    "tempfile.tempdir = sys.argv[1]\n"
    "print(Scratch('demo-').path, flush=True)\n"
    "time.sleep(60)"
)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def other_program(temporary):
    """A program that holds a folder; its first line of output names it."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(temporary)], stdout=subprocess.PIPE, text=True
    )
    process.folder = temporary / process.stdout.readline().strip()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_is_there_until_the_end_and_then_gone_with_what_is_in_it(temporary):
    with Scratch("demo-") as scratch:
        (scratch.path / "worker.log").write_text("hello")
        assert list(temporary.iterdir()) == [scratch.path]
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_program_is_removed_by_the_next(temporary, other_program):
    (other_program.folder / "worker.log").write_text("hello")
    other_program.kill()
    other_program.wait()
    assert other_program.folder.exists()
    with Scratch("demo-") as scratch:
        assert list(temporary.iterdir()) == [scratch.path]


def test_the_folder_of_a_running_program_stays(other_program):
    with Scratch("demo-"):
        assert other_program.folder.exists()
    assert other_program.folder.exists()


def test_two_folders_of_one_program_do_not_disturb_each_other():
    with Scratch("demo-") as one, Scratch("demo-") as other:
        assert one.path != other.path
        assert one.path.exists()


def test_other_names_and_files_are_left_alone(temporary):
    (temporary / "precious").mkdir()
    (temporary / "demo-notes.txt").write_text("precious")
    with Scratch("demo-"):
        pass
    assert {path.name for path in temporary.iterdir()} == {"precious", "demo-notes.txt"}


def test_a_link_is_not_followed(temporary):
    (temporary / "precious").mkdir()
    (temporary / "precious" / "file").write_text("precious")
    (temporary / "demo-link").symlink_to("precious")
    with Scratch("demo-"):
        pass
    assert (temporary / "precious" / "file").read_text() == "precious"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_the_folder_of_another_user_is_left_alone(temporary):
    (temporary / "demo-theirs").mkdir()
    os.chown(temporary / "demo-theirs", 65534, 65534)
    with Scratch("demo-"):
        pass
    assert (temporary / "demo-theirs").exists()


def test_a_folder_that_is_taken_for_abandoned_before_it_is_locked_is_made_again(
    temporary, monkeypatch
):
    made = []

    def make(prefix):
        made.append(temporary / f"{prefix}{len(made)}")
        if len(made) > 1:  # the first is removed before it can be locked
            made[-1].mkdir()
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", make)
    with Scratch("demo-") as scratch:
        assert scratch.path == made[1]
        assert scratch.path.is_dir()
