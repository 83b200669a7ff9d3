"""The child that fuzzes one target: `python -m tests.soak.fuzz_target NAME FOLDER… -LIBFUZZER_OPTION=…`.

libFuzzer takes the process over and ends it. Only what is imported under atheris is seen by it.
"""

from __future__ import annotations

import sys

import atheris

from tests.fuzz_targets import fuzz_target


def main(program: str, name: str, *options: str) -> None:
    """Feeds the target until the time is over or an input fails."""
    with atheris.instrument_imports(include=["mplp_trace_cli"]):
        target = fuzz_target(name)
    atheris.Setup([program, *options], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv)
