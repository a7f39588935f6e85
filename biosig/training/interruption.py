"""Ctrl-C between two steps, never within one: half a step would leave weights that belong to no moment."""

from __future__ import annotations

import signal
import threading


class Interruption:
    """A context in which the first Ctrl-C only sets ``asked`` and interrupts at the end; a second one does so at once.

    Elsewhere than in the main thread, and where the program has its own way with SIGINT, nothing is changed.
    """

    def __init__(self) -> None:
        self.asked = False
        self._installed = False

    def __enter__(self) -> Interruption:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._ask)
            self._installed = True
        return self

    def __exit__(self, kind, *exception) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.asked and kind is None:
            raise KeyboardInterrupt

    def _ask(self, number, frame) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
