"""Which cores this process may use, and processes that are kept to one of them."""

import contextlib
import os
from collections.abc import Iterator

from eventwire.streams.settings import SettingsError


def available() -> list[int]:
    """Those this process may use, by number."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def expect(workers: int) -> None:
    """Raises SettingsError where that many workers cannot have a core each."""
    if not hasattr(os, "sched_setaffinity"):
        raise SettingsError(f"--workers {workers}: only Linux keeps a process to a core")
    if workers > (there := len(available())):
        raise SettingsError(f"--workers {workers}: expected at most {there}, the cores there are")


@contextlib.contextmanager
def kept_to(core: int | None) -> Iterator[None]:
    """Processes started meanwhile, and theirs, run on this core alone; None: wherever they like."""
    before = available()
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        if core is not None:
            os.sched_setaffinity(0, before)
