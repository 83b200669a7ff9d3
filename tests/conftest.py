"""What tests share: the command as a real process, a library module on a store of its own, real data."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings

from mplp_trace_cli import TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.module import TraceModule
from mplp_trace_cli.service import TraceManagementService
from tests.helpers_storage import Clock
from tests.warm import run_warm

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_DATA = ROOT / "sample_data"
CONFORMANCE = Path(os.environ.get("MPLP_TRACE_CONFORMANCE_DATA", ROOT.parent / "shared" / "data"))
GUIDE_TOOLS = Path(sys.prefix) / "guides"
"""Where pandas and polars lie, if not among the other packages."""
COMMAND = [sys.executable, "-m", "mplp_trace_cli"]

for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
    signal.signal(number, handler)  # a test run in the background may have been started to ignore them


def examples(count: int) -> int:
    """How many examples a property has: so many, and as many times that as `make soak` asks for."""
    return count * int(os.environ.get("MPLP_TRACE_EXAMPLES", "1"))


# A slow machine is no fault, and what failed once is shown by its printed example.
settings.register_profile("project", deadline=None, database=None, max_examples=examples(25))
settings.load_profile("project")


_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str
    raw: bytes = b""

    @classmethod
    def of(cls, code: int, out: bytes, err: bytes) -> Done:
        """From what a process wrote."""
        said, told = (stream.decode(errors="backslashreplace") for stream in (out, err))
        return cls(code, said, told, out)

    @property
    def line(self) -> str:
        """The one line it answered with."""
        return self.stdout.strip()


@dataclass(frozen=True)
class Cli:
    """The command in a process of its own, on a store of its own."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    warm: bool = True
    """Each process is a fork of one that has imported everything; False: an interpreter of its own."""

    @property
    def db(self) -> Path:
        """The store."""
        return self.folder / "traces.duckdb"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of the command: nothing of the caller's settings, its own home."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MPLP_")}
        own = {"MPLP_TRACE_DB": str(self.db), "HOME": str(self.folder), "COLUMNS": "80", "NO_COLOR": "1"}
        return {**kept, **own, **self.env, **(extra or {})}

    def __call__(
        self,
        *arguments: str | bytes | Path,
        stdin: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: int = 60,
    ) -> Done:
        """Runs the command to its end, which must come within so many seconds."""
        given = stdin.encode() if isinstance(stdin, str) else stdin or b""
        where, environment = cwd or self.folder, self.environment(env)
        if self.warm:
            decoded = [os.fsdecode(word) for word in arguments]
            return Done.of(*run_warm(decoded, given, environment, where, timeout))
        words = [*COMMAND, *arguments]
        done = subprocess.run(
            words, input=given, capture_output=True, env=environment, cwd=where, timeout=timeout
        )
        return Done.of(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str | Path, stdin: str | bytes | None = None) -> str:
        """Runs the command, which must succeed, and gives its answer."""
        done = self(*arguments, stdin=stdin)
        assert done.code == 0, done.stderr
        return done.line

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Starts the command with pipes; what still runs when the test is over is killed."""
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(),
            cwd=self.folder,
        )
        _started.append(process)
        return process


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """After each test, the end of what it started and left."""
    yield
    while _started:
        process = _started.pop()
        process.kill()
        with contextlib.suppress(BrokenPipeError), process:
            pass


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command on an empty folder."""
    return Cli(tmp_path)


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on a store with the sample project; tests only ask it."""
    sample = Cli(tmp_path_factory.mktemp("sample"))
    sample.ok("import", SAMPLE_DATA / "project.jsonl")
    return sample


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Where a store is, or will be."""
    return tmp_path / "traces.duckdb"


@pytest.fixture
def clock() -> Clock:
    """A clock that tests move; it stands at a Friday, 2027-01-15 08:00 UTC."""
    return Clock()


@pytest.fixture
def module(tmp_path: Path) -> Iterator[TraceModule]:
    """The library on an empty store."""
    with initialize_trace_module(TraceModuleOptions(data_source=str(tmp_path / "traces.duckdb"))) as made:
        yield made


@pytest.fixture
def service(module: TraceModule) -> TraceManagementService:
    """The service of the module."""
    return module.trace_management_service


@pytest.fixture(scope="session")
def conformance() -> Path:
    """Real material written elsewhere; where it is not there, the test is skipped."""
    if not CONFORMANCE.is_dir():
        pytest.skip(f"no conformance data at {CONFORMANCE} (set MPLP_TRACE_CONFORMANCE_DATA)")
    return CONFORMANCE
