"""What Azure writes is read as it means it, and what is said to it: spans, names, refusals, prices."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sebsx.clouds.fresh import function_name
from sebsx.model import Deployment, FunctionConfig, Manifest, Status, Target
from sebsx.testing.contexts import context_for
from sebsx_azure.backend import AzurePlatform
from sebsx_azure.errors import ERRORS
from sebsx_azure.functions import NAME, _span, effective, seconds
from sebsx_azure.settings import AzureSettings

MILLION = 1e-6
CONFIG = FunctionConfig("f", memory_mib=512, timeout_s=60, architecture="x86_64")


def platform(folder: Path, **settings: Any) -> AzurePlatform:
    return AzurePlatform(AzureSettings(**settings), context_for(AzurePlatform, folder))


@pytest.mark.parametrize(
    ("tier", "memory_mib", "duration_s", "usd"),
    [
        ("flex", 512, 0.1, 13.40), ("flex", 2048, 0.1, 52.40), ("flex", 4096, 0.1, 104.40), ("flex", 2048, 1.05, 57.60),
        ("consumption", 1024, 0.1, 1.80),
    ],
)  # fmt: skip
def test_estimates_follow_the_plan(tmp_path: Path, tier: str, memory_mib: int, duration_s: float, usd: float) -> None:
    azure = platform(tmp_path)
    found = azure.context.prices.estimate_usd(azure, memory_mib, "x86_64", duration_s, options={"tier": tier})
    assert found == pytest.approx(usd * MILLION)


def test_always_ready_instances_have_a_price(tmp_path: Path) -> None:
    azure = platform(tmp_path)
    found = azure.context.prices.ready_usd_s(azure, 512, "x86_64", {"min_instances": 3})
    assert found == pytest.approx(3 * 0.5 * 0.000004)


@pytest.mark.parametrize(("time_s", "span"), [(1.0, "00:00:01.000"), (1.5, "00:00:01.500"), (230, "00:03:50.000")])
def test_time_spans_are_written_and_read(time_s: float, span: str) -> None:
    assert _span(time_s) == span
    assert seconds(span) == time_s


def test_time_spans_of_others_are_read() -> None:
    assert (seconds("1.00:00:30"), seconds("00:05:00"), seconds("-1"), seconds("")) == (86430.0, 300.0, None, None)


def test_names_fit_what_hosts_tell_apps_apart_by() -> None:
    long = FunctionConfig(
        "sebsx-01jz0000000000000000000009-" + "a-very-long-name-of-a-benchmark" * 4, memory_mib=512, timeout_s=1,
        architecture="x86_64",
    )  # fmt: skip
    names = {function_name(long, NAME) for _ in range(20)}
    assert len(names) == 20
    assert all(len(name) <= 32 for name in names)


def test_words_of_azure_come_without_secrets() -> None:
    said = (
        "/subscriptions/0A1b2c3d-1111-2222-3333-444455556666/x token eyJhbGciOiJSUzI1NiIsImtpZCI6 at\n"
        "https://s/x?sv=1&sig=abc%3D&se=2 AccountKey=secret==;x"
    )
    assert ERRORS.clean(said) == "/subscriptions/***/x token *** at https://s/x?sv=1&***&se=2 ***;x"


def test_what_azure_reports_of_plans_is_read() -> None:
    app = {"properties": {"siteConfig": {"linuxFxVersion": "NODE|22", "functionAppScaleLimit": 5}}}
    told = effective(app, {"AzureFunctionsJobHost__functionTimeout": "00:01:00"})
    assert (told["tier"], told["memory_mib"], told["runtime"]) == ("consumption", 1536, "node|22")
    assert (told["timeout_s"], told["max_instances"], told["min_instances"]) == (60.0, 5, 0)


def test_id_of_an_invocation_comes_with_the_answer(tmp_path: Path) -> None:
    azure = platform(tmp_path)
    for headers, wanted in (({"x-sebsx-invocation-id": "abc"}, "abc"), ({}, "own")):
        reply: Any = SimpleNamespace(headers=headers, request_id="own")
        assert azure.request_id_of(reply) == wanted


def test_call_is_ended_by_the_limit_of_its_own_function(tmp_path: Path) -> None:
    azure = platform(tmp_path)
    azure._functions.key = lambda *_: "key"  # type: ignore[method-assign]
    short, long = (
        Deployment("d", CONFIG, effective={"function": "g/a", "timeout_s": limit_s}) for limit_s in (2.0, 60.0)
    )
    for deployment in (short, long):
        azure.signed(deployment, b"")
    reply: Any = SimpleNamespace(http_status=500, headers={}, body=b"", request_id="r", sent_s=1.0, done_s=3.5)
    ended = {limit_s: azure.record_of(deployment, reply) for limit_s, deployment in ((2, short), (60, long))}
    assert {limit_s: record and record.status for limit_s, record in ended.items()} == {
        2: Status.TIMEOUT, 60: Status.PLATFORM_ERROR,
    }  # fmt: skip
    assert azure.status_of(reply) is Status.TIMEOUT  # as long as nobody says whose call it was
    answered: Any = SimpleNamespace(http_status=200, headers={}, request_id="r")
    assert azure.record_of(short, answered) is None


def test_sampling_is_off_and_the_library_is_in_the_package(tmp_path: Path) -> None:
    azure, package = platform(tmp_path), cast("Manifest", None)  # which says nothing of it
    python, nodejs, fortran = (
        azure.layout(package, Target(language, "1", architecture="x86_64"))
        for language in ("python", "nodejs", "fortran")
    )
    assert b'"samplingSettings": {"isEnabled": false}' in python["host.json"]
    assert ".python_packages/lib/site-packages/azure/functions/__init__.py" in python
    assert nodejs.keys() == {"host.json", "sebsx_wrapper_azure.cjs"}
    assert fortran == {}
