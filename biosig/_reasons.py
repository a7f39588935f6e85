"""Why one recording of many was left out, in one line; and what no batch should go on after."""

from __future__ import annotations

import errno

_OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS)


def one_line(error: BaseException, limit: int = 1000) -> str:
    """Return the message of an error without line breaks; of running out of files or memory, what to do."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        text = f"not enough memory ({text})"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        text += "; close some, or raise the limit, such as with 'ulimit -n 4096'"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def reason(error: Exception) -> str:
    """Return why a recording is left out, so that a batch goes on with the others.

    Raises
    ------
    OSError
        The error itself, where it is of the machine and would meet the others too: no free file handle, a full disk.
    """
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        raise error
    foreseen = isinstance(error, (ValueError, OSError, MemoryError))
    return one_line(error) if foreseen else f"{type(error).__name__}: {one_line(error)}"
