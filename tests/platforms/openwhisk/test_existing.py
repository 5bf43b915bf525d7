"""Actions that a user has are measured as they are, as copies, or changed and put back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import PlatformError, UnsupportedError, UserError
from sebsx.model import Adoption, Deployment, FunctionConfig, Resource
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke
from sebsx_openwhisk.backend import OpenWhiskPlatform
from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.platforms.openwhisk.conftest import made
from tests.support import Call, Cli

pytestmark = pytest.mark.slow
NAME = "hello"
CODE = "def main(args):\n    return {'greeting': args.get('name'), 'word': args.get('word')}\n"
THEIRS = {
    "exec": {"kind": "python:3.11", "code": CODE},
    "limits": {"memory": 256, "timeout": 7000},
    "parameters": [{"key": "word", "value": "hi"}],
    "annotations": [{"key": "team", "value": "ours"}],
}


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def platform(whisk: EmulatedOpenWhisk, tmp_path: Path, ledger: MemoryLedger) -> Iterator[OpenWhiskPlatform]:
    """A platform in whose namespace somebody has an action."""
    whisk.answer("PUT", f"/namespaces/_/actions/{NAME}", {}, THEIRS)
    with made(tmp_path, whisk, ledger=ledger, poll_s=0.02) as opened:
        yield opened


def adoption(address: str = NAME, memory_mib: int = 0, **how: bool) -> Adoption:
    config = FunctionConfig("sebsx-copy", memory_mib=memory_mib, timeout_s=0.0, architecture="")
    return Adoption("openwhisk", address, subject=address, config=config, **how)


def said(platform: Any, deployment: Deployment, payload: Any) -> Any:
    return json.loads(invoke(platform, deployment, payload).reply.body)


def shown(whisk: EmulatedOpenWhisk) -> dict[str, Any]:
    return {key: value for key, value in whisk.actions[NAME].items() if key not in ("version", "revision", "updated")}


def test_copy_runs_the_same_code_with_other_memory_and_goes(
    platform: OpenWhiskPlatform, whisk: EmulatedOpenWhisk, ledger: MemoryLedger
) -> None:
    before = shown(whisk)
    copy = platform.adopt(adoption(f"/guest/{NAME}", 512, copy=True))
    assert (copy.config.memory_mib, copy.config.timeout_s) == (512, 7.0)
    assert said(platform, copy, {"name": "you"}) == {"greeting": "you", "word": "hi"}
    platform.force_cold(copy)
    name = copy.effective["function"]
    assert [orphan.name for orphan in platform.orphans()] == [name]
    platform.release(copy)
    assert shown(whisk) == before
    assert whisk.actions.keys() == {NAME}
    assert ledger.open == {}


@pytest.mark.parametrize("address", [NAME, f"/guest/{NAME}"])
def test_change_is_put_back_from_the_ledger_as_well(
    platform: OpenWhiskPlatform, whisk: EmulatedOpenWhisk, ledger: MemoryLedger, address: str
) -> None:
    before = shown(whisk)
    changed = platform.adopt(adoption(address, 128, in_place=True))
    platform.force_cold(changed)
    assert shown(whisk)["limits"]["memory"] == changed.effective["memory_mib"] == 128
    assert {"key": "team", "value": "ours"} in shown(whisk)["annotations"]
    [(kind, name)] = ledger.open
    for _ in range(2):
        platform.remove(Resource(kind, name, platform="openwhisk", run_id="r", id=1))
    assert shown(whisk) == before
    platform.release(changed)
    assert (shown(whisk), ledger.open) == (before, {})
    whisk.delete(NAME)
    platform.release(changed)


def test_change_that_is_refused_stays_in_the_ledger(
    platform: OpenWhiskPlatform, whisk: EmulatedOpenWhisk, ledger: MemoryLedger
) -> None:
    with pytest.raises(UnsupportedError, match="exceeds allowed threshold"):
        platform.adopt(adoption(memory_mib=4096, in_place=True))
    assert list(ledger.open) == [("memory-change", f"{NAME}@256")]
    whisk.fail("PUT", f"/namespaces/_/actions/{NAME}", 500)
    with pytest.raises(PlatformError, match=f"change of action '{NAME}'"):
        platform.adopt(adoption(memory_mib=128, in_place=True))


def test_what_has_no_memory_or_is_not_there_is_refused(platform: OpenWhiskPlatform, whisk: EmulatedOpenWhisk) -> None:
    with pytest.raises(UserError, match="does not exist; look with: wsk action list"):
        platform.adopt(adoption("none", 256, copy=True))
    whisk.actions[NAME]["exec"] = {"kind": "sequence", "components": []}
    with pytest.raises(UnsupportedError, match="is a sequence"):
        platform.adopt(adoption(memory_mib=256, copy=True))
    whisk.violations.clear()  # of a sequence without an action


def test_sizes_are_measured_from_the_command_line_cold_and_warm(
    cloud: Cli, call: Call, whisk: EmulatedOpenWhisk
) -> None:
    whisk.answer("PUT", f"/namespaces/_/actions/{NAME}", {}, THEIRS)
    before = shown(whisk)
    for more in (("--start", "warm"), ("--in-place",)):
        done = call("run", "function", NAME, "--platform", "openwhisk", "--payload", '{"name": "you"}', "--memory",
                    "128,512", "--repetitions", "2", "--expect", '{"greeting": "you"}', *more)  # fmt: skip
        assert done.code == 0, done.stderr
    rows = cloud.rows(
        "SELECT DISTINCT json_extract(c.factors, '$.memory_mib'), m.start_type, m.status FROM measured m "
        "JOIN cell c ON c.id = m.cell_id ORDER BY 1, 2"
    )
    assert rows == [(size, start, "ok") for size in (128, 512) for start in ("cold", "warm")]
    assert whisk.actions.keys() == {NAME}
    assert shown(whisk) == before
