"""Posting JSON: webhooks, and the incoming webhooks of Slack, through the standard library.

Not through apprise: its JSON plugin writes a document of its own, its Slack plugin a payload that differs
between versions to a host that is fixed; and both say no status, which decides whether to try again.
"""

from __future__ import annotations

import http
import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Never

from mplp_trace_cli.delivery.secrets import Secret, told
from mplp_trace_cli.delivery.settings import WebSettings, header_fault, place_of, url_fault
from mplp_trace_cli.delivery.texts import document_json, slack_json
from mplp_trace_cli.domain.alerts.alert import AlertNotice
from mplp_trace_cli.domain.errors import DeliveryFailed

_PASSING = (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS)


def web_sender(notice: AlertNotice, settings: WebSettings, is_slack: bool) -> Callable[[float], None]:
    """One attempt to post the notice; secrets are read when it is made."""
    payload = slack_json(notice) if is_slack else document_json(notice)

    def send(seconds: float) -> None:
        url = _checked(settings.url, url_fault)
        headers = {name: _checked(value, header_fault) for name, value in settings.headers}
        _post(url, payload, {**_HEADERS, **headers}, seconds)

    return send


_HEADERS = {"Content-type": "application/json", "User-agent": "mplp-trace"}


def _checked(secret: Secret, fault_of: Callable[[str], str | None]) -> str:
    value = secret.read()
    reason = fault_of(value)
    if reason is not None:
        raise DeliveryFailed(f"{secret.path}: {reason}", permanent=True)
    return value


def _post(url: str, payload: bytes, headers: dict[str, str], seconds: float) -> None:
    request = urllib.request.Request(url, data=payload, headers=headers, method="POST")
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        opener.open(request, timeout=max(seconds, 0.001)).close()
    except urllib.error.HTTPError as answer:
        answer.close()
        _refused(place_of(url), answer.code)
    except (OSError, http.client.HTTPException) as error:
        _unreached(place_of(url), error)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows none: the headers may be secret, and the other host would get them."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _refused(place: str, status: int) -> Never:
    if 300 <= status < 400:
        raise DeliveryFailed(f"{place} redirects ({status}), which is not followed", permanent=True)
    permanent = 400 <= status < 500 and status not in _PASSING
    raise DeliveryFailed(f"{place} answered {_status_words(status)}", permanent=permanent)


def _status_words(status: int) -> str:
    return f"{status} {http.client.responses.get(status, '')}".rstrip()


def _unreached(place: str, error: Exception) -> Never:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        raise DeliveryFailed(f"{place} did not answer in time", permanent=False)
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise DeliveryFailed(f"{place}: {told(reason.verify_message)}", permanent=True)
    if isinstance(reason, socket.gaierror):
        raise DeliveryFailed(f"{place}: the name of the host is not known", permanent=False)
    said = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
    raise DeliveryFailed(f"{place}: {told(said)}", permanent=False)
