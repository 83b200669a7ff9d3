"""How often and how long it is tried to tell people, whichever way.

What libraries raise may tell a secret, in its text or in the exceptions it hangs on; so what fails here is
raised anew, outside of every handler.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mplp_trace_cli.delivery.settings import (
    LONGEST_SECONDS,
    CommandSettings,
    EmailSettings,
    parse_action,
)
from mplp_trace_cli.domain.alerts.alert import ActionKind, AlertAction, AlertNotice
from mplp_trace_cli.domain.errors import DeliveryFailed, InvalidInput

MOST_SECONDS = LONGEST_SECONDS + 15
"""Longer than any call of deliver() takes: its time limit, and the import of a library on a busy machine."""

Send = Callable[[float], None]
"""One attempt, which has that many seconds; raises DeliveryFailed."""

_PAUSES = (0.5, 1.0)
_GRACE = 0.25
"""By how much a thread may be late to say itself, and better than we could, that its time is over."""


def deliver(notice: AlertNotice, action: AlertAction) -> None:
    """Tells people one way; raises DeliveryFailed, or MissingExtra where packages are not installed.

    What may pass is tried up to three times within the action's time limit. One line without secrets says
    why it failed in the end.
    """
    failure = _try_all(notice, action)
    if failure is not None:
        raise DeliveryFailed(failure.message, permanent=failure.permanent)


def _try_all(notice: AlertNotice, action: AlertAction) -> DeliveryFailed | None:
    try:
        send, seconds = _sender(notice, action)
    except InvalidInput as fault:
        return DeliveryFailed(fault.message, permanent=True)
    end = time.monotonic() + seconds
    for pause in (*_PAUSES, None):
        failure = _attempt(send, end - time.monotonic())
        if failure is None or failure.permanent or pause is None or time.monotonic() + pause >= end:
            return failure
        time.sleep(pause)
    return None


def _sender(notice: AlertNotice, action: AlertAction) -> tuple[Send, float]:
    """Each way is imported only where it is gone: apprise takes 0.2 s."""
    settings = parse_action(action)
    if isinstance(settings, EmailSettings):
        from mplp_trace_cli.delivery.mail import mail_sender

        return _in_time(mail_sender(notice, settings)), settings.seconds
    if isinstance(settings, CommandSettings):
        from mplp_trace_cli.delivery.commands import command_sender

        return command_sender(notice, settings), settings.seconds
    from mplp_trace_cli.delivery.web import web_sender

    return _in_time(web_sender(notice, settings, action.kind is ActionKind.SLACK)), settings.seconds


def _attempt(send: Send, seconds: float) -> DeliveryFailed | None:
    try:
        send(seconds)
    except DeliveryFailed as failure:
        return failure
    return None


def _in_time(send: Send) -> Send:
    """The same in a thread that is left behind when its time is over.

    A socket's own time limit is one for each read, and none for looking up a name: a server that sends a byte
    a second would hold us as long as it likes.
    """

    def limited(seconds: float) -> None:
        ended: list[DeliveryFailed | None] = []
        worker = threading.Thread(target=lambda: ended.append(_end_of(send, seconds)), daemon=True)
        worker.start()
        worker.join(seconds + _GRACE)
        if not ended:
            raise DeliveryFailed("no answer in time", permanent=False)
        if ended[0] is not None:
            raise ended[0]

    return limited


def _end_of(send: Send, seconds: float) -> DeliveryFailed | None:
    try:
        return _attempt(send, seconds)
    except BaseException as fault:  # its text may be anything, and a thread would print it
        return DeliveryFailed(f"unexpectedly, {type(fault).__name__}", permanent=False)
