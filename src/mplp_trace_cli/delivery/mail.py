"""Mail through apprise, which is loaded here alone and whose logger stays silent.

apprise answers True or False and tells the reason to its log, along with addresses and what the server said.
So its records of our own calls end here; the reason is the exception that was handled when one was made.
"""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

from mplp_trace_cli.delivery.secrets import told
from mplp_trace_cli.delivery.settings import EmailSettings
from mplp_trace_cli.delivery.texts import body, title
from mplp_trace_cli.domain.alerts.alert import AlertNotice
from mplp_trace_cli.domain.errors import DeliveryFailed
from mplp_trace_cli.domain.extras import missing_extra
from mplp_trace_cli.domain.visible import visible

_MODES = {"none": "insecure", "starttls": "starttls", "tls": "ssl"}


class _Logged(NamedTuple):
    """What a record says, and what was being handled when it was made."""

    text: str
    error: BaseException | None


_heard: ContextVar[list[_Logged] | None] = ContextVar("mplp_trace_heard", default=None)
"""The records of the call that is being made; None outside of ours."""


class _Ear(logging.Filter):
    """Takes the records of our calls; those of other callers pass as if it were not there."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._logger = logger
        self._level = logger.level

    def filter(self, record: logging.LogRecord) -> bool:
        heard = _heard.get()
        if heard is None:
            above = self._logger.parent
            return record.levelno >= (self._level or (above.getEffectiveLevel() if above else 0))
        heard.append(_Logged(record.getMessage(), sys.exc_info()[1]))
        return False


class _Call(NamedTuple):
    """One attempt to mail, which ends at that instant of the monotonic clock."""

    settings: EmailSettings
    password: str | None
    end: float

    def __repr__(self) -> str:
        return "_Call()"

    @property
    def place(self) -> str:
        """Which server it is, for people."""
        return f"the mail server {visible(self.settings.host)}:{self.settings.port}"

    def seconds_left(self) -> float:
        """More than none; raises DeliveryFailed when the time is over."""
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            raise DeliveryFailed(f"{self.place}: no answer in time", permanent=False)
        return seconds

    def secrets(self) -> tuple[str, ...]:
        """The password, and how it is said when logging in."""
        if self.password is None:
            return ()
        return self.password, f"\0{self.settings.username}\0{self.password}"


class _Refused(DeliveryFailed):
    """The server does not take mail for one address; it may for the others."""


def mail_sender(notice: AlertNotice, settings: EmailSettings) -> Callable[[float], None]:
    """Attempts to mail the notice, once to each address; raises MissingExtra where apprise is not there."""
    plugin = _plugin()
    message = {"title": title(notice), "body": body(notice), "body_format": "text"}
    waiting = list(settings.to)

    def send(seconds: float) -> None:
        call = _Call(settings, _password(settings), time.monotonic() + seconds)
        refused: list[_Refused] = []
        for address in tuple(waiting):
            try:
                _send_one(plugin, call, address, message)
            except _Refused as failure:
                refused.append(failure)
            else:
                waiting.remove(address)
        if refused:
            raise min(refused, key=lambda failure: failure.permanent)

    return send


def _plugin() -> Any:
    try:
        from apprise.plugins.email import NotifyEmail
    except ImportError:
        raise missing_extra("alerts", "an alert by email") from None
    _listen()
    return NotifyEmail


def _listen() -> None:
    logger = logging.getLogger("apprise")
    if not any(isinstance(each, _Ear) for each in logger.filters):
        logger.addFilter(_Ear(logger))
        logger.setLevel(logging.DEBUG)  # reasons are logged at that level


def _password(settings: EmailSettings) -> str | None:
    if settings.password is None:
        return None
    value = settings.password.read()
    if not value.isascii() or not (settings.username or "").isascii():
        raise DeliveryFailed(f"{settings.password.path}: SMTP can log in with ASCII only", permanent=True)
    return value


def _send_one(plugin: Any, call: _Call, address: str, message: dict[str, str]) -> None:
    heard: list[_Logged] = []
    token = _heard.set(heard)
    try:
        mail = _mail(plugin, call, address)
        mail.socket_connect_timeout = call.seconds_left()
        is_sent = mail.notify(**message)
    finally:
        _heard.reset(token)
    if not is_sent:
        raise _failure(heard, call)


def _mail(plugin: Any, call: _Call, address: str) -> Any:
    """Makes apprise's object; the server is named as such, or apprise would guess one from the addresses."""
    settings = call.settings
    try:
        mail = plugin(
            host=settings.host,
            smtp_host=settings.host,
            port=settings.port,
            secure=settings.security != "none",
            secure_mode=_MODES[settings.security],
            user=settings.username,
            password=call.password,
            from_addr=settings.sender,
            targets=[address],
            format="text",
        )
    except TypeError:
        mail = None
    # apprise finds addresses in a text, and of one that it does not know it may take a part.
    if mail is None or mail.from_addr[1] != settings.sender:
        raise DeliveryFailed(f"apprise cannot mail from {settings.sender}", permanent=True)
    if [known for _, known in mail.targets] != [address]:
        raise _Refused(f"apprise cannot mail to {address}", permanent=True)
    return mail


def _failure(heard: list[_Logged], call: _Call) -> DeliveryFailed:
    error = next((logged.error for logged in heard if logged.error is not None), None)
    if error is None:
        reason, is_permanent = heard[-1].text if heard else "not sent", False
    else:
        reason, is_permanent = _reason(error, call.settings)
    kind = _Refused if isinstance(error, smtplib.SMTPRecipientsRefused) else DeliveryFailed
    return kind(f"{call.place}: {told(reason, call.secrets())}", permanent=is_permanent)


def _reason(error: BaseException, settings: EmailSettings) -> tuple[str, bool]:
    """What an exception of smtplib comes to, and whether it would come again."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the user name or the password is refused ({error.smtp_code})", error.smtp_code >= 500
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _said(*next(iter(error.recipients.values())))
    if isinstance(error, smtplib.SMTPResponseException):
        return _said(error.smtp_code, error.smtp_error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message, True
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return _not_offered(settings), True
    return _without_answer(error), False


def _not_offered(settings: EmailSettings) -> str:
    """What a server lacks that is asked of it; smtplib has one exception for all of it."""
    asked = ['STARTTLS, which security = "none" does without'] if settings.security == "starttls" else []
    asked += ["a login, which username and password ask for"] if settings.username is not None else []
    return f"it does not offer {' or '.join(asked) or 'what such an address needs'}"


def _said(code: int, answer: bytes | str) -> tuple[str, bool]:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return f"{code} {text}", code >= 500


def _without_answer(error: BaseException) -> str:
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "no answer in time"  # smtplib makes a disconnection of it
    if isinstance(error, socket.gaierror):
        return "the name of the host is not known"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "it closed the connection"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
