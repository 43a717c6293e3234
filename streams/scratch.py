"""Folders for what a program needs while it runs, gone with it.

Even a `kill -9` leaves one only until the next program of the same prefix starts. Each folder is
locked by its program, and the kernel takes the lock back however that ends.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from eventwire.streams.children import Running


class Scratch(Running):
    """A new folder among the temporary files, until `stop` or the end of a `with`."""

    def __init__(self, prefix: str) -> None:
        """Removes abandoned folders of `prefix` first: of this user, and used by no program."""
        for abandoned in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
            with contextlib.suppress(OSError):
                if (lock := _lock(abandoned)) is not None:
                    _remove(abandoned, lock)
        lock = None
        while lock is None:  # between its making and its locking it looks abandoned
            self.path = Path(tempfile.mkdtemp(prefix=prefix))
            lock = _lock(self.path)
        self._lock = lock

    def stop(self) -> None:
        _remove(self.path, self._lock)


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None where another program does, where the folder
    is gone, and where it is not this user's. OSError where it cannot be locked."""
    import fcntl  # there is none on Windows, where nobody gets here

    try:
        # Not through a link, which could lead to what is no folder of ours.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = os.fstat(descriptor)
            if locked.st_uid == os.getuid() and os.path.samestat(locked, folder.lstat()):
                stack.pop_all()
                return descriptor
    return None


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
