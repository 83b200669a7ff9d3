"""The last lines of what a program said: bounded in lines and in bytes, and always readable."""

from __future__ import annotations

MOST_LINES = 20
MOST_BYTES = 8 << 10
CUT = "…"


class LastLines:
    """Takes bytes as they come and keeps the end of them."""

    def __init__(self, lines: int = MOST_LINES, size: int = MOST_BYTES) -> None:
        self._lines = lines
        self._size = size
        self._kept = b""
        self._is_cut = False

    def add(self, data: bytes) -> None:
        """Takes what was said next."""
        joined = self._kept + data[-self._size - 1 :]
        self._is_cut = self._is_cut or len(self._kept) + len(data) > self._size
        self._kept = joined[-self._size :]

    @property
    def text(self) -> str:
        r"""The last lines; a byte that is no UTF-8 reads `\xff`, and a line cut short begins with `…`.

        Of a line that was written over, as a progress bar is, what stood there at last.
        """
        said = self._kept.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
        lines = said.removesuffix("\n").split("\n")
        if self._is_cut:
            lines[0] = CUT + lines[0]
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines[-self._lines :])
