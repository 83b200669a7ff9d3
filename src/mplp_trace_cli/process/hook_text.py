"""The shell functions that `hook` prints."""

from __future__ import annotations

from importlib.resources import files

SHELLS = ("bash", "zsh")


def hook_text(shell: str, command: str) -> str:
    """The functions for one of SHELLS; they start `command`, which is a word or more of shell."""
    folder = files("mplp_trace_cli.process") / "hooks"
    parts = [(folder / f"{name}.sh").read_text(encoding="utf-8") for name in ("common", shell, "last")]
    return "".join(parts).replace("@COMMAND@", command).replace("SHELL)", f"{shell})")
