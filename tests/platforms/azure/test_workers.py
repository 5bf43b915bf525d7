"""A package, as it is deployed, runs with what Microsoft runs it with, in Node.js as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.building import Packager
from sebsx.contracts import benchmarks
from sebsx.model import Status
from sebsx.plugins import Registry
from sebsx.testing.contracts import trying
from sebsx.testing.invoking import invoke, invoke_together
from tests.emulated_azure import EmulatedSubscription
from tests.platforms.azure.conftest import made

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(600)]  # npm brings Microsoft's library
IN_JAVASCRIPT = """
exports.handler = async (event, context) => {
  if (event.do === 'raise') throw new RangeError(event.value);
  if (event.do === 'exit') process.exit(3);
  if (event.do === 'storage') {
    const data = await context.storage.download('a folder/in');
    await context.storage.upload('a folder/out', Buffer.from(data).reverse());
    return data.length;
  }
  if (event.do === 'table') {
    const long = 'x'.repeat(70000) + 'ä';
    for (const sort of ['b', 'ä/', 'a']) await context.table.put("it's", sort, { sort, long });
    await context.table.delete("it's", 'b');
    const found = await context.table.query("it's");
    return [found.map((item) => item.sort), await context.table.get("it's", 'b'), found[0].long === long];
  }
  if (event.do === 'sleep') await new Promise((resolve) => setTimeout(resolve, event.value * 1000));
  return event.value;
};
"""
MANIFEST = """
name = "echo"
version = "1"
summary = "answers what it is asked"
category = "test"
source = "own code"
licence = "Apache-2.0"

[defaults]
memory_mib = 256
timeout_s = 10

[languages.nodejs]
handler = "function.handler"
"""


def test_function_in_javascript_is_deployed_called_and_forced_cold(
    subscription: EmulatedSubscription, tmp_path: Path, sebsx_packager: Packager, sebsx_registry: Registry
) -> None:
    source = tmp_path / "echo"
    (source / "nodejs").mkdir(parents=True)
    (source / "benchmark.toml").write_text(MANIFEST)
    (source / "nodejs" / "function.js").write_text(IN_JAVASCRIPT)
    with made(tmp_path, subscription) as platform:
        language = sebsx_registry.get("languages", "nodejs")()
        target = platform.target("nodejs", "x86_64")
        package = sebsx_packager.build(benchmarks.load(source), language, target, platform=platform)
        deployment = platform.deploy(package, trying.config(platform, options={"sandbox_concurrency": 4}))
        assert deployment.effective["runtime"] == "node|22"
        assert len(deployment.deployed_sha256) == 64
        first = invoke(platform, deployment, {"value": [1, None, "ü"]})
        assert first.output == [1, None, "ü"]
        assert (first.envelope or {})["sebsx"]["init_gap_s"] >= 0
        error = invoke(platform, deployment, {"do": "raise", "value": "by intent"})
        assert error.status is Status.FUNCTION_ERROR
        assert (error.envelope or {})["error"]["type"] == "RangeError"
        platform.storage().put("a folder/in", b"\0abc")
        assert invoke(platform, deployment, {"do": "storage"}).output == 4
        assert platform.storage().get("a folder/out") == b"cba\0"
        platform.table()
        assert invoke(platform, deployment, {"do": "table"}).output == [["a", "ä/"], None, True]
        answers = invoke_together(platform, deployment, {"do": "sleep", "value": 0.5}, 3)
        assert len({(answer.envelope or {})["sebsx"]["sandbox"] for answer in answers}) == 1
        wanted = [platform.request_id_of(answer.reply) for answer in answers]
        assert trying.records_of(platform, deployment, wanted).keys() == set(wanted)
        gone = invoke(platform, deployment, {"do": "exit"})
        assert (gone.envelope or {})["error"]["message"] == "the function called process.exit(3)"
        platform.force_cold(deployment)
        again = invoke(platform, deployment, {"value": 1})
        assert (again.envelope or {})["sebsx"]["call"] == 1
        platform.teardown(deployment)
    assert subscription.remaining() == {}
