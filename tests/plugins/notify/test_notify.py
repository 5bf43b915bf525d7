"""Real servers are told that a run has ended; those that refuse or are silent are one line, and no secret is in it."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from sebsx import plugins
from sebsx.errors import UserError
from sebsx.model import Run, RunStatus
from sebsx.running import orchestrator
from sebsx.settings import Layer, SettingsReader
from sebsx.testing.fakes import FakePlatform
from sebsx_notify.mail import Mail
from sebsx_notify.telling import tell_all
from tests.emulated_azure import certificates
from tests.orchestration import Listener, registry_with, run_spec, store_in
from tests.support import BUILT_IN, Cli

PASSWORD, TOKEN = "correct-horse-battery", "token-that-nobody-sees"
BEGAN = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
RUN = Run(
    id="01JZ0000000000000000000001", experiment="dnn-inference", settings={}, seed=1, status=RunStatus.UNSUCCESSFUL,
    started_at=BEGAN, finished_at=BEGAN + timedelta(hours=2, minutes=5), campaign="nightly",
    error="2 of 8 cells failed: https://user:hidden@example.org/x",
)  # fmt: skip


class Inbox:
    """What a mail server accepted."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        self.mails.append(BytesParser(EmailMessage, policy=default).parsebytes(envelope.content))
        return "250 OK"


@contextmanager
def mail_server(inbox: Inbox, certificate: Path | None = None) -> Iterator[int]:
    """Yield the port of a server; with a certificate it demands STARTTLS and a sign-in."""
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)

    def signed_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"me", PASSWORD.encode()), handled=False)

    secure = {"tls_context": tls, "require_starttls": True, "auth_required": True, "authenticator": signed_in}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port, **(secure if tls else {}))
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    certificates.write(folder / "server.pem", folder / "trusted.pem")
    return folder / "server.pem", folder / "trusted.pem"


def told(caplog: pytest.LogCaptureFixture, run: Run = RUN, **settings: Any) -> list[str]:
    """Tell of a run with these settings, and return the warnings."""
    registry = plugins.load(BUILT_IN)
    sections = [section for section in registry.sections() if section.name.startswith("notify.")]
    values = {f"notify.{key.replace('__', '.')}": value for key, value in settings.items()}
    with caplog.at_level(logging.WARNING):
        tell_all(run, registry, SettingsReader([Layer("test", values)], sections))
    return [record.getMessage() for record in caplog.records if record.name == "sebsx_notify.telling"]


def to(port: int, **more: Any) -> dict[str, Any]:
    mail = {"to": ["you@example.org", "me@example.org"], "host": "127.0.0.1", "port": port, **more}
    return {f"mail__{key}": value for key, value in mail.items()}


def signed(port: int, certificate: tuple[Path, Path], **more: Any) -> dict[str, Any]:
    return to(port, **{"user": "me", "password": PASSWORD, "ca_file": str(certificate[1]), **more})


@pytest.mark.slow
def test_mail_server_with_starttls_and_sign_in_gets_one_mail(
    certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    with mail_server(inbox, certificate[0]) as port:
        assert told(caplog, **signed(port, certificate)) == []
    (mail,) = inbox.mails
    assert mail["Subject"] == "sebsx: dnn-inference of campaign nightly unsuccessful after 2 h 5 min"
    assert mail["To"] == "you@example.org, me@example.org"
    assert mail["From"] == "you@example.org"
    text = mail.get_content()
    assert "2 of 8 cells failed" in text
    assert f"sebsx show {RUN.id}" in text
    assert "hidden" not in text
    assert PASSWORD not in mail.as_string()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"password": "wrong-horse-battery"}, "authentication"),
        ({"ca_file": ""}, "certificate verify failed"),
    ],
    ids=["wrong password", "certificate that nobody trusts"],
)
def test_mail_server_that_refuses_or_is_not_trusted_is_one_line_without_secrets(
    certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture, changed: dict[str, Any], why: str
) -> None:
    inbox = Inbox()
    with mail_server(inbox, certificate[0]) as port:
        (warning,) = told(caplog, **signed(port, certificate, **changed))
    assert warning.startswith("nobody was told of the end of the run by mail: ")
    assert why in warning.lower()
    assert "\n" not in warning
    assert "horse" not in warning
    assert inbox.mails == []


@pytest.mark.slow
def test_mail_server_without_encryption_gets_nothing_unless_that_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        (warning,) = told(caplog, **to(port, user="me", password=PASSWORD))
        assert "STARTTLS" in warning
        assert inbox.mails == []
        caplog.clear()
        assert told(caplog, **to(port, security="none")) == []
    assert len(inbox.mails) == 1


def test_password_in_the_clear_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    (warning,) = told(caplog, **to(9, user="me", password=PASSWORD, security="none"))
    assert "not sent over a connection in the clear" in warning
    assert PASSWORD not in warning


