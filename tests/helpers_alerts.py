"""Alert rules over one metric that tests set at will, and places where notices arrive."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.conftest import Cli

WRITES = [
    "import os, sys",
    "line = sys.stdin.read().replace(chr(10), '') + chr(10)",
    "os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND), line.encode())",
]
DEEP = '[[alerts.rules]]\nname = "deep"\ncondition = "last(depth) > 10"\nwindow = "1h"\nactions = ["note"]\n'


def writer(path: Path) -> str:
    """An action `note` that adds each notice to a file, a line in one write."""
    argv = [sys.executable, "-c", "; ".join(WRITES), str(path)]
    return f'[alerts.actions.note]\ntype = "command"\nargv = {json.dumps(argv)}\n'


def configure(cli: Cli, *tables: str) -> Path:
    """A config file with these tables."""
    path = cli.folder / "alerts.toml"
    path.write_text("\n".join(tables))
    return path


def told(path: Path) -> list[dict[str, Any]]:
    """The notices that arrived in the file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def states(path: Path) -> list[str]:
    """What these notices said."""
    return [notice["state"] for notice in told(path)]


def set_depth(cli: Cli, value: float, **labels: str) -> None:
    """What the rule `deep` looks at."""
    words = [word for name, text in labels.items() for word in ("--label", f"{name}={text}")]
    cli.ok("metrics", "set", "depth", str(value), *words)


class Hook:
    """A web server on this machine that keeps what is posted; `status` is what it answers."""

    def __init__(self) -> None:
        self.received: list[Mapping[str, Any]] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.received.append(json.loads(body))
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def place(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def action(self) -> str:
        """An action `note` that posts to it."""
        return f'[alerts.actions.note]\ntype = "webhook"\nurl = "{self.place}/hook"\n'

    @property
    def states(self) -> list[str]:
        """What the notices said that arrived."""
        return [str(notice["state"]) for notice in self.received]


@contextmanager
def web_hook() -> Iterator[Hook]:
    """The server, while it listens."""
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever)
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()
