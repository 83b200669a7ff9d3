"""What is kept in the user's cache folder: made once, and made anew when it cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mplp_trace_cli.report.cache import cached


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which it is kept."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mplp-trace"


def test_it_is_made_once(cache: Path) -> None:
    """The second time it is read, whoever would make it; it and its folder are the user's alone."""
    assert cached("one.js", lambda: "made é\n") == "made é\n"
    assert cached("one.js", lambda: "another") == "made é\n"
    assert cached("two.js", lambda: "another") == "another"
    assert [path.stat().st_mode & 0o777 for path in (cache, cache / "one.js")] == [0o700, 0o600]
    assert sorted(path.name for path in cache.iterdir()) == ["one.js", "two.js"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("alert(1)"),
        lambda path: path.chmod(0o622),
    ],
    ids=["cut short", "empty", "another", "others may write"],
)
def test_what_cannot_be_trusted_is_made_anew(cache: Path, spoil: Callable[[Path], object]) -> None:
    """A file that is cut short, that is another, or that others may write does not count."""
    cached("one.js", lambda: "first")
    spoil(cache / "one.js")
    assert cached("one.js", lambda: "second") == "second"
    assert cached("one.js", lambda: "third") == "second"


def test_where_nothing_can_be_written_nothing_is_kept(cache: Path) -> None:
    """It is made each time, without an error."""
    cache.parent.write_text("a file where the folder would be")
    assert [cached("one.js", lambda: "made"), cached("one.js", lambda: "again")] == ["made", "again"]
