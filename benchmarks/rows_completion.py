"""What the shell waits for when a trace is completed, on a store of many events."""

from __future__ import annotations

from dataclasses import replace

from ground import Ground
from harness import Command, Result, at_most, in_turns, run, seconds_text

LINE = "mplp-trace show "
SHELLS = ("bash", "zsh", "fish")


def completion(ground: Ground) -> list[Result]:
    """Ids of traces for `show TAB`, against the least that a Typer command can do, in each shell's way."""
    return [_in(ground, shell) for shell in SHELLS]


def _in(ground: Ground, shell: str) -> Result:
    command, hello = _asked(ground, shell), ground.python("floors/hello.py")
    offered = run(command).good().stdout.split("\n")
    turns = in_turns(
        lambda: run(command).good().seconds, lambda: run(hello).good().seconds, ground.sizes.short_pairs
    )
    return Result(
        f"ids of traces in {shell}, {ground.sizes.events:,} events",
        seconds_text(turns.our_median),
        f"Typer hello world: {seconds_text(turns.their_median)}",
        turns.times_as_long,
        at_most(1.5),
        sound=any("@last" in line for line in offered) and len(offered) > 1,
    )


def _asked(ground: Ground, shell: str) -> Command:
    words = {
        "_MPLP_TRACE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": LINE,
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": LINE,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": "",
    }
    bare = ground.trace(ground.filled_store)
    return replace(bare, env={**bare.env, **words})