def test_silent_server_holds_the_run_up_for_its_time_out_alone(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (warning,) = told(caplog, **to(silent.getsockname()[1], timeout_s=0.1))
    assert "timed out" in warning or "no answer within 0.1 s" in warning


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted, and answers with the status that is wanted."""

    got: list[tuple[dict[str, str], Any]] = []  # noqa: RUF012  # of one test
    status = 204

    def do_POST(self) -> None:  # the library's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((dict(self.headers), json.loads(body)))
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: Any) -> None:
        """Print nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, type[Hook]]]:
    kind = type("OneHook", (Hook,), {"got": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/services/secret-path", kind
        server.shutdown()
        thread.join()


def test_webhook_gets_the_run_as_json_with_its_token(
    hook: tuple[str, type[Hook]], caplog: pytest.LogCaptureFixture
) -> None:
    url, kind = hook
    assert told(caplog, webhook__url=url, webhook__token=TOKEN) == []
    ((headers, document),) = kind.got
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert (document["run"], document["status"], document["duration_s"]) == (RUN.id, "unsuccessful", 7500.0)
    assert document["text"].startswith("sebsx: dnn-inference of campaign nightly unsuccessful after 2 h 5 min\n2 of 8")
    assert "hidden" not in json.dumps(document)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_webhook_that_refuses_or_sends_elsewhere_is_one_line(
    hook: tuple[str, type[Hook]], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    url, kind = hook
    kind.status = status
    (warning,) = told(caplog, webhook__url=url, webhook__token=TOKEN)
    assert f"the server answered {status}" in warning
    assert "sebsx config show notify.webhook" in warning
    assert len(kind.got) == 1
    assert "secret-path" not in warning
    assert TOKEN not in warning


def test_short_runs_are_not_told_of(hook: tuple[str, type[Hook]], caplog: pytest.LogCaptureFixture) -> None:
    url, kind = hook
    short = replace(RUN, finished_at=BEGAN + timedelta(seconds=59))
    assert told(caplog, short, webhook__url=url, webhook__after_s=60.0) == []
    assert kind.got == []


def test_notifier_that_fails_before_it_tells_silences_no_other(
    hook: tuple[str, type[Hook]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, kind = hook
    monkeypatch.setattr(Mail, "is_set_up", property(lambda _self: 1 / 0))
    (warning,) = told(caplog, webhook__url=url)
    assert "by mail: " in warning
    assert "division by zero" in warning
    assert len(kind.got) == 1


@pytest.mark.parametrize("url", ["file:///etc/passwd", "example.org"])
def test_address_that_is_not_of_the_web_is_refused(url: str) -> None:
    with pytest.raises((UserError, ValueError), match="https://"):
        plugins.load(BUILT_IN).get("notifiers", "webhook").Settings(url=url)


def test_address_with_a_space_is_refused_and_not_shown() -> None:
    with pytest.raises((UserError, ValueError), match="without spaces") as refused:
        plugins.load(BUILT_IN).get("notifiers", "webhook").Settings(url=f"https://example.org/ {TOKEN}")
    assert TOKEN not in str(refused.value)


def test_words_of_a_server_are_short_and_steer_no_terminal(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = f"\x1b]0;owned\x07 {'x' * 280} {TOKEN} {'y' * 50_000}"
    monkeypatch.setattr("sebsx_notify.webhook.Webhook.tell", lambda *_: (_ for _ in ()).throw(OSError(answer)))
    (warning,) = told(caplog, webhook__url="http://127.0.0.1:1/", webhook__token=TOKEN)
    assert "\x1b" not in warning
    assert TOKEN[:4] not in warning
    assert len(warning) < 500


def test_settings_that_cannot_work_are_told_as_the_run_begins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    registry = registry_with(FakePlatform)
    sections = [section for section in registry.sections() if section.name.startswith("notify.")]
    reader = SettingsReader([Layer("test", {"notify.webhook.url": "example.org", "notify.mail.to": "me"})], sections)
    listener = Listener()
    with store_in(tmp_path) as store, caplog.at_level(logging.WARNING):
        orchestrator.run(replace(run_spec(), reader=reader), registry, store, listener)
    warned = [each.getMessage() for each in caplog.records if each.name == "sebsx_notify.telling"]
    assert [line.split(":")[0] for line in warned] == [
        "nobody will be told of the end of this run by webhook", "nobody was told of the end of the run by webhook",
    ]  # fmt: skip
    assert "must begin with https://" in warned[0]


@pytest.mark.slow
def test_run_keeps_its_exit_code_and_no_secret_is_shown_or_stored(sebsx: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sebsx.environment["SEBSX_NOTIFY__MAIL__PASSWORD"] = PASSWORD
    sebsx.environment["SEBSX_NOTIFY__WEBHOOK__URL"] = f"http://127.0.0.1:{port}/{TOKEN}"
    asked = ["notify.mail.to=me@example.org", "notify.mail.user=me", f"notify.mail.port={port}",
             "notify.mail.host=127.0.0.1", "notify.mail.after_s=0", "notify.webhook.after_s=0"]  # fmt: skip
    words = [word for each in asked for word in ("--set", each)]
    said = sebsx.say("run", "benchmark", "sleep", "--size", "test", "--start", "warm", "--repetitions", "1", *words)
    assert said.code == 0
    warned = [line for line in said.stderr.splitlines() if "nobody was told" in line]
    assert [("mail" in line, "webhook" in line, "refused" in line.lower()) for line in warned] == [
        (True, False, True), (False, True, True),
    ]  # fmt: skip
    assert PASSWORD not in said.stdout + said.stderr
    assert TOKEN not in said.stdout + said.stderr
    shown = sebsx.say("config", "show").stdout
    assert PASSWORD not in shown
    assert TOKEN not in shown
    kept = b"".join(path.read_bytes() for path in sebsx.home.rglob("*") if path.is_file() and ".sqlite" in path.name)
    assert PASSWORD.encode() not in kept
    assert TOKEN.encode() not in kept
