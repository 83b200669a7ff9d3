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
from mplp_trace_cli.domain.alerts import AlertNotice
from mplp_trace_cli.domain.errors import DeliveryFailed
from mplp_trace_cli.domain.extras import missing_extra

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


def mail_sender(notice: AlertNotice, settings: EmailSettings) -> Callable[[float], None]:
    """Attempts to mail the notice, once to each address; raises MissingExtra where apprise is not there."""
    plugin = _plugin()
    message = {"title": title(notice), "body": body(notice), "body_format": "text"}
    waiting = list(settings.to)

    def send(seconds: float) -> None:
        end = time.monotonic() + seconds
        password = _password(settings)
        while waiting and time.monotonic() < end:
            _send_one(_mail(plugin, settings, waiting[0], password), message, end, (password or "",))
            del waiting[0]

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


def _mail(plugin: Any, settings: EmailSettings, address: str, password: str | None) -> Callable[[], Any]:
    """Makes apprise's object; the server is named as such, or apprise would guess one from the addresses."""
    return lambda: plugin(
        host=settings.host,
        smtp_host=settings.host,
        port=settings.port,
        secure=settings.security != "none",
        secure_mode=_MODES[settings.security],
        user=settings.username,
        password=password,
        from_addr=settings.sender,
        targets=[address],
        format="text",
    )


def _send_one(make: Callable[[], Any], message: dict[str, str], end: float, secrets: tuple[str, ...]) -> None:
    heard: list[_Logged] = []
    token = _heard.set(heard)
    try:
        mail = make()
        mail.socket_connect_timeout = max(end - time.monotonic(), 0.001)
        is_sent = mail.notify(**message)
    finally:
        _heard.reset(token)
    if not is_sent:
        raise _failure(heard, secrets)


def _failure(heard: list[_Logged], secrets: tuple[str, ...]) -> DeliveryFailed:
    errors = [logged.error for logged in heard if logged.error is not None]
    if errors:
        reason, is_permanent = _reason(errors[0])
    else:
        reason, is_permanent = heard[-1].text if heard else "not sent", False
    return DeliveryFailed(f"the mail server: {told(reason, secrets)}", permanent=is_permanent)


def _reason(error: BaseException) -> tuple[str, bool]:
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
        return "it cannot do what is asked of it, STARTTLS or logging in", True
    return _without_answer(error), False


def _said(code: int, answer: bytes | str) -> tuple[str, bool]:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return f"{code} {text}", code >= 500


def _without_answer(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the name of the host is not known"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "it closed the connection"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
