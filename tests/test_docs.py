"""The documents: what README shows really happens, references are up to date, links and examples work."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli
from tests.test_demo import command_folder
from tests.transcripts import BLOCK, blocks, play

DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "sample_data" / "README.md"]


def test_the_readme_transcript_is_what_happens(cli: Cli) -> None:
    """Scripts of the README are written down and its commands run in order; each shows what stands there."""
    path = f"{command_folder(cli.folder / 'bin')}{os.pathsep}{os.environ['PATH']}"
    assert play(ROOT / "README.md", cli, {"PATH": path}) > 12


def test_the_generated_pages_are_up_to_date() -> None:
    """`docs/generate.py --check` finds nothing stale."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_page_is_named(tmp_path: Path) -> None:
    """In a folder without pages both are named, and the exit code is 1."""
    (tmp_path / "generate.py").write_bytes((ROOT / "docs" / "generate.py").read_bytes())
    done = subprocess.run(
        [sys.executable, tmp_path / "generate.py", "--check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["docs/cli.md", "docs/schema.md"]


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link names a file that is there, and every anchor a heading of it."""
    for document in DOCUMENTS:
        prose = BLOCK.sub("", document.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if target.startswith(("http://", "https://")):
                continue
            file, _, anchor = target.partition("#")
            path = document.parent / file if file else document
            assert path.exists(), f"{document.name}: {target}"
            assert not anchor or anchor in anchors(path), f"{document.name}: {target}"


def anchors(path: Path) -> set[str]:
    """The anchors that a document's headings make."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["python-api.md", "python-ways.md"])
def test_the_examples_of_the_python_pages_give_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """They run as doctests, from the first to the last, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MPLP_TRACE_DB", raising=False)
    path = ROOT / "docs" / page
    examples = "\n".join(text for language, text in blocks(path) if language == "pycon")
    test = doctest.DocTestParser().get_doctest(examples, {}, page, str(path), 0)
    said: list[str] = []
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert results.attempted > 20
    assert results.failed == 0, "".join(said)


def test_toml_examples_are_settings_that_exist(cli: Cli) -> None:
    """Every TOML block of the configuration page is taken by the command."""
    examples = [text for language, text in blocks(ROOT / "docs" / "configuration.md") if language == "toml"]
    assert examples
    for text in examples:
        (cli.folder / "settings.toml").write_text(text, encoding="utf-8")
        done = cli("create", "x", "--config", "settings.toml")
        assert (done.code, done.stderr) == (0, "")
