"""An error that nobody foresaw: one line for the reader, the rest in a file for whoever can mend it."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback

from biosig import __version__
from biosig._reasons import one_line

MOST_CHARACTERS = 100_000
ISSUES = "the project's issue tracker"


def report_unforeseen(error: Exception) -> int:
    """Print one line that asks for a report and names the file with the traceback; return the exit status, 1."""
    line = f"biosig: unexpected error: {type(error).__name__}: {one_line(error, 300)}; this is a fault of biosig"
    try:
        where = f"report it at {ISSUES} with the file {_write_traceback(error)}"
    except OSError as failure:
        where = f"report it at {ISSUES} (its traceback could not be written: {one_line(failure, 200)})"
    print(f"{line}: please {where}", file=sys.stderr)
    return 1


def _write_traceback(error: Exception) -> str:
    """Write a new file in the temporary folder that nobody but its owner can read; return its name."""
    text = "".join(traceback.format_exception(error))
    if len(text) > MOST_CHARACTERS:
        half = MOST_CHARACTERS // 2
        text = f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
    system = f"biosig {__version__}, Python {platform.python_version()}, {platform.platform()}"
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", errors="backslashreplace", prefix="biosig-error-", suffix=".txt", delete=False
    ) as file:
        file.write(f"{system}\n\n{text}")
    return file.name
