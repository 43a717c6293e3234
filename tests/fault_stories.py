"""What is done to workers while articles come: in short in test_faults.py, at length by soak."""

import os
import re
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from conftest import RUN, HasSettings, WorkerProcess
from faults import QUICK, NewWorker, Trial, article
from kafka.admin import ConfigResource, ConfigResourceType
from kafka_cluster import Broker, Cluster

from eventwire.streams import clients

START_SECONDS = 120.0


def start(where: HasSettings, new_worker: NewWorker, **variables: str) -> WorkerProcess:
    """A worker that has its partitions."""
    worker = new_worker(where, **QUICK | variables)
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
            work_on(trial, oldest, *joined)
        oldest.signal(signal.SIGTERM)
        assert oldest.wait(60) == 0
        work_on(trial, *joined)
        joined[0].signal(signal.SIGTERM)
        assert joined[0].wait(60) == 0
        work_on(trial, joined[1])
        oldest = joined[1]
    return oldest


def stall(trial: Trial, new_worker: NewWorker, times: int) -> list[WorkerProcess]:
    """A worker stands still for longer than its session, and another works meanwhile; then that
    one stands still. Both are returned, alive."""
    pair = [start(trial, new_worker), start(trial, new_worker)]
    for turn in range(times):
        stalled, other = pair[turn % 2], pair[1 - turn % 2]
        work_on(trial, *pair)
        given = other.logged.count("given partitions")
        stalled.signal(signal.SIGSTOP)
        try:
            # All of them: those of the stalled one as well.
            until_given(other, given, "[0, 1]")
            work_on(trial, other)
            given = stalled.logged.count("given partitions")
        finally:
            stalled.signal(signal.SIGCONT)
        until_given(stalled, given)
    work_on(trial, *pair)
    return pair


def work_on(trial: Trial, *workers: WorkerProcess) -> None:
    trial.progress(*workers, beyond=trial.finished() + 100)


