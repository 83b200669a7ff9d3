"""How notices reach people: real servers on loopback, real commands, and nothing secret in what is told."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli.delivery import MOST_SECONDS, check_action, deliver
from mplp_trace_cli.delivery.secrets import told
from mplp_trace_cli.delivery.texts import body, humane_figure, slack_json, title
from mplp_trace_cli.domain.alerts.alert import (
    ActionKind,
    AlertAction,
    AlertFigure,
    AlertNotice,
    AlertState,
    Severity,
)
from mplp_trace_cli.domain.errors import DeliveryFailed, InvalidInput, MissingExtra
from mplp_trace_cli.domain.times import SECOND_US, parse_instant
from tests.conftest import ROOT
from tests.helpers_servers import (
    LOOPBACK,
    MailServer,
    Talk,
    drip,
    mail_server,
    own_certificate,
    raw_server,
    silence,
    web_server,
)

SECRET = "hunter2-Zq8+/=w"
SINCE = parse_instant("2026-03-02T09:00:00Z")
NOTICE = AlertNotice(
    rule="high error rate",
    severity=Severity.HIGH,
    state=AlertState.FIRING,
    group=(("context_id", "ctx-checkout"),),
    condition="error_rate > 5%",
    window_us=300 * SECOND_US,
    figures=(AlertFigure("error_rate", 0.125, "share"),),
    since=SINCE,
    at=SINCE + 60 * SECOND_US,
)
HOSTILE = (
    "x\r\nBcc: evil@example.com\n\n<!channel> <https://evil.example|ok> *b* & \x1b[31m\u202e\x00 <b>\ud800"
)


Script = Callable[..., AlertAction]


def action(kind: ActionKind, **settings: Any) -> AlertAction:
    """An action named `ops`."""
    return AlertAction("ops", kind, settings)


def email(port: int, **settings: Any) -> AlertAction:
    """Mail to one address by a server on loopback; a setting may be named with `_` after it."""
    own = {name.rstrip("_"): value for name, value in settings.items()}
    given = {"to": "ops@example.com", "from": "alerts@example.com", "host": LOOPBACK, "port": port}
    return action(ActionKind.EMAIL, **{**given, "security": "none", **own})


def webhook(url: Any, **settings: Any) -> AlertAction:
    """A webhook."""
    return action(ActionKind.WEBHOOK, url=url, **settings)


def failure_of(alert_action: AlertAction, notice: AlertNotice = NOTICE) -> DeliveryFailed:
    """What telling people that way comes to: one line, which hangs on no other exception."""
    with pytest.raises(DeliveryFailed) as caught:
        deliver(notice, alert_action)
    assert "\n" not in caught.value.message
    assert caught.value.__context__ is None
    return caught.value


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is reached without the proxy that the caller may have."""
    monkeypatch.setenv("no_proxy", LOOPBACK)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Writes a Python script, and gives the settings that run it."""

    def write(text: str, *arguments: str, timeout: str = "10s") -> AlertAction:
        path = tmp_path / "tell.py"
        path.write_text(text, encoding="utf-8")
        argv = [sys.executable, str(path), *arguments]
        return action(ActionKind.COMMAND, argv=argv, timeout=timeout)

    return write


# What is told


def test_a_title_and_a_body_say_it_in_words() -> None:
    """The title is one line; figures, spans and instants are as people read them."""
    assert title(NOTICE) == "[HIGH] firing: high error rate (context_id=ctx-checkout)"
    assert body(NOTICE).splitlines() == [
        "condition: error_rate > 5%",
        "error_rate: 12.5%",
        "window: 5m 00s",
        "since: 2026-03-02 09:00:00 UTC",
        "firing: 2026-03-02 09:01:00 UTC",
    ]


def test_a_test_says_that_it_is_one() -> None:
    """In the title and before everything else in the body."""
    notice = NOTICE._replace(is_test=True, group=(("context_id", None),))
    assert title(notice) == "[HIGH] test, firing: high error rate (context_id=(none))"
    assert body(notice).startswith("This is a test; nothing has happened.\n\n")


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.042, "share", "4.2%"),
        (2_350.0, "ms", "2.35s"),
        (0.05, "/s", "3/min"),
        (1_204.0, "", "1,204"),
        (7.0, "GB", "7 GB"),
        (None, "ms", "nothing was measured"),
        (float("inf"), "ms", "inf"),
    ],
)
def test_figures_read_as_their_unit_asks(value: float | None, unit: str, said: str) -> None:
    """Shares, spans, rates, counts, custom metrics, and what was not measured."""
    assert humane_figure(AlertFigure("x", value, unit)) == said


def hostile() -> AlertNotice:
    """A notice whose every text from outside tries to be more than text."""
    return NOTICE._replace(
        rule=HOSTILE,
        group=((HOSTILE, HOSTILE),),
        condition=HOSTILE,
        figures=(AlertFigure(HOSTILE, float("nan"), HOSTILE),),
    )


def test_hostile_text_stays_on_its_line() -> None:
    """Control characters, direction marks and surrogates are written out; what is too long is cut."""
    assert title(hostile()).isprintable()
    assert all(line.isprintable() for line in body(hostile()).splitlines())
    assert len(body(hostile()).splitlines()) == 5
    assert len(title(NOTICE._replace(rule="x" * 5_000))) == 200


# Settings


SETTINGS: list[tuple[ActionKind, dict[str, Any], tuple[str, ...]]] = [
    (ActionKind.EMAIL, {}, ("to: required", "from: required", "host: required")),
    (ActionKind.EMAIL, {"too": "x"}, ("too: there is no such setting; there are to, from",)),
    (ActionKind.EMAIL, {"to": []}, ("to: must be a list of texts",)),
    (ActionKind.EMAIL, {"to": ["a@b.example\r\nBcc: c@d.example"]}, ("to: 'a@b.example\\r\\n",)),
    (ActionKind.EMAIL, {"from": "me"}, ("from: must be an address",)),
    (ActionKind.EMAIL, {"host": "mail example"}, ("host: must be the name",)),
    (ActionKind.EMAIL, {"port": 0}, ("port: must be a whole number",)),
    (ActionKind.EMAIL, {"port": True}, ("port: must be a whole number",)),
    (ActionKind.EMAIL, {"security": "tsl"}, ("security: 'tsl' is not one of none, starttls, tls",)),
    (ActionKind.EMAIL, {"username": "a"}, ("password: username and password go together",)),
    (ActionKind.EMAIL, {"password": {"env": "P"}}, ("username: username and password go together",)),
    (ActionKind.SLACK, {}, ("url: required",)),
    (ActionKind.SLACK, {"url": "ftp://a/b"}, ("url: must be a URL",)),
    (ActionKind.SLACK, {"url": "file:///etc/passwd"}, ("url: must be a URL",)),
    (ActionKind.SLACK, {"url": "https://a:x/b"}, ("url: must be a URL",)),
    (ActionKind.SLACK, {"url": "https://a b/c"}, ("url: must be a URL",)),
    (ActionKind.SLACK, {"url": "https://a..b/c"}, ("url: must be a URL",)),
    (ActionKind.SLACK, {"url": f"https://u:{SECRET}@h/c"}, ("url: must",)),
    (ActionKind.SLACK, {"url": {"file": "relative"}}, ("url: file: must be a path that begins with",)),
    (ActionKind.SLACK, {"url": {"env": "A", "file": "/b"}}, ("url: must be { env",)),
    (ActionKind.SLACK, {"url": {"environment": "A"}}, ("url: must be { env",)),
    (ActionKind.SLACK, {"url": 7}, ("url: must be { env",)),
    (ActionKind.WEBHOOK, {"headers": {"X-A": "a\r\nX-B: b"}}, ("headers.X-A: must be text of one line",)),
    (ActionKind.WEBHOOK, {"headers": {"X A": "a"}}, ("headers.X A: is not the name of a header",)),
    (ActionKind.WEBHOOK, {"headers": {"Host": "a"}}, ("headers.Host: is not for settings",)),
    (ActionKind.WEBHOOK, {"headers": []}, ("headers: must be a table",)),
    (ActionKind.WEBHOOK, {"timeout": "61s"}, ("timeout: must be greater than 0 and at most 60s",)),
    (ActionKind.WEBHOOK, {"timeout": "0s"}, ("timeout: must be greater than 0",)),
    (ActionKind.WEBHOOK, {"timeout": "soon"}, ("timeout: 'soon' is not a duration",)),
    (ActionKind.WEBHOOK, {"timeout": 5}, ("timeout: must be a duration as text",)),
    (ActionKind.COMMAND, {}, ("argv: required",)),
    (ActionKind.COMMAND, {"argv": "rm -rf /"}, ("argv: must be a list of texts",)),
    (ActionKind.COMMAND, {"argv": ["a", 1]}, ("argv: must be a list of texts",)),
    (ActionKind.COMMAND, {"argv": ["a\0b"]}, ("argv: must begin with a program",)),
]


@pytest.mark.parametrize(("kind", "settings", "faults"), SETTINGS)
def test_wrong_settings_are_named(
    kind: ActionKind, settings: dict[str, Any], faults: tuple[str, ...]
) -> None:
    """Each with its path, none with a value that may be secret; to deliver is a permanent failure."""
    with pytest.raises(InvalidInput) as caught:
        check_action(AlertAction("ops", kind, settings))
    for fault in faults:
        assert f"alerts.actions.ops.{fault}" in caught.value.message
    assert SECRET not in caught.value.message
    assert failure_of(AlertAction("ops", kind, settings)).permanent


def test_a_password_in_the_settings_is_refused() -> None:
    """The hint says how it is given; the password itself is not told."""
    with pytest.raises(InvalidInput) as caught:
        check_action(email(25, username="me", password=SECRET))
    assert SECRET not in caught.value.message
    assert caught.value.hint is not None
    assert "env" in caught.value.hint


def test_checking_reads_no_secrets() -> None:
    """A variable and a file that are not there are no faults of the settings."""
    check_action(email(25, username="me", password={"env": "MPLP_NOT_THERE"}))
    check_action(webhook({"file": "/not/there"}, headers={"Authorization": {"file": "~/not-there"}}))
    check_action(action(ActionKind.SLACK, url="https://hooks.slack.com/services/T/B/X", timeout="60s"))


def test_the_examples_of_the_page_are_settings_that_exist() -> None:
    """Every action of a TOML block is taken, and every kind has one."""
    page = (ROOT / "docs" / "alert-actions.md").read_text(encoding="utf-8")
    kinds = set()
    for block in re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for name, settings in tomllib.loads(block)["alerts"]["actions"].items():
            kinds.add(kind := ActionKind(settings.pop("type")))
            check_action(AlertAction(name, kind, settings))
    assert kinds == set(ActionKind)


# Secrets


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """`~` is the home folder; the newline at the end is none of it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text(f"Bearer {SECRET}{ending}", newline="", encoding="utf-8")
    with web_server() as server:
        deliver(NOTICE, webhook(server.url(), headers={"Authorization": {"file": "~/token"}}))
    assert server.posted[0].headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"env": "MPLP_NOT_THERE"}, "the environment variable MPLP_NOT_THERE is not set"),
        ({"env": "MPLP_EMPTY"}, "the environment variable MPLP_EMPTY is empty"),
        ({"file": "/not/there"}, "the file /not/there: No such file or directory"),
    ],
)
def test_a_secret_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, setting: dict[str, str], said: str
) -> None:
    """Where it should be; it may be there the next time."""
    monkeypatch.setenv("MPLP_EMPTY", "")
    failure = failure_of(webhook(setting))
    assert (failure.message, failure.permanent) == (f"alerts.actions.ops.url: {said}", False)


