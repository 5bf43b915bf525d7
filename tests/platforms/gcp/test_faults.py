"""What goes wrong in a project is told with what to do about it, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sebsx.clouds import shipped
from sebsx.errors import CredentialsError, DeployError, PlatformError, QuotaError, UnsupportedError, UserError
from sebsx.model import Deployment, Package, Reply, Resource, Severity, Status
from sebsx.testing.contracts import trying
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke, invoke_together
from sebsx_gcp import clients, packages
from sebsx_gcp.backend import GcpPlatform
from tests.emulated_gcp import EmulatedProject, Fault
from tests.packages import zip_package
from tests.platforms.gcp.conftest import made

pytestmark = [pytest.mark.slow]
GOOGLES = b"<html><h1>Error: Forbidden</h1><h2>Your client does not have permission to the requested URL</h2></html>"
CREATE = r"/v2/projects/[^/]+/locations/[^/]+/functions$"
FUNCTION = r"/v2/projects/[^/]+/locations/[^/]+/functions/[^/]+$"
UPLOAD = r"/upload-source/"
OTHER = {"project": "somebody-elses"}


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def platform(
    project: EmulatedProject, tmp_path: Path, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GcpPlatform]:
    monkeypatch.setattr(clients, "RETRY_S", 1.0)
    with made(tmp_path, project, ledger=ledger) as opened:
        yield opened


@pytest.fixture
def clean(project: EmulatedProject, platform: GcpPlatform, ledger: MemoryLedger) -> Iterator[None]:
    """After the test the ledger leads to everything that is left."""
    yield
    project.faults.clear()
    for kind, name in list(ledger.open):
        platform.remove(resource(platform, kind, name))
        ledger.deleted(kind, name)
    assert project.remaining() == {}


def resource(platform: GcpPlatform, kind: str, name: str) -> Resource:
    return Resource(kind, name, platform="gcp", run_id=platform.context.run_id, id=1)


Deploy = Callable[[], Deployment]


@pytest.fixture
def deploy(platform: GcpPlatform, echo_package: Package, clean: None) -> Deploy:
    return lambda: platform.deploy(echo_package, trying.config(platform))


@pytest.mark.parametrize(
    ("method", "path", "code", "status", "message", "error", "words"),
    [
        ("POST", CREATE, 429, "RESOURCE_EXHAUSTED", "Quota exceeded for 1234567890123", QuotaError, "ask Google"),
        ("POST", CREATE, 401, "UNAUTHENTICATED", "ya29.secret is bad", CredentialsError, "log in again"),
        ("POST", CREATE, 403, "PERMISSION_DENIED", "no cloudfunctions.functions.create", CredentialsError, "roles"),
        ("POST", CREATE, 403, "PERMISSION_DENIED", "Cloud Functions API has not been used in project 1234567890123",
         PlatformError, "gcloud services enable"),
        ("POST", CREATE, 400, "FAILED_PRECONDITION", "Billing account for project is not found", PlatformError, "link"),
        ("PUT", UPLOAD, 413, "", "Your client issued a request that was too large", UnsupportedError, "leave out"),
    ],
)  # fmt: skip
def test_refusal_says_what_to_do_and_leaves_nothing(
    deploy: Deploy, project: EmulatedProject, method: str, path: str, code: int, status: str, message: str,
    error: type[PlatformError], words: str,
) -> None:  # fmt: skip
    project.faults.append(Fault(method, path, code, status, message, times=None))
    with pytest.raises(error, match=words) as told:
        deploy()
    assert "1234567890123" not in str(told.value)
    assert "ya29" not in str(told.value)
    assert project.remaining() == {}


def test_throttled_calls_are_repeated(deploy: Deploy, project: EmulatedProject) -> None:
    project.faults += [
        Fault("POST", CREATE, 429, "RESOURCE_EXHAUSTED"), Fault("GET", FUNCTION, 503, "UNAVAILABLE"),
    ]  # fmt: skip
    assert deploy().effective["memory_mib"] == 256
    assert all(fault.given == 1 for fault in project.faults)


def test_upload_that_is_cut_off_is_sent_again_whole(
    deploy: Deploy, platform: GcpPlatform, project: EmulatedProject
) -> None:
    project.faults.append(Fault("PUT", UPLOAD, 0, times=2))
    deployment = deploy()
    assert project.faults[0].given == 2
    assert invoke(platform, deployment, {"value": 1}).status is Status.OK


def test_upload_that_never_gets_through_is_told(
    deploy: Deploy, project: EmulatedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sebsx_gcp.functions._UPLOAD_WITHIN_S", 0.1)
    project.faults.append(Fault("PUT", UPLOAD, 0, times=None))
    with pytest.raises(DeployError, match="upload of the package did not settle"):
        deploy()
    assert project.remaining() == {}


def test_build_that_fails_is_told_in_googles_words(
    deploy: Deploy, project: EmulatedProject, ledger: MemoryLedger
) -> None:
    project.control.failing = "Build failed: exit status 1 in project 1234567890123"
    with pytest.raises(DeployError, match=r"create of function .* Build failed: exit status 1 in project \*\*\*"):
        deploy()
    assert [kind for kind, _ in ledger.open] == ["function"]  # it is there, as a failed one: clean-up deletes it
    assert list(project.remaining()) == ["functions"]


def test_answer_to_a_create_that_was_lost_finds_the_function(deploy: Deploy, project: EmulatedProject) -> None:
    """The library sends a request again whose answer was 503; the function was made all the same."""
    project.lose_answers.append(CREATE)
    project.control.settle_s = 0.3
    assert deploy().endpoint


def test_slow_operations_are_waited_for(deploy: Deploy, project: EmulatedProject) -> None:
    project.control.settle_s = 1.0
    assert deploy().endpoint


def test_credentials_that_are_taken_no_more_end_the_run_once_the_call_is_stored(
    deploy: Deploy, platform: GcpPlatform, project: EmulatedProject
) -> None:
    deployment = deploy()
    project.identities.identities.clear()
    first = invoke(platform, deployment, {"value": 1})
    if first.status is Status.OK:  # the first token is made for it
        project.identities.identities.clear()
        first = invoke(platform, deployment, {"value": 1})
    assert (first.status, first.reply.http_status) == (Status.PLATFORM_ERROR, 401)
    assert "401 Unauthorized" in (platform.error_of(first.reply) or "")
    with pytest.raises(CredentialsError, match=r"roles/run\.invoker"):
        invoke(platform, deployment, {"value": 1})


@pytest.mark.parametrize(
    ("status", "headers", "body", "is_refused"),
    [
        (401, {"content-type": "text/html; charset=UTF-8"}, GOOGLES, True),
        (403, {"content-type": "text/html; charset=UTF-8"}, GOOGLES, True),
        (
            401,
            {"www-authenticate": 'Bearer error="invalid_token" error_description="expired"'},
            b"",
            True,
        ),
        (401, {"www-authenticate": "Basic realm=shop", "content-type": "text/html"}, b"<h1>Log in</h1>", False),
        (403, {"content-type": "application/json"}, b'{"error": "no"}', False),
        (500, {"content-type": "text/html"}, GOOGLES, False),
    ],
)
def test_refusal_of_the_front_end_is_told_from_the_functions_own_answer(
    project: EmulatedProject, tmp_path: Path, status: int, headers: dict[str, str], body: bytes, is_refused: bool
) -> None:
    platform = made(tmp_path, project)
    reply = Reply("r", intended_s=0, sent_s=0, connected_s=0, first_byte_s=1, done_s=1, http_status=status,
                  headers=headers, body=body, bytes_out=0)  # fmt: skip
    assert platform.status_of(reply) is Status.PLATFORM_ERROR
    assert (platform._denied is not None) == is_refused


def test_no_more_instances_than_allowed_throttles(platform: GcpPlatform, echo_package: Package, clean: None) -> None:
    config = trying.config(platform, options={"max_instances": 1})
    deployment = platform.deploy(echo_package, config)
    assert deployment.effective["max_instances"] == 1
    answers = invoke_together(platform, deployment, {"do": "sleep", "value": 2.0}, 2)
    assert sorted(answer.status for answer in answers) == [Status.OK, Status.THROTTLED]
    throttled = next(answer for answer in answers if answer.status is Status.THROTTLED)
    request_id = platform.request_id_of(throttled.reply)
    record = trying.records_of(platform, deployment, [request_id])[request_id]
    assert record.status is Status.THROTTLED


def test_late_and_lost_records_are_left_out_until_they_are_there(
    deploy: Deploy, platform: GcpPlatform, project: EmulatedProject
) -> None:
    deployment = deploy()
    project.log_delay_s = 1.0
    answers = [invoke(platform, deployment, {"value": 1}) for _ in range(7)]
    wanted = [platform.request_id_of(answer.reply) for answer in answers]
    assert platform.records(deployment, wanted) == {}
    assert trying.records_of(platform, deployment, wanted).keys() == set(wanted)
    project.log_delay_s, project.log_share = 0.0, 2
    more = [platform.request_id_of(invoke(platform, deployment, {"value": 1}).reply) for _ in range(4)]
    assert 0 < len(platform.records(deployment, more)) < 4


def test_memory_that_is_used_up_is_told_by_the_record(platform: GcpPlatform, tmp_path: Path, clean: None) -> None:
    entry = shipped.own_files("sebsx_gcp", packages.PYTHON_ENTRY)[packages.PYTHON_ENTRY]
    code = """
        import time
        def handler(event, context):
            held = bytearray(event["eat"] * 2**20)
            time.sleep(event["eat"] / 200)
            return len(held)
    """
    package = zip_package(tmp_path / "p.zip", "x86_64", code, sebsx_wrapper_gcp__py=entry)
    deployment = platform.deploy(package, trying.config(platform))
    answer = invoke(platform, deployment, {"eat": 400})
    assert answer.status is Status.PLATFORM_ERROR
    request_id = platform.request_id_of(answer.reply)
    assert trying.records_of(platform, deployment, [request_id])[request_id].status is Status.OUT_OF_MEMORY
    assert invoke(platform, deployment, {"eat": 1}).output == 2**20


def test_what_a_function_printed_before_it_failed_is_read_from_the_log(
    platform: GcpPlatform, project: EmulatedProject, tmp_path: Path, clean: None
) -> None:
    entry = shipped.own_files("sebsx_gcp", packages.PYTHON_ENTRY)[packages.PYTHON_ENTRY]
    code = """
        def handler(event, context):
            print("before", event["value"], flush=True)
            raise ValueError("no good")
    """
    package = zip_package(tmp_path / "p.zip", "x86_64", code, sebsx_wrapper_gcp__py=entry)
    deployment = platform.deploy(package, trying.config(platform))
    first = invoke(platform, deployment, {"value": 1})
    project.log_delay_s = 0.5
    second = invoke(platform, deployment, {"value": 2})
    assert "before 1" in platform.output_of(deployment, first.reply)
    printed = platform.output_of(deployment, second.reply)
    assert "before 2" in printed
    assert "before 1" not in printed


def test_package_over_the_limits_is_unsupported(platform: GcpPlatform, echo_package: Package) -> None:
    large = dataclasses.replace(echo_package, unpacked_bytes=600 * 10**6)
    with pytest.raises(UnsupportedError, match="600 MB unzipped, and Google takes 100 and 500 MB"):
        platform.deploy(large, trying.config(platform))


def test_delete_that_is_refused_stays_in_the_ledger(
    deploy: Deploy, platform: GcpPlatform, project: EmulatedProject, ledger: MemoryLedger
) -> None:
    deployment = deploy()
    project.faults.append(Fault("DELETE", FUNCTION, 403, "PERMISSION_DENIED", "no"))
    with pytest.raises(CredentialsError, match="delete of function"):
        platform.teardown(deployment)
    assert ledger.open
    platform.teardown(deployment)
    assert ledger.open == {}


def test_doctor_names_what_is_missing(project: EmulatedProject, tmp_path: Path) -> None:
    def messages(**settings: object) -> list[str]:
        return [f"{item.message}; {item.advice}" for item in made(tmp_path, project, **settings).check()]

    assert messages() == []
    (missing,) = messages(credentials=str(tmp_path / "none.json"))
    assert "cannot be read as the key of a service account: No such file" in missing
    (tmp_path / "other.json").write_text(json.dumps({"type": "authorized_user", "refresh_token": "hidden"}))
    (wrong,) = messages(credentials=str(tmp_path / "other.json"))
    assert "it has not the form of one" in wrong
    assert "hidden" not in wrong
    found = made(tmp_path, project, python="3.14", nodejs="24").check()
    assert [item.severity for item in found] == [Severity.WARNING] * 2
    (other,) = messages(**OTHER)
    assert "grant the roles" in other


def test_project_must_be_known(project: EmulatedProject, tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="no Google Cloud project is known"),
        made(tmp_path, project, credentials="", anonymous=True),
    ):
        pass


def test_people_need_a_service_account_for_identity_tokens(project: EmulatedProject, tmp_path: Path) -> None:
    from google.oauth2.credentials import Credentials

    platform = made(tmp_path, project)
    platform.account.credentials = Credentials("token")
    with pytest.raises(CredentialsError, match="--set impersonate="):
        platform.account.identity("https://f")


def test_emulators_are_sent_no_credentials(project: EmulatedProject, tmp_path: Path) -> None:
    seen: list[str | None] = []
    with server(lambda handler: seen.append(handler.headers.get("Authorization"))) as url:
        platform = made(tmp_path, project, credentials="", anonymous=True, functions_url=url, **OTHER)
        platform.check()
        assert platform.account.identity("https://f") == ""
    assert seen == [None]


def test_functions_send_emulators_no_credentials_either(
    platform: GcpPlatform, project: EmulatedProject, echo_package: Package, tmp_path: Path, clean: None
) -> None:
    """The stand-in takes nothing without a token, and says so."""
    assert made(tmp_path, project, anonymous=True, credentials="", **OTHER)._environment()["SEBSX_ANONYMOUS"] == "1"
    config = trying.config(platform, environment={"SEBSX_ANONYMOUS": "1"})
    answer = invoke(platform, platform.deploy(echo_package, config), {"do": "table", "value": "p"})
    assert answer.status is Status.FUNCTION_ERROR
    assert "failed with 401" in (answer.envelope or {})["error"]["message"]


@contextmanager
def server(look: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            look(self)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as opened:
        thread = threading.Thread(target=opened.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{opened.server_port}"
        opened.shutdown()
        thread.join()
