"""What goes wrong at a gateway ends with words that say what to do, and with nothing left behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sebsx_openfaas.gateway
from sebsx.clouds import rest
from sebsx.errors import CredentialsError, DeployError, PlatformError, QuotaError, UnsupportedError, UserError
from sebsx.model import Adoption, FunctionConfig, Package, Status
from sebsx.testing.contracts.trying import records_of
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke, invoke_together
from sebsx_openfaas.backend import OpenFaasPlatform
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.packages import zip_package
from tests.platforms.openfaas.conftest import made

pytestmark = pytest.mark.slow
FUNCTIONS = "/system/functions"
CODE = """
import os, time
def handler(event, context):
    if event.get("do") == "die":
        os._exit(3)
    time.sleep(event.get("s", 0))
    return event
"""


SERVER = (Path(sebsx_openfaas.__file__).parent / "wrapper" / "sebsx_server.py").read_bytes()


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return zip_package(tmp_path / "p.zip", "x86_64", CODE, sebsx_server__py=SERVER)


@pytest.fixture
def platform(gateway: EmulatedOpenFaas, tmp_path: Path) -> Iterator[OpenFaasPlatform]:
    """The platform, opened, with a ledger that remembers."""
    with made(tmp_path, gateway) as platform:
        yield platform


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is busy is asked again soon, and not often."""
    monkeypatch.setattr(rest, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(rest, "_ATTEMPTS", 3)
    monkeypatch.setattr(sebsx_openfaas.gateway, "_PAUSE_S", 0.01)


def config(**changes: Any) -> FunctionConfig:
    values = {"name": "sebsx-f", "memory_mib": 128, "timeout_s": 5.0, "architecture": "x86_64"}
    return FunctionConfig(**values | changes)


def left(platform: OpenFaasPlatform) -> dict[Any, Any]:
    assert isinstance(platform.ledger, MemoryLedger)
    return platform.ledger.open


@pytest.mark.parametrize(
    ("status", "text", "times", "kind", "advice"),
    [
        (429, "slow down", 9, QuotaError, "run fewer functions at once"),
        (401, "invalid credentials", 1, CredentialsError, "--set password"),
        (404, "not found", 1, DeployError, "is http://127.0.0.1:"),
        (400, "unable to pull image registry.example/x", 1, DeployError, "unable to pull image"),
        (400, "quantities must match the regular expression", 1, UnsupportedError, "another size"),
    ],
)
def test_refusal_says_what_to_do_and_stays_in_the_ledger(
    platform: OpenFaasPlatform, package: Package, gateway: EmulatedOpenFaas,
    status: int, text: str, times: int, kind: type[PlatformError], advice: str,
) -> None:  # fmt: skip
    gateway.fail("POST", FUNCTIONS, status, text, times=times)
    with pytest.raises(kind, match=advice) as caught:
        platform.deploy(package, config())
    assert "create of function 'sebsx-f-" in str(caught.value)
    assert list(left(platform).values()) == ["planned"]


def test_upload_that_is_cut_is_sent_again_and_told_where_that_is_in_vain(
    platform: OpenFaasPlatform, package: Package, gateway: EmulatedOpenFaas
) -> None:
    gateway.fail("POST", FUNCTIONS, 0)
    platform.teardown(platform.deploy(package, config()))
    assert left(platform) == {}
    gateway.fail("POST", FUNCTIONS, 0, times=9)
    with pytest.raises(PlatformError, match=r"does not answer \(ConnectionError\); is the address right"):
        platform.deploy(package, config())
    assert gateway.functions == {}


@pytest.mark.parametrize("status", [0, 502])
def test_create_whose_answer_is_lost_is_looked_for_and_not_sent_again(
    platform: OpenFaasPlatform, package: Package, gateway: EmulatedOpenFaas, status: int
) -> None:
    gateway.fail("POST", FUNCTIONS, status, is_late=True)
    platform.teardown(platform.deploy(package, config()))
    assert [seen.method for seen in gateway.requests if seen.path == FUNCTIONS] == ["POST", "DELETE"]
    assert left(platform) == {}


@pytest.mark.parametrize("answer", [[1, None], {}, "hello", None])
def test_whoever_is_no_gateway_is_told(
    gateway: EmulatedOpenFaas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(gateway, "answer", lambda *_: (200, answer))
    (problem,) = made(tmp_path, gateway, registry="registry.example").check()
    assert "is it its URL?" in problem.advice or "cannot be read" in problem.message
    gateway.violations.clear()


def test_function_that_never_answers_is_told_though_it_is_said_to_be_available(
    gateway: EmulatedOpenFaas, package: Package, tmp_path: Path
) -> None:
    with made(tmp_path, gateway, ready_s=1.0) as platform:
        gateway.fail("POST", "/function/", 500, times=99)
        with pytest.raises(DeployError, match=r"was not done within 1 s; 1 of its replicas are available: can the"):
            platform.deploy(package, config())
        (((kind, name), _),) = left(platform).items()
        platform.remove(dataclasses.replace(platform.orphans()[0], kind=kind, name=name))
    assert gateway.functions == {}


def test_ends_of_a_call_are_told_apart(platform: OpenFaasPlatform, package: Package, gateway: EmulatedOpenFaas) -> None:
    deployment = platform.deploy(package, config(timeout_s=1.0))
    fine = invoke(platform, deployment, {"a": 1})
    assert (fine.status, fine.output) == (Status.OK, {"a": 1})
    late = invoke(platform, deployment, {"s": 3})
    assert (late.status, late.reply.http_status, late.reply.body) == (Status.TIMEOUT, 504, b"")
    broken = invoke_together(platform, deployment, {"do": "die"}, 1)[0]
    assert (broken.status, broken.reply.http_status) == (Status.PLATFORM_ERROR, 500)
    assert platform.error_of(broken.reply) == "of-watchdog"
    # From now on every call fails, and the status still says available.
    assert invoke(platform, deployment, {}).status is Status.PLATFORM_ERROR
    assert gateway.answer("GET", f"/system/function/{deployment.id}", {}, None)[1]["availableReplicas"] == 1
    platform.force_cold(deployment)
    assert invoke(platform, deployment, {"a": 2}).output == {"a": 2}
    with pytest.raises(UnsupportedError, match="no key-value table; give one with --set table_url"):
        platform.table()


def test_calls_beyond_the_limit_of_a_replica_are_throttled(
    platform: OpenFaasPlatform, package: Package, gateway: EmulatedOpenFaas
) -> None:
    deployment = platform.deploy(package, config(options={"sandbox_concurrency": 2}))
    answers = invoke_together(platform, deployment, {"s": 0.5}, 4)
    assert sorted(answer.status for answer in answers) == [Status.OK] * 2 + [Status.THROTTLED] * 2
    assert all(answer.reply.attempts == 1 for answer in answers)


def test_scale_that_is_clamped_is_read_back(
    platform: OpenFaasPlatform, package: Package, caplog: pytest.LogCaptureFixture
) -> None:
    deployment = platform.deploy(package, config(options={"min_instances": 7}))
    assert deployment.effective["min_instances"] == 5
    assert "was asked to have 7 replicas and the gateway gives it 5" in caplog.text


def test_record_of_an_answer_that_was_lost_is_in_the_log(platform: OpenFaasPlatform, package: Package) -> None:
    deployment = platform.deploy(package, config())
    answer = invoke(platform, deployment, {"s": 0.05})
    call_id = platform.request_id_of(answer.reply)
    said, record = platform.record_of(deployment, answer.reply), records_of(platform, deployment, [call_id])[call_id]
    assert said is not None
    assert record.duration_s == pytest.approx(said.duration_s, abs=0.001)
    assert (record.duration_s or 0) >= 0.05


def test_keys_of_the_storage_are_in_a_secret_alone(
    gateway: EmulatedOpenFaas, package: Package, of_the_user: dict[str, Any], tmp_path: Path
) -> None:
    with made(tmp_path, gateway, **of_the_user) as platform:
        platform.deploy(package, config())
        (secret,) = gateway.secrets.values()
        assert of_the_user["secret_key"] in secret
        sent = [seen for seen in gateway.requests if seen.path == FUNCTIONS and seen.method == "POST"]
        assert of_the_user["secret_key"] not in str(sent)
        assert {orphan.kind for orphan in platform.orphans()} == {"function", "secret"}
    assert gateway.secrets == {}


def test_trigger_that_needs_a_callback_is_unsupported_without_one(
    platform: OpenFaasPlatform, package: Package, gateway: EmulatedOpenFaas
) -> None:
    with pytest.raises(UnsupportedError, match="--set callback_url=http://ADDRESS:PORT"):
        platform.deploy(package, config(options={"trigger": "async"}))
    assert left(platform) == {}


def test_doctor_says_what_is_missing(gateway: EmulatedOpenFaas, tmp_path: Path) -> None:
    def said(**settings: Any) -> str:
        (problem,) = made(tmp_path, gateway, **settings).check()
        return f"{problem.message}; {problem.advice}"

    assert "no registry is known" in said()
    assert made(tmp_path, gateway, registry="registry.example").check() == []
    assert "HTTP 401" in said(password="wrong")
    assert "does not answer" in said(gateway="http://127.0.0.1:9")
    assert "table_url" in said(table_url="http://127.0.0.1:9", access_key="a", secret_key="b")


def test_function_that_exists_is_measured_as_it_is(
    platform: OpenFaasPlatform, package: Package, gateway: EmulatedOpenFaas
) -> None:
    theirs = platform.deploy(package, config())
    adoption = Adoption("openfaas", theirs.id, subject=platform.subject_of(theirs.id), config=config(memory_mib=0))
    adopted = platform.adopt(adoption)
    assert (adopted.config.memory_mib, adopted.config.timeout_s) == (128, 5.0)
    assert invoke(platform, adopted, {"a": 1}).output == {"a": 1}
    platform.release(adopted)
    assert gateway.functions.keys() == {theirs.id}
    with pytest.raises(UserError, match="does not exist"):
        platform.adopt(dataclasses.replace(adoption, address="gone", subject="gone"))
    with pytest.raises(UserError, match=r"write NAME or NAME\.NAMESPACE"):
        platform.subject_of("http://example")