def test_a_file_that_is_no_secret_is_refused(tmp_path: Path) -> None:
    """Too large, or no text."""
    for content, said in ((b"x" * 70_000, "is too large"), (b"\xff\xfe", "is not UTF-8")):
        (tmp_path / "secret").write_bytes(content)
        assert said in failure_of(webhook({"file": str(tmp_path / "secret")})).message


@pytest.mark.parametrize("value", [f"ftp://{SECRET}/", f"http://{LOOPBACK}/\r\n{SECRET}", SECRET])
def test_a_secret_that_is_no_url_is_not_told(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """A permanent failure that names the setting."""
    monkeypatch.setenv("MPLP_URL", value)
    failure = failure_of(webhook({"env": "MPLP_URL"}))
    assert failure.permanent
    assert failure.message.startswith("alerts.actions.ops.url: must be a URL")
    assert SECRET not in failure.message


def echo_secrets(text: str) -> str:
    """An answer of a server that tells what it was given, as it came too."""
    login = base64.b64encode(f"\0watcher\0{text}".encode()).decode()
    return f"554 5.0.0 no {text} {login} {base64.b64encode(text.encode()).decode()}"


def failing(kind: str, mail_port: int, web_url: str) -> AlertAction:
    """An action with a secret that does not reach people."""
    secret = {"env": "MPLP_SECRET"}
    actions: Mapping[str, AlertAction] = {
        "email": email(mail_port, username="watcher", password=secret),
        "email refused": email(1, username="watcher", password=secret, timeout="300ms"),
        "slack": action(ActionKind.SLACK, url=f"{web_url}/{SECRET}"),
        "slack refused": action(ActionKind.SLACK, url=f"http://{LOOPBACK}:1/{SECRET}", timeout="300ms"),
        "webhook": webhook({"env": "MPLP_URL"}, headers={"Authorization": secret}),
        "webhook header": webhook(web_url, headers={"Authorization": {"env": "MPLP_BAD"}}),
    }
    return actions[kind]


@pytest.mark.parametrize(
    "kind", ["email", "email refused", "slack", "slack refused", "webhook", "webhook header"]
)
def test_no_secret_is_told_anywhere(
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not in what is raised, nor in what it hangs on, nor logged at any level, nor printed."""
    script = MailServer(password=SECRET, answers=(echo_secrets(SECRET),))
    with (
        caplog.at_level(1),
        web_server(404) as web,
        mail_server(script, auth_require_tls=False, authenticator=script.log_in) as mail,
    ):
        monkeypatch.setenv("MPLP_SECRET", SECRET)
        monkeypatch.setenv("MPLP_URL", web.url(f"/{SECRET}"))
        monkeypatch.setenv("MPLP_BAD", f"{SECRET}\r\nX: y")
        failure = failure_of(failing(kind, mail.port, web.url()))
    shown = capfd.readouterr()
    ours = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("mail."))
    whole = "".join(traceback.format_exception(failure))
    for text in (whole, repr(failure), str(failure.details), ours, shown.out, shown.err):
        assert SECRET not in text
        assert base64.b64encode(SECRET.encode()).decode() not in text
    if kind == "email":
        assert failure.message == f"the mail server {LOOPBACK}:{mail.port}: 554 5.0.0 no *** *** ***"


@given(st.text(st.characters(codec="utf-8"), min_size=6, max_size=20).filter(str.strip))
def test_what_a_server_says_is_told_without_secrets(secret: str) -> None:
    """As it is, wherever it stands; what remains is one printable line."""
    text = told(f"no {secret}, {secret}", (secret,))
    assert secret not in text
    assert text.isprintable()


def test_the_logger_of_apprise_is_left_to_others(caplog: pytest.LogCaptureFixture) -> None:
    """What others log with it is logged as before; our own calls log nothing."""
    with caplog.at_level(logging.WARNING), mail_server() as server:
        deliver(NOTICE, email(server.port))
        logging.getLogger("apprise").warning("theirs")
        logging.getLogger("apprise").debug("not at this level")
    assert [record.getMessage() for record in caplog.records if record.name == "apprise"] == ["theirs"]


# Mail


def test_a_mail_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Title and body, from the sender, one mail for each address."""
    with mail_server() as server:
        deliver(NOTICE, email(server.port, to=["ops@example.com", "boss@localhost", "ops@example.com"]))
    assert [to for to, _ in server.mails] == [("ops@example.com",), ("boss@localhost",)]
    mail = server.mails[0][1]
    assert (mail["Subject"], mail["From"], mail["To"]) == (
        title(NOTICE),
        "alerts@example.com",
        "ops@example.com",
    )
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines() == body(NOTICE).splitlines()


def test_hostile_text_is_text_in_a_mail() -> None:
    """It adds no header, no address and no part."""
    with mail_server() as server:
        deliver(hostile(), email(server.port))
    ((to, mail),) = server.mails
    assert to == ("ops@example.com",)
    assert "Bcc" not in mail
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().splitlines() == body(hostile()).splitlines()
    assert mail["Subject"] == title(hostile())


def test_a_mail_server_asks_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the right password the mail goes; with a wrong one it is a permanent failure."""
    script = MailServer(password=SECRET)
    with mail_server(script, auth_require_tls=False, authenticator=script.log_in) as server:
        asked = email(server.port, username="watcher", password={"env": "MPLP_SECRET"})
        monkeypatch.setenv("MPLP_SECRET", SECRET)
        deliver(NOTICE, asked)
        monkeypatch.setenv("MPLP_SECRET", "wrong")
        failure = failure_of(asked)
    assert len(server.mails) == 1
    assert failure.permanent
    assert failure.message == f"{place_of(server)}: the user name or the password is refused (535)"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str) -> None:
    """A mail goes where the certificate is trusted, and nowhere else."""
    context, certificate = own_certificate(tmp_path)
    options = {"tls_context": context, "require_starttls": True}
    with mail_server(**options if security == "starttls" else {"ssl_context": context}) as server:
        failure = failure_of(email(server.port, security=security))
        assert failure.permanent
        assert "certificate" in failure.message
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        deliver(NOTICE, email(server.port, security=security))
    assert len(server.mails) == 1


def test_a_server_without_starttls_gets_no_mail() -> None:
    """Nothing is sent in the clear where security is asked for."""
    with mail_server() as server:
        failure = failure_of(email(server.port, security="starttls"))
    assert (failure.permanent, server.mails) == (True, [])
    assert failure.message == (
        f'{place_of(server)}: it does not offer STARTTLS, which security = "none" does without'
    )


def test_a_server_without_a_login_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be left out of the settings is named, so that nobody looks for another fault."""
    monkeypatch.setenv("MAIL_PASSWORD", "secret")
    with mail_server() as server:
        failure = failure_of(email(server.port, username="me", password={"env": "MAIL_PASSWORD"}))
    assert failure.permanent
    assert failure.message == (
        f"{place_of(server)}: it does not offer a login, which username and password ask for"
    )


def test_a_mail_server_that_is_busy_is_asked_again() -> None:
    """Who has the mail does not get it again."""
    script = MailServer(answers=("250 OK", "451 later", "250 OK"))
    with mail_server(script) as server:
        deliver(NOTICE, email(server.port, to=["a@example.com", "b@example.com"]))
    assert [to for to, _ in server.mails] == [("a@example.com",), ("b@example.com",)]


def place_of(server: Any) -> str:
    """How a failure begins that names the mail server."""
    return f"the mail server {LOOPBACK}:{server.port}"


def test_a_mail_that_is_refused_says_why() -> None:
    """The server's own words, of one line; it is not tried again."""
    with mail_server(MailServer(answers=("554 5.7.1 not\twanted",))) as server:
        failure = failure_of(email(server.port))
    assert (failure.message, failure.permanent) == (f"{place_of(server)}: 554 5.7.1 not wanted", True)
    assert server.asked == 1


def test_an_address_that_is_refused_is_no_harm_to_the_others() -> None:
    """They get the mail, once; the failure says what the server said of the one."""
    script = MailServer(unknown="gone@example.com")
    with mail_server(script) as server:
        failure = failure_of(email(server.port, to=["gone@example.com", "ops@example.com"]))
    assert (failure.message, failure.permanent) == (f"{place_of(server)}: 550 5.1.1 no such user", True)
    assert [to for to, _ in server.mails] == [("ops@example.com",)]


@pytest.mark.parametrize("address", ["ops@web1", "ops@aa0.zz-a", "o'brien@example.com"])
def test_an_address_that_apprise_would_change_gets_no_mail(address: str) -> None:
    """Nor does the one that apprise makes of it."""
    with mail_server() as server:
        failure = failure_of(email(server.port, to=address))
    assert (failure.message, failure.permanent) == (f"apprise cannot mail to {address}", True)
    assert server.mails == []


def test_a_sender_that_apprise_does_not_take_is_named() -> None:
    """Such as a host of a short name without a domain."""
    failure = failure_of(email(25, from_="alerts@web1"))
    assert (failure.message, failure.permanent) == ("apprise cannot mail from alerts@web1", True)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where apprise is not installed, the error says what to install; a webhook does without."""
    monkeypatch.setitem(sys.modules, "apprise.plugins.email", None)
    with pytest.raises(MissingExtra) as caught:
        deliver(NOTICE, email(25))
    assert caught.value.hint == "pip install 'mplp-trace[alerts]'"
    with web_server() as server:
        deliver(NOTICE, webhook(server.url()))


def test_apprise_is_loaded_for_mail_alone() -> None:
    """Not to check settings, nor for the other ways."""
    code = (
        "import sys\n"
        "from mplp_trace_cli.delivery import check_action, deliver\n"
        "from tests.test_delivery import NOTICE, ActionKind, action, email\n"
        "check_action(email(25))\n"
        "deliver(NOTICE, action(ActionKind.COMMAND, argv=['true']))\n"
        "assert not any(name.startswith('apprise') for name in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


# Slack and webhooks


def test_a_webhook_gets_the_document() -> None:
    """Exactly the notice as JSON, with the headers of the settings."""
    with web_server() as server:
        deliver(NOTICE, webhook(server.url("/a?b=c"), headers={"X-Team": "ops", "user-agent": "own"}))
    (posted,) = server.posted
    assert json.loads(posted.body) == NOTICE.document()
    assert posted.path == "/a?b=c"
    assert posted.headers["Content-Type"] == "application/json"
    assert (posted.headers["X-Team"], posted.headers["User-Agent"]) == ("ops", "own")


def test_a_figure_that_json_has_no_number_for_is_null() -> None:
    """And surrogates are escaped: what is posted is valid JSON."""
    with web_server() as server:
        deliver(hostile(), webhook(server.url()))
    document = json.loads(server.posted[0].body)
    assert document["values"] == {HOSTILE: None}
    assert document["rule"] == HOSTILE


def test_slack_gets_text_that_is_nothing_else() -> None:
    """No links, no mentions, no formatting, whatever the texts are."""
    with web_server() as server:
        deliver(hostile(), action(ActionKind.SLACK, url=server.url("/services/T/B/X")))
    (posted,) = server.posted
    assert posted.path == "/services/T/B/X"
    assert posted.body == slack_json(hostile())
    payload = json.loads(posted.body)
    assert not set("<>") & set(payload["text"])
    assert "&lt;!channel&gt; &lt;https://evil.example|ok&gt; *b* &amp;" in payload["text"]
    assert (payload["mrkdwn"], payload["link_names"], payload["parse"]) == (False, False, "none")


def test_a_server_that_stumbles_is_asked_again() -> None:
    """500 and 429 pass; the third answer counts."""
    with web_server(500, 429, 200) as server:
        deliver(NOTICE, webhook(server.url()))
    assert len(server.posted) == 3


def test_it_is_tried_three_times() -> None:
    """The failure is not permanent, and names the place and the status, not the path."""
    with web_server(503) as server:
        failure = failure_of(webhook(server.url(f"/{SECRET}")))
    assert (len(server.posted), failure.permanent) == (3, False)
    assert failure.message == f"{server.url('')} answered 503 Service Unavailable"


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_what_is_refused_is_not_tried_again(status: int) -> None:
    """An answer that says that the request is wrong is permanent."""
    with web_server(status) as server:
        failure = failure_of(webhook(server.url()))
    assert (len(server.posted), failure.permanent) == (1, True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """The other host never gets what is secret."""
    with web_server() as other, web_server(status, location=other.url()) as server:
        failure = failure_of(webhook(server.url(), headers={"Authorization": SECRET}))
    assert (len(server.posted), other.posted, failure.permanent) == (1, [], True)


# Time limits


LATE: dict[str, tuple[Talk, ActionKind]] = {
    "silent web": (silence, ActionKind.WEBHOOK),
    "dripping web": (drip(b"HTTP/1.1 200 OK\r\nX-Slow: "), ActionKind.WEBHOOK),
    "silent mail": (silence, ActionKind.EMAIL),
    "dripping mail": (drip(b"220 "), ActionKind.EMAIL),
}


@pytest.mark.parametrize("kind", LATE)
def test_a_time_limit_holds(kind: str) -> None:
    """For a server that says nothing, and for one that never stops; it may be tried later."""
    talk, way = LATE[kind]
    with raw_server(talk) as port:
        is_mail = way is ActionKind.EMAIL
        url = f"http://{LOOPBACK}:{port}/"
        target = email(port, timeout="600ms") if is_mail else webhook(url, timeout="600ms")
        began = time.monotonic()
        failure = failure_of(target)
    assert not failure.permanent
    assert "in time" in failure.message
    assert time.monotonic() - began < MOST_SECONDS / 5


# Commands


def test_a_command_gets_the_notice(script: Script, tmp_path: Path) -> None:
    """JSON on standard input, the outline in its environment, its arguments as they are."""
    out = tmp_path / "out"
    text = (
        "import json, os, sys\n"
        "said = {k: v for k, v in os.environ.items() if k.startswith('MPLP_TRACE_ALERT_')}\n"
        "print('not for us')\n"
        "json.dump([json.load(sys.stdin), said, sys.argv[2:]], open(sys.argv[1], 'w'))\n"
    )
    deliver(NOTICE, script(text, str(out), "$HOME; *"))
    assert json.loads(out.read_text()) == [
        NOTICE.document(),
        {
            "MPLP_TRACE_ALERT_RULE": "high error rate",
            "MPLP_TRACE_ALERT_STATE": "firing",
            "MPLP_TRACE_ALERT_SEVERITY": "high",
        },
        ["$HOME; *"],
    ]


def test_a_command_prints_nothing_of_ours(script: Script, capfd: pytest.CaptureFixture[str]) -> None:
    """What it writes is not on our own output, however much it is; not reading is no fault."""
    text = "import sys\nfor _ in range(200):\n print('x' * 9999)\n print('y' * 9999, file=sys.stderr)\n"
    deliver(hostile(), script(text))
    assert capfd.readouterr() == ("", "")


def test_a_command_that_fails_says_why(script: Script) -> None:
    """With its exit code and the first line of its standard error; it is tried three times."""
    failure = failure_of(script("import sys\nsys.exit('no \\x1b[31mpaging\\nTraceback')"))
    assert failure.message == "the command ended with exit code 1: no \\x1b[31mpaging"
    assert not failure.permanent


def test_a_command_that_works_in_the_end_is_no_failure(script: Script, tmp_path: Path) -> None:
    """The second attempt gets the whole notice too."""
    text = (
        "import pathlib, sys\n"
        "seen = pathlib.Path(sys.argv[1])\n"
        "with seen.open('a') as out: out.write(sys.stdin.read() + '\\n')\n"
        "sys.exit(len(seen.read_text().splitlines()) < 2)\n"
    )
    deliver(NOTICE, script(text, str(tmp_path / "seen")))
    lines = (tmp_path / "seen").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [NOTICE.document()] * 2


def test_a_command_that_is_not_there_is_permanent(script: Script, tmp_path: Path) -> None:
    """As is one that cannot be run, and one whose shell says so."""
    (tmp_path / "plain").write_text("x", encoding="utf-8")
    for argv in (["mplp-not-there"], [str(tmp_path / "plain")], ["sh", "-c", "mplp-not-there"]):
        assert failure_of(action(ActionKind.COMMAND, argv=argv)).permanent
    missing = failure_of(action(ActionKind.COMMAND, argv=["mplp-not-there"]))
    assert missing.message == "the command mplp-not-there: No such file or directory"


@pytest.mark.parametrize(
    ("free", "said"),
    [(0, "no temporary file can be written: "), (1, "the command ")],
)
def test_a_command_that_cannot_be_started_now_may_be_later(script: Script, free: int, said: str) -> None:
    """Where a process has as many files open as it may, it is no fault of the config."""
    action = script("")
    tempfile.gettempdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + free, hard))
    try:
        failure = failure_of(action)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert failure.message.startswith(said)
    assert (failure.message.endswith("Too many open files"), failure.permanent) == (True, False)


def test_a_command_that_takes_too_long_is_killed_with_its_children(script: Script, tmp_path: Path) -> None:
    """Nobody holds the pipe any more that both had open."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = (
        "import os, subprocess, sys, time\n"
        "held = os.open(sys.argv[1], os.O_WRONLY)\n"
        "subprocess.Popen(['sleep', '600'], pass_fds=[held])\n"
        "os.write(held, b'x')\n"
        "time.sleep(600)\n"
    )
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    failure = failure_of(script(text, str(pipe), timeout="3s"))
    os.set_blocking(reader, True)
    assert (os.read(reader, 10), os.read(reader, 10)) == (b"x", b"")
    os.close(reader)
    assert (failure.message, failure.permanent) == ("the command took too long", False)


def test_a_child_that_stays_holds_nobody_up(script: Script) -> None:
    """A command may leave something running in the background."""
    text = "import subprocess\nsubprocess.Popen(['sleep', '5'])\n"
    began = time.monotonic()
    deliver(NOTICE, script(text))
    assert time.monotonic() - began < 5
