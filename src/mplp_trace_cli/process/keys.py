"""Keys for a program that reads them from its standard error, as `less` does.

Where that is a terminal of its own nobody types there. As soon as a program has it hand over single keys, our
terminal does so too, and what is typed at ours goes there.
"""

from __future__ import annotations

import contextlib
import os
import termios
from typing import Any

LOOK_SECONDS = 0.1
"""How soon it is seen that a program wants keys."""
MOST_BYTES = 256
_INPUT_FLAGS, _LOCAL_FLAGS, _CHARACTERS = 0, 3, 6
_FAULTS = (OSError, termios.error)


class Keys:
    """What is typed at the terminal `ours`, for whoever reads at the other end of `theirs`."""

    def __init__(self, ours: int, theirs: int) -> None:
        self._ours = ours
        self._theirs = theirs
        self._before: list[Any] | None = None
        """The mode of our terminal before; None while nobody wants keys."""

    def are_wanted(self) -> bool:
        """Whether somebody wants them there now; our terminal is then in the mode of that one."""
        try:
            theirs = termios.tcgetattr(self._theirs)
            if theirs[_LOCAL_FLAGS] & termios.ICANON:
                self.give_back()
                return False
            self._follow(theirs)
        except _FAULTS:  # one of the two is gone
            return False
        return True

    def _follow(self, theirs: list[Any]) -> None:
        ours = termios.tcgetattr(self._ours)
        if self._before is None:
            self._before = ours
        wanted = list(ours)
        for part in (_INPUT_FLAGS, _LOCAL_FLAGS, _CHARACTERS):
            wanted[part] = theirs[part]
        if wanted != ours:  # also after a shell has had the terminal meanwhile
            termios.tcsetattr(self._ours, termios.TCSANOW, wanted)

    def pass_on(self) -> None:
        """Takes there what was typed, if it is still wanted."""
        if self.are_wanted():
            with contextlib.suppress(OSError):
                os.write(self._theirs, os.read(self._ours, MOST_BYTES))

    def give_back(self) -> None:
        """Puts our terminal back into its mode of before."""
        if self._before is not None:
            with contextlib.suppress(*_FAULTS):
                termios.tcsetattr(self._ours, termios.TCSANOW, self._before)
            self._before = None
