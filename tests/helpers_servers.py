"""Servers on loopback that notices go through: HTTP by a script of answers, mail, and ones that misbehave."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Posted:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebServer:
    """Answers each request with the next status, and with the last one from then on."""

    statuses: Sequence[int] = (200,)
    location: str | None = None
    port: int = 0
    posted: list[Posted] = field(default_factory=list)

    def url(self, path: str = "/hook") -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.port}{path}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Notes the request, and answers it."""
        body = request.rfile.read(int(request.headers["Content-Length"]))
        self.posted.append(Posted(request.path, dict(request.headers), body))
        request.send_response(self.statuses[min(len(self.posted), len(self.statuses)) - 1])
        if self.location:
            request.send_header("Location", self.location)
        request.send_header("Content-Length", "0")
        request.end_headers()


@contextlib.contextmanager
def web_server(*statuses: int, location: str | None = None) -> Iterator[WebServer]:
    """An HTTP server that runs meanwhile."""
    script = WebServer(statuses or (200,), location)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            script.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        script.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield script
        server.shutdown()


Talk = Callable[[socket.socket, threading.Event], None]


def silence(connection: socket.socket, over: threading.Event) -> None:
    """Takes a connection and never answers."""
    over.wait()


def drip(greeting: bytes) -> Talk:
    """Sends a byte every now and then, after the bytes given, and comes to no end."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(greeting)
        while not over.wait(0.05):
            connection.sendall(b"x")

    return talk


@contextlib.contextmanager
def raw_server(talk: Talk) -> Iterator[int]:
    """A server that talks like that to everybody; gives its port."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            talk(connection, over)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        over.set()
        listener.shutdown(socket.SHUT_RDWR)


@dataclass
class MailServer:
    """Keeps the mails that come, and refuses as it is told to."""

    username: str = "watcher"
    password: str = "s3cr3t"
    answers: Sequence[str] = ("250 OK",)
    """To the mails in turn; the last one from then on."""
    unknown: str = ""
    """An address that it does not take."""
    port: int = 0
    asked: int = 0
    mails: list[tuple[tuple[str, ...], EmailMessage]] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Called for every address."""
        if address == self.unknown:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called for every mail."""
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append((tuple(envelope.rcpt_tos), mail))
        return answer

    def log_in(self, server: SMTP, session: Session, envelope: Envelope, kind: str, data: Any) -> AuthResult:
        """Called for every login."""
        assert isinstance(data, LoginPassword)
        known = (data.login.decode(), data.password.decode()) == (self.username, self.password)
        return AuthResult(success=known, handled=known)


@contextlib.contextmanager
def mail_server(server: MailServer | None = None, **options: Any) -> Iterator[MailServer]:
    """A mail server that runs meanwhile; the options are those of aiosmtpd."""
    script = server or MailServer()
    with socket.create_server((LOOPBACK, 0)) as free:
        script.port = free.getsockname()[1]
    controller = Controller(script, hostname=LOOPBACK, port=script.port, **options)
    controller.start()
    try:
        yield script
    finally:
        controller.stop()


def own_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS with a certificate that it signed itself, and the file of that certificate."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    made += ["-addext", f"subjectAltName=IP:{LOOPBACK}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
