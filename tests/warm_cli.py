"""The command as in conftest, from a warm process: for modules that run it a hundred times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import Cli, Done
from tests.warm import run_all


@dataclass(frozen=True)
class WarmCli(Cli):
    """Each command is a process of its own, forked from one that has imported everything."""

    def __call__(
        self,
        *arguments: str | bytes | Path,
        stdin: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 60,
    ) -> Done:
        """Runs the command to its end; cold where another folder is named."""
        if cwd is not None:
            return super().__call__(*arguments, stdin=stdin, env=env, cwd=cwd, timeout=timeout)
        given = stdin.encode() if isinstance(stdin, str) else stdin or b""
        (done,) = run_all(self, [arguments], stdin=given, env=env)
        return done
