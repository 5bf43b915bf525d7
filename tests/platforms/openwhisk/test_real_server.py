"""A real server, where `OPENWHISK_APIHOST` names one.

| variable | for |
| --- | --- |
| `OPENWHISK_APIHOST` | all; without a scheme it is `https` |
| `OPENWHISK_AUTH` | the key; by default that of `~/.wskprops`, else the guest's of a new server |
| `OPENWHISK_CERTIFICATE` | file with the certificate of a server that signed its own |
| `OPENWHISK_PYTHON` | version of the kind `python:VERSION`; by default the newest that the server says it has |
| `OPENWHISK_NAMESPACE`, `OPENWHISK_REGISTRY`, `OPENWHISK_MEMORY_MAX_MIB`, ... | settings of these names |
"""

from __future__ import annotations

import json
import os
import ssl
import urllib.request
from pathlib import Path

import pytest

from tests.support import Cli, processors_seen

PREFIX = "SEBSX_PLATFORM__OPENWHISK__"
GIVEN = {name.removeprefix("OPENWHISK_"): value for name, value in os.environ.items() if name.startswith("OPENWHISK_")}
ON = ("--platform", "openwhisk")
# Of `ansible/files/auth.guest` in Apache OpenWhisk, which every new server and its standalone jar have.
GUEST = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP"

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("APIHOST" not in GIVEN, reason="not run: OPENWHISK_APIHOST is not set"),
]


@pytest.fixture
def real(sebsx: Cli) -> Cli:
    """The command line with settings that lead to the server."""
    host = GIVEN["APIHOST"] if "://" in GIVEN["APIHOST"] else f"https://{GIVEN['APIHOST']}"
    found = {name: value for name, value in GIVEN.items() if name != "APIHOST"}
    found |= {"API_HOST": host, "AUTH": GIVEN.get("AUTH") or of_wsk() or GUEST}
    if version := GIVEN.get("PYTHON") or newest_python(host):
        found["PYTHON"] = version
    sebsx.environment |= {PREFIX + name: value for name, value in found.items()}
    return sebsx


def of_wsk() -> str:
    """Return the key in the file of the `wsk` client; empty where there is none."""
    path = Path(os.environ.get("WSK_CONFIG_FILE") or Path.home() / ".wskprops")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.partition("=")[2].strip() for line in lines if line.startswith("AUTH=")), "")


def newest_python(host: str) -> str:
    """Return the newest version of Python that the server says it has; empty where it says nothing."""
    context = ssl.create_default_context(cafile=GIVEN.get("CERTIFICATE"))
    try:
        with urllib.request.urlopen(f"{host.rstrip('/')}/", timeout=20, context=context) as answer:
            kinds = json.load(answer)["runtimes"]["python"]
        versions = [item["kind"].partition(":")[2] for item in kinds if not item.get("deprecated")]
        return max((version for version in versions if "." in version), key=lambda v: [*map(int, v.split("."))])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def test_server_is_known_and_searched(real: Cli) -> None:
    done = real("doctor", *ON, timeout_s=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert isinstance(real.json("clean", *ON, "--dry-run"), list)


@pytest.mark.parametrize("trigger", ["blocking", "async"])
def test_run_is_measured_and_left_empty(real: Cli, trigger: str) -> None:
    words = ("--size", "test", "--repetitions", "3", "--option", f"trigger={trigger}")
    done = real("run", "benchmark", "sleep", *ON, *words, timeout_s=1500)
    assert done.returncode == 0, done.stderr
    good = real.rows(
        "SELECT cell_id, count(*) FROM measured WHERE status = 'ok' AND start_type = start_wanted "
        "AND provider_duration_s >= 0 GROUP BY cell_id"
    )
    assert [count >= 3 for _, count in good] == [True, True]
    assert {asked == seen for asked, seen in processors_seen(real)} == {True}
    ((run_id,),) = real.rows("SELECT ulid FROM run")
    assert real.json("clean", *ON, "--run", run_id, "--dry-run") == []
    assert real.rows("SELECT kind, name FROM resource WHERE state != 'deleted'") == []
