"""What may be set about an action, and what it comes to; nothing is sent here and no secret is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from mplp_trace_cli.delivery.secrets import Secret
from mplp_trace_cli.domain.alerts.alert import ActionKind, AlertAction
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.times import parse_duration
from mplp_trace_cli.domain.visible import visible

DEFAULT_SECONDS, LONGEST_SECONDS = 10.0, 60.0
PORTS = {"none": 25, "starttls": 587, "tls": 465}
"""What a mail server listens on, by the security of the connection."""

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*/=?^_`{|}~+-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = ("connection", "content-length", "host", "transfer-encoding")


class EmailSettings(NamedTuple):
    """Where mail goes, and by which server."""

    seconds: float
    to: tuple[str, ...]
    sender: str
    host: str
    port: int
    security: str
    username: str | None
    password: Secret | None


class WebSettings(NamedTuple):
    """Where JSON is posted to."""

    seconds: float
    url: Secret
    headers: tuple[tuple[str, Secret], ...] = ()


class CommandSettings(NamedTuple):
    """The program that is started, with its arguments."""

    seconds: float
    argv: tuple[str, ...]


Settings = EmailSettings | WebSettings | CommandSettings


def check_action(action: AlertAction) -> None:
    """Raises InvalidInput that lists everything that is wrong with the settings of an action."""
    parse_action(action)


def parse_action(action: AlertAction) -> Settings:
    """The settings of an action; raises InvalidInput that lists all faults with their paths."""
    reader = _Reader(action)
    reader.refuse_unknown(_KEYS[action.kind])
    settings = _PARSERS[action.kind](reader)
    if reader.faults:
        raise InvalidInput("; ".join(reader.faults), hint=reader.hint)
    return settings


def url_fault(url: str) -> str | None:
    """What is wrong with a URL, without telling it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "must be a URL such as https://example.com/path"
    named = host is not None and _HOST.fullmatch(host) and ".." not in host
    if re.search(r"[^!-~]", url) or parts.scheme not in ("http", "https") or not named:
        return "must be a URL such as https://example.com/path, in ASCII and without spaces"
    return "must not have a user in it; use headers" if "@" in parts.netloc else None


def place_of(url: str) -> str:
    """What may be told of a URL: its scheme, its host, and its port when it says one."""
    parts: SplitResult = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if parts.port is None else f":{parts.port}")


class _Reader:
    """Takes settings one by one and collects what is wrong with them; a wrong one reads as its default."""

    def __init__(self, action: AlertAction) -> None:
        self.settings = action.settings
        self.path = f"alerts.actions.{visible(action.name)}"
        self.faults: list[str] = []
        self.hint: str | None = None

    def fault(self, name: str, reason: str) -> None:
        """Notes what is wrong with a setting."""
        self.faults.append(f"{self.path}.{name}: {reason}")

    def refuse_unknown(self, known: tuple[str, ...]) -> None:
        """Notes every setting that there is not."""
        for name in self.settings:
            if name not in known:
                self.fault(visible(str(name)), f"there is no such setting; there are {', '.join(known)}")

    def text(self, name: str, *, required: bool = False) -> str | None:
        """A text that is not empty and has no control characters."""
        value = self.settings.get(name)
        if value is None:
            if required:
                self.fault(name, "required")
            return None
        if isinstance(value, str) and value and value.isprintable():
            return value
        self.fault(name, "must be text of one line")
        return None

    def like(self, name: str, pattern: re.Pattern[str], what: str) -> str:
        """A required text of that form."""
        value = self.text(name, required=True)
        if value is not None and pattern.fullmatch(value) is None:
            self.fault(name, f"must be {what}")
        return value or ""

    def texts(self, name: str) -> tuple[str, ...]:
        """A required list of texts."""
        value = self.settings.get(name)
        if value is None:
            self.fault(name, "required")
        elif isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
            return tuple(value)
        else:
            self.fault(name, "must be a list of texts")
        return ()

    def seconds(self) -> float:
        """How long telling people may take, retries included."""
        value = self.settings.get("timeout", f"{DEFAULT_SECONDS}s")
        if not isinstance(value, str):
            self.fault("timeout", "must be a duration as text, such as 10s")
            return DEFAULT_SECONDS
        try:
            seconds = parse_duration(value, "timeout") / 1_000
        except InvalidInput as fault:
            self.faults.append(f"{self.path}.{fault.message}")
            return DEFAULT_SECONDS
        if not 0 < seconds <= LONGEST_SECONDS:
            self.fault("timeout", f"must be greater than 0 and at most {LONGEST_SECONDS:.0f}s")
        return seconds

    def secret(self, name: str, value: Any) -> Secret:
        """Where a secret is read from: `{ env = "NAME" }` or `{ file = "/path" }`."""
        path = f"{self.path}.{name}"
        found = dict(value) if isinstance(value, Mapping) else {}
        if len(found) != 1 or not all(isinstance(each, str) and each for each in found.values()):
            self.fault(name, 'must be { env = "NAME" } or { file = "/path" }')
        elif "env" in found:
            if "=" in found["env"] or "\0" in found["env"]:
                self.fault(name, "env: is not the name of an environment variable")
            return Secret(path, variable=found["env"])
        elif "file" in found:
            if not found["file"].startswith(("/", "~/")) or "\0" in found["file"]:
                self.fault(name, "file: must be a path that begins with / or ~/")
            return Secret(path, file=found["file"])
        else:
            self.fault(name, 'must be { env = "NAME" } or { file = "/path" }')
        return Secret(path)

    def url(self) -> Secret:
        """A required URL, as text or where it is read from."""
        value = self.settings.get("url")
        if isinstance(value, str):
            reason = url_fault(value)
            if reason:
                self.fault("url", reason)
            return Secret(f"{self.path}.url", text=value)
        if value is None:
            self.fault("url", "required")
            return Secret(f"{self.path}.url")
        return self.secret("url", value)


