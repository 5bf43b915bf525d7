"""An initialisation that fails is a cold start with its time, whatever it fails of; no figure is read as `warm`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.model import Kind, StartType, Status
from sebsx.model.metrics import CORE_METRICS
from sebsx.running.evidence import Starts
from sebsx.running.invocations import read_reply
from sebsx.running.samples import Names
from tests.platforms.local.conftest import Local, open_local
from tests.runtime.nodejs.conftest import Node, node  # noqa: F401  # the fixture

HANDLER = "\ndef handler(event, context):\n    return 1\n"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    yield from open_local(tmp_path_factory.mktemp("impatient"), init_timeout_s=1.0)


def started(local: Local, deployment, status: Status) -> None:
    """Hold that two calls that fail to start are two cold starts with an initialisation and billed time."""
    for _ in range(2):
        reply, _body = local.call(deployment)
        records = local.platform.records(deployment, [reply.request_id])
        invocation, _ = read_reply(
            reply, platform=local.platform, deployment=deployment, record=records[reply.request_id], starts=Starts(),
            names=Names(metric.name for metric in CORE_METRICS), check=lambda _: None, sequence=1, batch=0,
            kind=Kind.MEASURED,
        )  # fmt: skip
        assert (invocation.status, invocation.start_type) == (status, StartType.COLD), invocation.error
        assert json.loads(invocation.start_evidence)["provider"] == "cold"
        assert (invocation.provider_init_s or 0) > 0
        assert (invocation.provider_billed_s or 0) > 0
        assert invocation.provider_duration_s is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    ["import no_such_module", "raise ValueError('no')", "this is no python", "import os; os._exit(3)", "exit(2)"],
)
def test_python_that_does_not_load_is_a_cold_start(local: Local, code: str) -> None:
    started(local, local.deploy(code + HANDLER), Status.FUNCTION_ERROR)


@pytest.mark.slow
@pytest.mark.parametrize("code", ["require('no-such-module');", "throw new Error('no');", "process.exit(3);", "}"])
def test_nodejs_that_does_not_load_is_a_cold_start(node: Node, code: str) -> None:  # noqa: F811
    started(node, node.function(f"{code}\nexports.handler = async () => 1;"), Status.FUNCTION_ERROR)


@pytest.mark.slow
def test_load_that_takes_too_long_is_a_cold_start(impatient: Local) -> None:
    started(impatient, impatient.deploy("import time; time.sleep(60)" + HANDLER), Status.TIMEOUT)


EATS = "eaten = []\nwhile True:\n    eaten.append(bytearray(b'x') * 2**20)\n"


@pytest.mark.slow
@pytest.mark.root
def test_load_that_the_kernel_kills_for_memory_is_a_cold_start(local: Local) -> None:
    deployment = local.deploy(EATS + HANDLER, memory_mib=64)
    assert deployment.effective["limits"]["memory"].startswith("cgroup-v")
    started(local, deployment, Status.OUT_OF_MEMORY)
    _, body = local.call(deployment)
    assert body["error"]["type"] == "Sebsx.OutOfMemory"


DYING = "import os, sys\nprint('opening the model', flush=True)\nprint('no such device', file=sys.stderr, flush=True)\n"


@pytest.mark.slow
@pytest.mark.parametrize("where", ["", "    "])
def test_sandbox_that_dies_is_told_with_its_last_words(local: Local, where: str) -> None:
    dying = DYING + "os._exit(3)\n" + HANDLER if not where else "import os, sys\ndef handler(event, context):\n"
    if where:
        dying += "".join(f"{where}{line}\n" for line in (*DYING.splitlines(), "os._exit(3)"))
    _, body = local.call(local.deploy(dying))
    assert body["error"]["message"].startswith("exit code 3 ")
    assert body["error"]["message"].endswith("; it said last: opening the model | no such device")


@pytest.mark.slow
def test_load_without_memory_is_a_cold_start(local: Local, tmp_path: Path) -> None:
    started(local, local.deploy("raise MemoryError" + HANDLER), Status.OUT_OF_MEMORY)
