"""What is done to workers while articles come: in short in test_faults.py, at length by soak."""

import signal
import time
from random import Random

from conftest import WorkerProcess
from faults import QUICK, NewWorker, Trial

START_SECONDS = 120.0


def start(trial: Trial, new_worker: NewWorker, **variables: str) -> WorkerProcess:
    """A worker that has its partitions."""
    worker = new_worker(trial, **QUICK | variables)
    worker.wait_for_log("given partitions", START_SECONDS)
    return worker


def kill_at_random(trial: Trial, new_worker: NewWorker, times: int, seed: int) -> None:
    """One worker after the other; every fifth already while it starts."""
    random = Random(seed)
    for life in range(times):
        before = trial.finished()
        worker = new_worker(trial, **QUICK)
        if life % 5 == 4:
            time.sleep(random.uniform(0.5, 5))
        else:
            trial.progress(worker, beyond=before)
            time.sleep(random.uniform(0, 2))
        worker.signal(signal.SIGKILL)
        worker.wait()
        assert trial.unfinished() > 0, "it was killed with nothing at hand"


def stop_under_load(trial: Trial, new_worker: NewWorker, times: int) -> None:
    """Each is told to stop amid its work, ends with 0 within its deadline, and leaves nothing
    that it has begun."""
    for _ in range(times):
        before = trial.finished()
        worker = start(trial, new_worker, EVENTWIRE_SHUTDOWN_TIMEOUT="20")
        trial.progress(worker, beyond=before)
        worker.signal(signal.SIGTERM)
        assert worker.wait(20 + 6 + 10) == 0  # the deadline, the last resort, a slow machine
        assert "not done within" not in worker.logged
        assert "without leaving" not in worker.logged
        assert trial.unfinished() > 0, "it was told to stop with nothing at hand"


def join_and_leave(trial: Trial, new_worker: NewWorker, rounds: int) -> WorkerProcess:
    """One worker, then two, three, two and again one, in each round; returns the last."""
    oldest = start(trial, new_worker)
    for _ in range(rounds):
        joined = []
        for _ in range(2):
            joined.append(start(trial, new_worker))
            _work_on(trial, oldest, *joined)
        oldest.signal(signal.SIGTERM)
        assert oldest.wait(60) == 0
        _work_on(trial, *joined)
        joined[0].signal(signal.SIGTERM)
        assert joined[0].wait(60) == 0
        _work_on(trial, joined[1])
        oldest = joined[1]
    return oldest


def stall(trial: Trial, new_worker: NewWorker, times: int) -> list[WorkerProcess]:
    """A worker stands still for longer than its session, and another works meanwhile; then that
    one stands still. Both are returned, alive."""
    pair = [start(trial, new_worker), start(trial, new_worker)]
    for turn in range(times):
        stalled, other = pair[turn % 2], pair[1 - turn % 2]
        _work_on(trial, *pair)
        given = other.logged.count("given partitions")
        stalled.signal(signal.SIGSTOP)
        try:
            # All of them: those of the stalled one as well.
            _until_given(other, given, "[0, 1]")
            _work_on(trial, other)
            given = stalled.logged.count("given partitions")
        finally:
            stalled.signal(signal.SIGCONT)
        _until_given(stalled, given)
    _work_on(trial, *pair)
    return pair


def _work_on(trial: Trial, *workers: WorkerProcess) -> None:
    trial.progress(*workers, beyond=trial.finished() + 100)


def _until_given(worker: WorkerProcess, times: int, which: str = "") -> None:
    """Wait until it was given partitions, `which` ones, since `times` times."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        lines = [line for line in worker.logged.splitlines() if "given partitions" in line]
        if any(which in line for line in lines[times:]):
            return
        assert worker.process.poll() is None, worker.logged
        assert time.monotonic() < deadline, worker.logged
        time.sleep(0.1)
