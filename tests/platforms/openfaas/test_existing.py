"""Functions that a user has are measured as they are, as copies, or changed and put back."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import PlatformError, UnsupportedError, UserError
from sebsx.model import Adoption, Deployment, FunctionConfig, Resource
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke
from sebsx_openfaas import existing
from sebsx_openfaas.backend import OpenFaasPlatform
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.platforms.openfaas.conftest import made
from tests.support import Call, Cli

pytestmark = pytest.mark.slow
NAME, IMAGE = "resize", "registry.example/theirs:1"
# As a user has it behind of-watchdog: none of our shim, no envelope.
SERVER = """
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = json.dumps({"asked": asked, "mine": os.environ["MINE"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *_):
        pass
HTTPServer(("127.0.0.1", int(os.environ["upstream_url"].rpartition(":")[2])), Handler).serve_forever()
"""
THEIRS: dict[str, Any] = {
    "service": NAME, "image": IMAGE, "envVars": {"MINE": "x", "exec_timeout": "7s"},
    "labels": {"team": "ours", "faas_function": NAME}, "annotations": {"topic": "a"},
    "limits": {"memory": "256Mi", "cpu": "500m"}, "requests": {"memory": "200Mi"},
}  # fmt: skip


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def theirs(gateway: EmulatedOpenFaas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmulatedOpenFaas:
    """The gateway, where somebody has a function."""
    monkeypatch.setattr(existing, "_SETTLES_S", 0.3)
    (tmp_path / "server.py").write_text(SERVER)
    process = f"{sys.executable} server.py"
    gateway.images[IMAGE] = (tmp_path, {"fprocess": process, "mode": "http"})
    gateway.answer("POST", "/system/functions", {}, dict(THEIRS))
    return gateway


@pytest.fixture
def platform(theirs: EmulatedOpenFaas, tmp_path: Path, ledger: MemoryLedger) -> Iterator[OpenFaasPlatform]:
    """A platform on whose server somebody has a function."""
    with made(tmp_path, theirs, ledger=ledger) as opened:
        yield opened


def adoption(address: str = NAME, memory_mib: int = 0, **how: bool) -> Adoption:
    config = FunctionConfig("sebsx-copy", memory_mib=memory_mib, timeout_s=0.0, architecture="")
    return Adoption("openfaas", address, subject=address, config=config, **how)


def said(platform: Any, deployment: Deployment, payload: Any) -> Any:
    """Return an answer; a call before the function listens is not one."""
    until_s = time.monotonic() + 30
    while (reply := invoke(platform, deployment, payload).reply).http_status != 200:
        assert time.monotonic() < until_s, reply
    return json.loads(reply.body)


def shown(gateway: EmulatedOpenFaas) -> dict[str, Any]:
    document = gateway.functions[NAME].document
    labels = {key: value for key, value in document["labels"].items() if key != "faas_function"}
    return {key: value for key, value in document.items() if key != "namespace"} | {"labels": labels}


def test_copy_runs_the_same_image_with_other_memory_and_goes(
    platform: OpenFaasPlatform, theirs: EmulatedOpenFaas, ledger: MemoryLedger
) -> None:
    copy = platform.adopt(adoption(f"{NAME}.openfaas-fn", 128, copy=True))
    assert (copy.config.memory_mib, copy.config.timeout_s) == (128, 7.0)
    assert said(platform, copy, {"a": 1}) == {"asked": {"a": 1}, "mine": "x"}
    name = copy.effective["function"].partition(".")[0]
    document = theirs.functions[name].document
    assert document["limits"] == {"memory": "128Mi", "cpu": "500m"}
    assert document["requests"] == {"memory": "128Mi"}  # else more were asked for than is allowed
    assert document["namespace"] == "openfaas-fn"
    assert "faas_function" not in document["labels"]
    assert [orphan.name for orphan in platform.orphans()] == [name]
    platform.release(copy)
    assert theirs.functions.keys() == {NAME}
    assert ledger.open == {}


@pytest.mark.parametrize("sizes", [{}, {"limits": None, "requests": None}])
def test_change_is_put_back_from_the_ledger_as_well(
    platform: OpenFaasPlatform, theirs: EmulatedOpenFaas, ledger: MemoryLedger, sizes: dict[str, Any]
) -> None:
    wanted = {key: value for key, value in {**THEIRS, **sizes}.items() if value}
    theirs.answer("PUT", "/system/functions", {}, wanted)
    before = shown(theirs)
    changed = platform.adopt(adoption(memory_mib=128, in_place=True))
    platform.force_cold(changed)
    assert shown(theirs)["limits"]["memory"] == "128Mi"
    assert said(platform, changed, {"a": 1}) == {"asked": {"a": 1}, "mine": "x"}
    [(kind, name)] = ledger.open
    for _ in range(2):
        platform.remove(Resource(kind, name, platform="openfaas", run_id="r", id=1))
    assert shown(theirs) == before
    platform.release(changed)
    assert (shown(theirs), ledger.open) == (before, {})
    theirs.answer("DELETE", "/system/functions", {}, {"functionName": NAME})
    platform.release(changed)


def test_function_that_may_not_be_told_whole_is_left_alone(
    platform: OpenFaasPlatform, theirs: EmulatedOpenFaas, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = theirs._status
    monkeypatch.setattr(theirs, "_status", lambda found: {k: v for k, v in told(found).items() if k != "envVars"})
    with pytest.raises(UnsupportedError, match="does not show the variables of a function"):
        platform.adopt(adoption(memory_mib=128, in_place=True))
    assert platform.adopt(adoption()).effective["adopted"] == "as it is"
    assert theirs.functions.keys() == {NAME}


def test_change_that_fails_stays_in_the_ledger(
    platform: OpenFaasPlatform, theirs: EmulatedOpenFaas, ledger: MemoryLedger
) -> None:
    theirs.fail("PUT", "/system/functions", 500)
    with pytest.raises(PlatformError, match=f"update of function '{NAME}'"):
        platform.adopt(adoption(memory_mib=128, in_place=True))
    assert list(ledger.open) == [("memory-change", f"{NAME}@256Mi@200Mi")]
    with pytest.raises(UserError, match="does not exist; look with: faas-cli list"):
        platform.adopt(adoption("none", 256, copy=True))


def test_function_is_measured_as_it_is_and_stays(theirs: EmulatedOpenFaas, cloud: Cli, call: Call) -> None:
    before = shown(theirs)
    done = call("run", "function", NAME, "--platform", "openfaas", "--payload", '{"a": 1}', "--repetitions", "2")
    assert done.code == 0, done.stderr
    assert cloud.rows("SELECT DISTINCT start_type, status FROM measured WHERE status = 'ok'") == [("warm", "ok")]
    assert shown(theirs) == before


def test_sizes_are_measured_from_the_command_line_cold_and_warm(
    theirs: EmulatedOpenFaas, cloud: Cli, call: Call
) -> None:
    before = shown(theirs)
    for more in (("--start", "warm"), ("--in-place",)):
        done = call("run", "function", NAME, "--platform", "openfaas", "--payload", '{"a": 1}', "--memory",
                    "128,512", "--repetitions", "2", "--expect", '{"asked": {"a": 1}}', *more)  # fmt: skip
        assert done.code == 0, done.stderr
    rows = cloud.rows(
        "SELECT DISTINCT json_extract(c.factors, '$.memory_mib'), m.start_type, m.status FROM measured m "
        "JOIN cell c ON c.id = m.cell_id WHERE m.status = 'ok' ORDER BY 1, 2"
    )
    assert rows == [(size, start, "ok") for size in (128, 512) for start in ("cold", "warm")]
    assert shown(theirs) == before
    assert theirs.functions.keys() == {NAME}
