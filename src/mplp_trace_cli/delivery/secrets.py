"""Values that nobody may see: where they are read from, and how they are kept out of what is told."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

from mplp_trace_cli.domain.errors import DeliveryFailed
from mplp_trace_cli.domain.visible import visible

MOST_BYTES = 65_536
_HIDDEN = "***"
_MOST_TOLD = 200


class Secret(NamedTuple):
    """Where a value comes from: a variable of the environment, a file, or the settings themselves."""

    path: str
    """The setting that says so, such as `alerts.actions.email.password`."""
    variable: str | None = None
    file: str | None = None
    text: str | None = None

    def __repr__(self) -> str:
        return f"Secret({self.path})"

    def read(self) -> str:
        """The value; raises DeliveryFailed, which says where it is missing and never what it is.

        One that is missing may be there for the next check, which another environment may make.
        """
        value = self._value()
        if not value:
            raise DeliveryFailed(f"{self.path}: {self._place()} is empty", permanent=False)
        return value

    def _value(self) -> str:
        if self.text is not None:
            return self.text
        if self.file is not None:
            return self._of_file(os.path.expanduser(self.file))
        value = os.environ.get(self.variable or "")
        if value is None:
            raise DeliveryFailed(f"{self.path}: {self._place()} is not set", permanent=False)
        return value

    def _of_file(self, file: str) -> str:
        try:
            with open(file, "rb") as opened:
                raw = opened.read(MOST_BYTES + 1)
            value = raw.decode()
        except OSError as error:
            raise DeliveryFailed(f"{self.path}: {self._place()}: {error.strerror}", permanent=False) from None
        except UnicodeDecodeError:
            raise DeliveryFailed(f"{self.path}: {self._place()} is not UTF-8", permanent=True) from None
        if len(raw) > MOST_BYTES:
            raise DeliveryFailed(f"{self.path}: {self._place()} is too large for a secret", permanent=True)
        return re.sub(r"\r?\n\Z", "", value)

    def _place(self) -> str:
        if self.file is not None:
            return f"the file {visible(self.file)}"
        return "the text" if self.variable is None else f"the environment variable {visible(self.variable)}"


def told(text: str, secrets: Iterable[str] = ()) -> str:
    """What a server or a command said as the end of one line: bounded, and without the secrets."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        encoded = base64.b64encode(secret.encode(errors="surrogateescape")).decode()
        for form in (secret, encoded, quote(secret, safe=""), quote(secret)):
            text = text.replace(form, _HIDDEN)
    line = visible(" ".join(text.split()))
    return line if len(line) <= _MOST_TOLD else f"{line[: _MOST_TOLD - 1]}…"
