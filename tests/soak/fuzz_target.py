"""The child that fuzzes one target: `python -m tests.soak.fuzz_target NAME FOLDER… -LIBFUZZER_OPTION=…`.

libFuzzer takes the process over and ends it. Only what is imported under atheris is seen by it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import atheris

from tests.fuzz_targets import Mutate, fuzz_target


def mutator(mutate: Mutate) -> Callable[[bytes, int, int], bytes]:
    """Every other time the target's own mutations, which know how its inputs are built."""

    def mutated(data: bytes, longest: int, seed: int) -> bytes:
        if seed % 2:
            return bytes(atheris.Mutate(data, longest))
        return mutate(random.Random(seed), data)[:longest]

    return mutated


def main(program: str, name: str, *options: str) -> None:
    """Feeds the target until the time is over or an input fails."""
    with atheris.instrument_imports(include=["mplp_trace_cli"]):
        target = fuzz_target(name)
    mutate = target.mutate
    if mutate is None:
        atheris.Setup([program, *options], target.check)
    else:
        atheris.Setup([program, *options], target.check, custom_mutator=mutator(mutate))
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv)
