"""When a stream of windows is used: blocks of windows enter a buffer in rounds, and each is used once a round.

Window number i of the stream belongs to block ``i // n_block``. Round r goes once through all windows of the blocks
r - uses + 1 to r, shuffled as `ParticipantBatches` or `ParticipantPairs` do it; so each window is used in `uses` rounds
that follow each other, among other windows each time. Which round a step belongs to is arithmetic: nothing has to be
remembered for it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rounds:
    """The rounds of a stream.

    Parameters
    ----------
    n_block : int
        Windows in a block, a multiple of `batch_size`.
    uses : int
        Rounds in which a block is used.
    batch_size : int
        Windows in a step.
    """

    n_block: int
    uses: int
    batch_size: int

    @classmethod
    def for_buffer(cls, buffer: int, uses: int, batch_size: int) -> Rounds:
        """Return the rounds of a buffer of about so many windows; a block holds at least one batch."""
        return cls(max(1, buffer // uses // batch_size) * batch_size, uses, batch_size)

    @property
    def steps_a_block(self) -> int:
        """Steps in which a block is used once."""
        return self.n_block // self.batch_size

    def begin(self, number: int) -> int:
        """Return the first step of a round; the first rounds are shorter, as the buffer fills."""
        filling = min(number, self.uses - 1)
        return self.steps_a_block * (filling * (filling + 1) // 2 + (number - filling) * self.uses)

    def place(self, step: int) -> tuple[int, int]:
        """Return the round of a step, and which of the steps of that round it is."""
        number = 0
        while number < self.uses - 1 and self.begin(number + 1) <= step:
            number += 1
        if number == self.uses - 1:
            number += (step - self.begin(number)) // (self.steps_a_block * self.uses)
        return number, step - self.begin(number)

    def first_block(self, number: int) -> int:
        """Return the oldest block of a round."""
        return max(0, number - self.uses + 1)
