"""A real gateway, where `OPENFAAS_GATEWAY_URL` names one: what it is, and whatever else the environment gives.

| variable | for |
| --- | --- |
| `OPENFAAS_GATEWAY_URL` | all; may hold user and password, `http://admin:PASSWORD@127.0.0.1:8080` |
| `OPENFAAS_PASSWORD`, `OPENFAAS_USER` | all, where the gateway asks for them; the user is `admin` by default |
| `OPENFAAS_REGISTRY` | a whole run: where images are pushed to, and the provider pulls from |
| `OPENFAAS_FUNCTION` | a function that exists, whose calls do no harm; it is called, and copied |
| `OPENFAAS_CALLBACK_URL`, `OPENFAAS_PYTHON_IMAGE`, `OPENFAAS_WATCHDOG_IMAGE`, ... | settings of these names |
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support import Cli, processors_seen

PREFIX = "SEBSX_PLATFORM__OPENFAAS__"
GIVEN = {name.removeprefix("OPENFAAS_"): value for name, value in os.environ.items() if name.startswith("OPENFAAS_")}
ON = ("--platform", "openfaas")

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("GATEWAY_URL" not in GIVEN, reason="not run: OPENFAAS_GATEWAY_URL is not set"),
]


@pytest.fixture
def real(sebsx: Cli) -> Cli:
    """The command line with settings that lead to the gateway."""
    parts = urlsplit(GIVEN["GATEWAY_URL"])
    found = {name: value for name, value in GIVEN.items() if name not in ("GATEWAY_URL", "FUNCTION", "URL")}
    if parts.username:
        found |= {"USER": unquote(parts.username), "PASSWORD": unquote(parts.password or "")}
    host = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    sebsx.environment |= {PREFIX + name: value for name, value in found.items()} | {f"{PREFIX}GATEWAY": host.geturl()}
    # Whoever built images before is logged in to the registry, and has an engine of a name of its own.
    sebsx.environment |= {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    sebsx.environment.setdefault("DOCKER_CONFIG", str(Path.home() / ".docker"))
    return sebsx


def test_gateway_is_known_and_searched(real: Cli) -> None:
    done = real("doctor", *ON, timeout_s=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert isinstance(real.json("clean", *ON, "--dry-run"), list)


@pytest.mark.skipif("REGISTRY" not in GIVEN, reason="not run: OPENFAAS_REGISTRY is not set")
def test_run_is_measured_and_left_empty(real: Cli) -> None:
    both = ("--option", "trigger=http,async") if "CALLBACK_URL" in GIVEN else ()
    words = ("--size", "test", "--repetitions", "3", *both)
    done = real("run", "benchmark", "sleep", *ON, *words, timeout_s=1500)
    assert done.returncode == 0, done.stderr
    # While an old replica still ends it may take a call that was to be cold: stored, and measured again.
    good = real.rows(
        "SELECT cell_id, count(*) FROM measured WHERE status = 'ok' AND start_type = start_wanted "
        "AND provider_duration_s >= 0 GROUP BY cell_id"
    )
    assert len(good) == (4 if both else 2)
    assert min(count for _, count in good) >= 3
    assert {asked == seen for asked, seen in processors_seen(real)} == {True}
    assert_left_empty(real)


@pytest.mark.skipif("FUNCTION" not in GIVEN, reason="not run: OPENFAAS_FUNCTION is not set")
@pytest.mark.parametrize("more", [(), ("--memory", "256", "--start", "warm")], ids=["as it is", "a copy"])
def test_function_that_exists_is_measured(real: Cli, more: tuple[str, ...]) -> None:
    words = ("--payload", '"hello"', "--repetitions", "3", *more)
    done = real("run", "function", GIVEN["FUNCTION"], *ON, *words, timeout_s=600)
    assert done.returncode == 0, done.stderr
    assert real.rows("SELECT count(*) >= 3 FROM measured WHERE status = 'ok'") == [(1,)]
    assert_left_empty(real)


def assert_left_empty(real: Cli) -> None:
    ((run_id,),) = real.rows("SELECT ulid FROM run")
    assert real.json("clean", *ON, "--run", run_id, "--dry-run") == []
    assert real.rows("SELECT kind, name FROM resource WHERE state != 'deleted'") == []