def _email(reader: _Reader) -> EmailSettings:
    security = reader.text("security") or "starttls"
    if security not in PORTS:
        reader.fault("security", unknown_word(tuple(PORTS), security))
    return EmailSettings(
        seconds=reader.seconds(),
        to=_recipients(reader),
        sender=reader.like("from", _ADDRESS, "an address such as alerts@example.com"),
        host=reader.like("host", _HOST, "the name or address of a host"),
        port=_port(reader, PORTS.get(security, 0)),
        security=security,
        username=reader.text("username"),
        password=_password(reader),
    )


def _recipients(reader: _Reader) -> tuple[str, ...]:
    value = reader.settings.get("to")
    found = (value,) if isinstance(value, str) else reader.texts("to")
    for address in found:
        if _ADDRESS.fullmatch(address) is None:
            reader.fault("to", f"{address[:80]!r} is not an address such as ops@example.com")
    return tuple(dict.fromkeys(found))


def _port(reader: _Reader, default: int) -> int:
    value = reader.settings.get("port", default)
    if isinstance(value, int) and not isinstance(value, bool) and (0 < value < 65_536 or value == default):
        return value
    reader.fault("port", "must be a whole number from 1 to 65535")
    return default


def _password(reader: _Reader) -> Secret | None:
    value, has_user = reader.settings.get("password"), "username" in reader.settings
    if (value is not None) != has_user:
        reader.fault("username" if value is not None else "password", "username and password go together")
    if isinstance(value, str):
        reader.fault("password", "must not stand in the settings themselves")
        reader.hint = 'say where it is: password = { env = "NAME" } or { file = "/path" }'
        return None
    return None if value is None else reader.secret("password", value)


def _web(reader: _Reader) -> WebSettings:
    return WebSettings(reader.seconds(), reader.url(), _headers(reader))


def _headers(reader: _Reader) -> tuple[tuple[str, Secret], ...]:
    given = reader.settings.get("headers", {})
    if not isinstance(given, Mapping):
        reader.fault("headers", "must be a table of names and values")
        return ()
    return tuple((str(name), _header(reader, str(name), value)) for name, value in given.items())


def _header(reader: _Reader, name: str, value: Any) -> Secret:
    path = f"headers.{visible(name)}"
    if _HEADER.fullmatch(name) is None:
        reader.fault(path, "is not the name of a header")
    elif name.lower() in _OWN_HEADERS:
        reader.fault(path, "is not for settings")
    if not isinstance(value, str):
        return reader.secret(path, value)
    if header_fault(value):
        reader.fault(path, header_fault(value) or "")
    return Secret(f"{reader.path}.{path}", text=value)


def header_fault(value: str) -> str | None:
    """What is wrong with the value of a header, without telling it."""
    return None if re.fullmatch(r"[\t -~\xa0-\xff]+", value) else "must be text of one line in Latin-1"


def _slack(reader: _Reader) -> WebSettings:
    return WebSettings(reader.seconds(), reader.url())


def _command(reader: _Reader) -> CommandSettings:
    argv = reader.texts("argv")
    if any("\0" in part for part in argv) or (argv and not argv[0]):
        reader.fault("argv", "must begin with a program and have no NUL")
    return CommandSettings(reader.seconds(), argv)


_KEYS = {
    ActionKind.EMAIL: ("to", "from", "host", "port", "security", "username", "password", "timeout"),
    ActionKind.SLACK: ("url", "timeout"),
    ActionKind.WEBHOOK: ("url", "headers", "timeout"),
    ActionKind.COMMAND: ("argv", "timeout"),
}
_PARSERS: dict[ActionKind, Callable[[_Reader], Settings]] = {
    ActionKind.EMAIL: _email,
    ActionKind.SLACK: _slack,
    ActionKind.WEBHOOK: _web,
    ActionKind.COMMAND: _command,
}
