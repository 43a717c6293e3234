import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from eventwire.streams import children
from eventwire.streams.children import Child


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie has ended; in a container nobody may be there to collect it.
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pid_in(file):
    assert eventually(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def telling_pid(file, more="import time; time.sleep(60)"):
    tell = f"import os; open({str(file)!r}, 'w').write(f'{{os.getpid()}}\\n')"
    return [sys.executable, "-c", f"{tell}\n{more}"]


def test_output_goes_to_the_log_and_the_exit_status_is_told(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        child = Child([sys.executable, "-c", "print('hello'); exit(3)"], log=log)
        assert eventually(lambda: child.exit_status is not None)
    assert child.exit_status == 3
    assert (tmp_path / "log").read_text() == "hello\n"


def test_a_child_that_was_killed_has_the_signal_as_its_status(tmp_path):
    file = tmp_path / "pid"
    with (tmp_path / "log").open("wb") as log, Child(telling_pid(file), log=log) as child:
        os.kill(pid_in(file), signal.SIGKILL)
        assert eventually(lambda: child.exit_status == -signal.SIGKILL)


def test_a_child_is_gone_after_stop(tmp_path):
    file = tmp_path / "pid"
    with (tmp_path / "log").open("wb") as log, Child(telling_pid(file), log=log):
        pid = pid_in(file)
        assert alive(pid)
    assert not alive(pid)


def test_a_child_may_end_in_its_own_way_when_stopped(tmp_path):
    file = tmp_path / "pid"
    more = "import signal, sys; signal.signal(15, lambda *_: sys.exit(7)); signal.pause()"
    with (tmp_path / "log").open("wb") as log:
        child = Child(telling_pid(file, more), log=log)
        pid_in(file)
        time.sleep(0.2)
        child.stop()
    assert child.exit_status == 7


def test_a_child_that_does_not_heed_is_killed_after_the_grace(tmp_path):
    file = tmp_path / "pid"
    more = "import signal; signal.signal(15, signal.SIG_IGN)\nwhile True: signal.pause()"
    with (tmp_path / "log").open("wb") as log:
        child = Child(telling_pid(file, more), log=log, grace=0.3)
        pid = pid_in(file)
        time.sleep(0.2)
        child.stop()
    assert not alive(pid)


def test_what_the_child_started_is_gone_too(tmp_path):
    file = tmp_path / "pid"
    more = f"import subprocess; subprocess.run({telling_pid(file)!r})"
    with (tmp_path / "log").open("wb") as log, Child([sys.executable, "-c", more], log=log):
        pid = pid_in(file)
    assert eventually(lambda: not alive(pid))


def test_kill_minus_nine_of_the_parent_leaves_nothing_behind(tmp_path):
    file = tmp_path / "pid"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from eventwire.streams.children import Child\n"
            f"child = Child({telling_pid(file)!r}, log=sys.stderr)\n"
            "time.sleep(60)",
        ]
    )
    pid = pid_in(file)
    parent.kill()
    parent.wait()
    assert eventually(lambda: not alive(pid))


def test_a_signal_to_the_guard_reaches_the_child(tmp_path):
    file = tmp_path / "pid"
    with (tmp_path / "log").open("wb") as log:
        guard = subprocess.Popen(
            [sys.executable, children.__file__, "1", *telling_pid(file)],
            stdin=subprocess.PIPE,
            stderr=log,
        )
        pid = pid_in(file)
        guard.terminate()
        assert guard.wait(10) == 128 + signal.SIGTERM
        guard.stdin.close()
    assert not alive(pid)
