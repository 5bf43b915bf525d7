"""Items of functions in Cosmos DB: the same in both languages, refused in words, and gone with the account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sebsx.errors import CredentialsError, PlatformError
from sebsx.model import Resource
from sebsx.testing.fakes import MemoryLedger
from tests.emulated_azure import REGION, EmulatedSubscription, Fault
from tests.platforms.azure.conftest import made
from tests.support import Cli

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KEYS = ["b", "ä/?#\\", "a", "c"]
ITEM = {"text": "ü'\U0001f642", "large": 2**53 + 1, "none": None, "deep": {"list": [1, {"a": 0.1}]}}
IN_PYTHON = """
import json, sys
from sebsx_wrapper import table
asked = json.load(sys.stdin)
items = table()
for sort in asked.get("put", []):
    items.put("it's/me", sort, {**asked["item"], "sort": sort})
for sort in asked.get("delete", []):
    items.delete("it's/me", sort)
print(json.dumps([items.query("it's/me"), items.get("it's/me", "a"), items.get("it's/me", "none"), items.query("x")]))
"""
IN_JAVASCRIPT = """
const asked = JSON.parse(require('fs').readFileSync(0));
const items = require('./sebsx_wrapper.cjs').table();
(async () => {
  for (const sort of asked.put ?? []) await items.put("it's/me", sort, { ...asked.item, sort });
  for (const sort of asked.delete ?? []) await items.delete("it's/me", sort);
  const [found, none] = [await items.get("it's/me", 'a'), await items.get("it's/me", 'none')];
  console.log(JSON.stringify([await items.query("it's/me"), found, none, await items.query('x')]));
})();
"""


def test_items_are_the_same_in_both_languages_and_gone_with_the_account(
    subscription: EmulatedSubscription, tmp_path: Path
) -> None:
    subscription.cosmos.page = 2  # a query takes several pages
    ledger = MemoryLedger()
    with made(tmp_path, subscription, ledger=ledger, table="cosmos") as platform:
        platform.table()
        platform.table()
        assert {orphan.kind for orphan in platform.orphans()} == {"resource-group", "cosmos-account"}
        known = {**platform._resources.urls(), "SEBSX_TRUSTED": platform.certificates}
        known |= {"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(subscription.certificate)}
        for language in ("python", "nodejs"):
            for name, data in platform.wrapper_files(language).items():
                (tmp_path / name).write_bytes(data)
        (tmp_path / "asking.py").write_text(IN_PYTHON)
        (tmp_path / "asking.cjs").write_text(IN_JAVASCRIPT)

        def ask(words: list[str], **asked: Any) -> Any:
            done = subprocess.run(
                words, cwd=tmp_path, env=known, input=json.dumps(asked), capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        wanted = [{**ITEM, "sort": sort} for sort in sorted(KEYS)]
        assert ask([sys.executable, "asking.py"], put=KEYS, item=ITEM) == [wanted, wanted[0], None, []]
        in_javascript = ask(["node", "asking.cjs"], put=["a"], delete=["b", "none"], item={"sort": 1})
        assert [item["sort"] for item in in_javascript[0]] == ["a", "c", "ä/?#\\"]
        assert ask([sys.executable, "asking.py"], delete=["c", "none"])[0] == [{"sort": "a"}, wanted[-1]]
        known["SEBSX_COSMOS_KEY"] = known["SEBSX_COSMOS_KEY"].swapcase()
        with pytest.raises(AssertionError, match="POST of the table failed with 401"):
            ask([sys.executable, "asking.py"])
    assert subscription.remaining() == {}
    assert ledger.open == {}


def test_account_that_azure_refuses_is_told_and_cleaned(subscription: EmulatedSubscription, tmp_path: Path) -> None:
    ledger = MemoryLedger()
    with made(tmp_path, subscription, ledger=ledger, table="cosmos") as platform:
        path = r".*/providers/Microsoft.DocumentDB/databaseAccounts/[^/]+$"
        subscription.faults.append(Fault("PUT", path, 409, "MissingSubscriptionRegistration", "not registered"))
        with pytest.raises(PlatformError, match="register the providers"):
            platform.table()
        subscription.faults.append(Fault("POST", rf"{path[:-1]}/listKeys$", 403, "AuthorizationFailed", "not you"))
        with pytest.raises(CredentialsError, match=r"create of the table in .*grant the role"):
            platform.table()
        platform.table()
    assert ledger.open == {}
    platform.remove(Resource("cosmos-account", "none/none", platform="azure", run_id="r", region=REGION, id=1))


def test_doctor_tells_of_providers_that_are_not_registered(subscription: EmulatedSubscription, tmp_path: Path) -> None:
    subscription.manager.unregistered = {"Microsoft.DocumentDB"}
    assert made(tmp_path, subscription).check() == []
    [problem] = made(tmp_path, subscription, table="cosmos").check()
    assert problem.message == "the subscription has not registered Microsoft.DocumentDB"
    assert "az provider register" in problem.advice


def test_benchmark_keeps_its_items_in_cosmos_db(cloud: Cli, subscription: EmulatedSubscription) -> None:
    small = ("--platform", "azure", "--size", "test", "--repetitions", "1", "--set", "table=cosmos")
    done = cloud("run", "benchmark", "crud-api", *small, timeout_s=400)
    assert done.returncode == 0, done.stderr
    assert {status for (status,) in cloud.rows("SELECT status FROM measured")} == {"ok"}
    assert ("cosmos-account", "deleted") in cloud.rows("SELECT kind, state FROM resource")
    assert subscription.remaining() == {}