def until_given(worker: WorkerProcess, times: int, which: str = "") -> None:
    """Wait until it was given partitions, `which` ones, since `times` times."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        lines = [line for line in worker.logged.splitlines() if "given partitions" in line]
        if any(which in line for line in lines[times:]):
            return
        assert worker.process.poll() is None, worker.logged
        assert time.monotonic() < deadline, worker.logged
        time.sleep(0.1)


def outage(
    trial: Trial,
    new_worker: NewWorker,
    cluster: Cluster,
    seconds: float,
    *,
    end: Callable[[Broker], None],
) -> WorkerProcess:
    """All brokers `end`, and `seconds` later they start again. The worker lives through it,
    although it has a batch at hand and little patience with brokers that answer."""
    worker = start(trial, new_worker, EVENTWIRE_PUBLISH_TIMEOUT="3")
    work_on(trial, worker)
    for broker in cluster.brokers:
        end(broker)
    began, least = time.monotonic(), worker.metric("process_resident_memory_bytes")
    largest, lines = least, worker.logged.count("\n")
    while time.monotonic() - began < seconds:
        largest = max(largest, worker.metric("process_resident_memory_bytes"))
        time.sleep(0.5)
    lines = worker.logged.count("\n") - lines
    cluster.heal()
    work_on(trial, worker)
    trial.note(f"{lines} lines of log and {(largest - least) / 2**20:.1f} MiB more in the outage")
    # At most two batches wait for the brokers, one for the coder, and 64 articles for their turn.
    assert largest - least < 64 * 2**20
    assert lines <= 10 + seconds
    return worker


def restart(trial: Trial, new_worker: NewWorker, cluster: Cluster, times: int) -> WorkerProcess:
    """Each broker in turn is told to stop, and starts again."""
    worker = start(trial, new_worker)
    for turn in range(times):
        work_on(trial, worker)
        broker = cluster.brokers[turn % len(cluster.brokers)]
        broker.stop()
        broker.start()
    work_on(trial, worker)
    return worker


def lose_one_of_three(
    trial: Trial, new_worker: NewWorker, cluster: Cluster, times: int
) -> list[WorkerProcess]:
    """The broker that the group depends on most is killed, the workers go on, and it comes back."""
    pair = [start(trial, new_worker), start(trial, new_worker)]
    for _ in range(times):
        work_on(trial, *pair)
        with clients.admin(trial.settings) as admin:
            coordinators = admin._manager.run(admin._find_coordinator_ids, [trial.settings.group])
        broker = cluster.brokers[coordinators[trial.settings.group] - 1]
        broker.kill()
        work_on(trial, *pair)
        broker.start()
    work_on(trial, *pair)
    return pair


SOONER = {"broker.session.timeout.ms": "4000", "broker.heartbeat.interval.ms": "500"}
"""For Kafka: until a broker that died is missed, and may come back; nine seconds else."""


def sooner(name: str) -> str:
    """A worker that takes two seconds where the app says so by that name."""
    return f"from eventwire.streams import app; app.{name} = 2.0; {RUN}"


def refuse_writes(trial: Trial, new_worker: NewWorker) -> WorkerProcess:
    """The events topic takes no record, and then all again. The broker answers all the while: the
    worker ends and says why, and another goes on."""
    worker = start(trial, new_worker)
    work_on(trial, worker)
    oldest_taken(trial, "0")
    assert worker.wait(120) == 1
    last = worker.logged.splitlines()[-1]
    events = trial.topics.events.name
    assert f"{events}: cannot be written: InvalidTimestampError" in last, worker.logged
    oldest_taken(trial, str(2**63 - 1))
    return start(trial, new_worker)


def oldest_taken(trial: Trial, milliseconds: str) -> None:
    """The age of the oldest record that the events topic takes."""
    wanted = {"message.timestamp.before.max.ms": milliseconds}
    with clients.admin(trial.settings) as admin:
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, trial.topics.events.name, configs=wanted)]
        )


def fill_disk(trial: Trial, new_worker: NewWorker, cluster: Cluster) -> WorkerProcess:
    """The broker's disk takes no more, of which Kafka dies; then it has room, and the worker goes
    on."""
    worker = start(
        trial, new_worker, program=sooner("REQUEST_SECONDS"), EVENTWIRE_PUBLISH_TIMEOUT="3"
    )
    work_on(trial, worker)
    [broker] = cluster.brokers
    resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    deadline = time.monotonic() + START_SECONDS
    while broker.running:
        assert time.monotonic() < deadline, "Kafka lives without a disk"
        time.sleep(0.1)
    cluster.heal()
    work_on(trial, worker)
    return worker


def poison(trial: Trial, new_worker: NewWorker, times: int) -> WorkerProcess:
    """Articles that kill the coder come among others, one and then another; they are to be dead
    letters, `poison-0` and so on."""
    worker = start(trial, new_worker)
    for turn in range(times):
        work_on(trial, worker)
        trial.send([article(f"poison-{turn}", "They met. KILL")])
    work_on(trial, worker)
    return worker


def pause_consumers(trial: Trial, new_worker: NewWorker, times: int) -> list[WorkerProcess]:
    """The coder of one worker, and then of the other, stands still for longer than the worker may
    go without reading (max.poll.interval, here two seconds)."""
    pair = [start(trial, new_worker, program=sooner("MAX_POLL_SECONDS")) for _ in range(2)]
    for turn in range(times):
        paused, other = pair[turn % 2], pair[1 - turn % 2]
        work_on(trial, *pair)
        given = other.logged.count("given partitions")
        coder = paused.coder_pid()
        os.kill(coder, signal.SIGSTOP)
        try:
            until_given(other, given, "[0, 1]")
            work_on(trial, other)
            given = paused.logged.count("given partitions")
        finally:
            os.kill(coder, signal.SIGCONT)
        until_given(paused, given)
    work_on(trial, *pair)
    return pair


FLOOD_REST = "It rained on the hills and in the town. " * 60
"""2.4 KB, and no work for the fake coder."""
FLOOD_LEDGER = 5_000
"""Entries: full long before the flood is over, so that it adds nothing more."""
FLOOD_GROWTH_MIB = 32


def flood(trial: Trial, new_worker: NewWorker, count: int) -> WorkerProcess:
    """All come at once: the worker is behind by as many, and grows no more."""
    worker = start(trial, new_worker, EVENTWIRE_LEDGER_ENTRIES=str(FLOOD_LEDGER))
    coder = worker.coder_pid()
    sender = threading.Thread(
        target=lambda: trial.send(trial.articles(count, FLOOD_REST)), daemon=True
    )
    sender.start()
    done, lags, sizes, settled = 0, [0.0], [], 0
    while sender.is_alive() or done < count:
        assert worker.process.poll() is None, worker.logged
        done = trial.finished()
        lags.append(lag(worker))
        sizes.append((resident(worker.process.pid), resident(coder)))
        if done < count / 5:
            settled = len(sizes)
        time.sleep(0.5)
    entries = worker.metric("eventwire_ledger_entries")
    told = []
    for name, each in zip(("worker", "coder's process"), zip(*sizes, strict=True), strict=True):
        first, last = each[settled:][0], max(each[settled:])
        told.append(f"{name} {first:.0f} MiB after a fifth of them, then at most {last:.0f}")
        assert last - first < FLOOD_GROWTH_MIB, f"{name}: {each}"
    trial.note(f"{'; '.join(told)}; at most {max(lags):,.0f} waited; ledger of {entries:,.0f}")
    assert max(lags) > count / 4, "it was never far behind"
    return worker


def lag(worker: WorkerProcess) -> float:
    """Of all its partitions, as it tells itself."""
    found = re.findall(r"^eventwire_lag_messages\{.*\} (\S+)$", worker.get("/metrics")[1], re.M)
    return sum(map(float, found))


def resident(pid: int) -> float:
    """Memory of a process, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def add_partitions(trial: Trial, total: int) -> None:
    with clients.admin(trial.settings) as admin:
        # The ledger first, that no article comes where it has no partition yet.
        for topic in (trial.topics.codings, trial.topics.articles):
            admin.create_partitions({topic.name: total})


def kill_among_others(trial: Trial, new_worker: NewWorker, times: int) -> list[WorkerProcess]:
    """One of three workers, always the oldest, who leads the group; another comes in its place."""
    workers = [start(trial, new_worker) for _ in range(3)]
    for _ in range(times):
        work_on(trial, *workers)
        oldest = workers.pop(0)
        oldest.signal(signal.SIGKILL)
        oldest.wait()
        workers.append(start(trial, new_worker))
    work_on(trial, *workers)
    return workers
