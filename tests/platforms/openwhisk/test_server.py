"""The emulated server is held to the official contract and to a foreign client, its containers to their protocol."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sebsx.building import Packager
from sebsx.contracts import benchmarks
from sebsx.model import FunctionConfig, Status
from sebsx.plugins import Registry
from sebsx.testing.invoking import invoke, invoke_together
from sebsx_openwhisk import actions
from tests import official
from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.emulated_openwhisk.containers import MARKER, Container
from tests.emulated_openwhisk.server import CONTRACT
from tests.packages import zip_package
from tests.platforms.openwhisk.conftest import made

CODE = "def handler(event, context):\n    print('printed')\n    return event\n"
PUT = ("PUT", "/namespaces/_/actions/f", "overwrite=true")
NODEJS = """
exports.handler = async (event, context) => {
  if (event.do === 'raise') throw new TypeError('by intent');
  if (event.do === 'sleep') await new Promise((done) => setTimeout(done, event.value * 1000));
  if (event.do === 'storage') {
    const data = await context.storage.download(event.from);
    await context.storage.upload(event.to, Buffer.from(data).reverse());
    await context.table.put('p', 'b', { n: 1 });
    await context.table.put('p', 'a', { n: 2 });
    return { bytes: data.length, found: await context.table.query('p'), gone: await context.table.get('p', 'c') };
  }
  return { result: event.value, remaining: context.remainingS() > 0 };
};
"""
CLIENT = """
const openwhisk = require('openwhisk');
const [host, key, folder] = process.argv.slice(2);
const ow = openwhisk({ apihost: host, api_key: key, ignore_certs: true });
(async () => {
  const action = 'function main(args) { return { greeting: `Hello, ${args.name}!` } }';
  await ow.actions.create({ name: 'hello', action });
  const blocking = await ow.actions.invoke({ name: 'hello', blocking: true, params: { name: 'you' } });
  const result = await ow.actions.invoke({ name: 'hello', blocking: true, result: true, params: { name: 'you' } });
  const { activationId } = await ow.actions.invoke({ name: 'hello', params: { name: 'late' } });
  let late;
  for (let attempt = 0; attempt < 100 && late === undefined; attempt += 1) {
    late = await ow.activations.get({ name: activationId }).catch(() => undefined);
    await new Promise((done) => setTimeout(done, 50));
  }
  const listed = await ow.actions.list();
  await ow.actions.delete({ name: 'hello' });
  const gone = await ow.actions.get({ name: 'hello' }).catch((error) => error.statusCode);
  console.log(JSON.stringify({
    blocking: blocking.response, result, late: late.response.result, init: late.annotations.map((one) => one.key),
    names: listed.map((one) => one.name), gone,
  }));
})();
"""


@pytest.fixture(scope="module")
def contract() -> official.Official:
    """The official contract."""
    path = official.find(CONTRACT)
    if path is None:
        pytest.skip(official.MISSING.format(name=CONTRACT))
    return official.Official(path)


def document() -> dict[str, Any]:
    config = FunctionConfig(
        "f", memory_mib=256, timeout_s=2.5, architecture="x86_64",
    )  # fmt: skip
    options = {"sandbox_concurrency": 2, "max_instances": 3}
    return actions.document_of(config, options, actions.exec_of("python:3.11", b"zip"), {"sebsx-run": "R"})


def test_what_is_sent_keeps_to_the_contract(contract: official.Official) -> None:
    assert contract.request_fault(*PUT, document()) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("limit",), {}),
        (("limits", "memoryMb"), 256),
        (("limits", "timeout"), 2.5),
        (("limits", "memory"), "256"),
        (("exec", "kind"), "python:2.0"),
        (("exec", "zip"), "x"),
        (("annotations",), {"sebsx-run": "R"}),
        (("annotations", 0, "name"), "x"),
        (("exec", "code"), ["x"]),
    ],
)
def test_wrong_key_or_type_is_caught(contract: official.Official, path: tuple[Any, ...], value: Any) -> None:
    wrong = copy.deepcopy(document())
    place: Any = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert contract.request_fault(*PUT, wrong) is not None


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("POST", "/namespaces/_/limits", ""),
        ("PATCH", "/namespaces/_/actions/f", ""),
        ("PUT", "/namespaces/_/actions/f", "override=true"),
        ("PUT", "/namespaces/_/actions/f", "overwrite=yes"),
        ("GET", "/namespaces/_/actions", "limit=many"),
        ("GET", "/namespaces/_/action/f", ""),
    ],
)
def test_wrong_method_path_or_query_is_caught(contract: official.Official, method: str, path: str, query: str) -> None:
    assert contract.request_fault(method, path, query, None) is not None


def test_wrong_answer_is_caught(contract: official.Official) -> None:
    read = ("GET", "/namespaces/_/activations/1")
    right = {
        "namespace": "guest", "name": "f", "version": "0.0.1", "publish": False, "subject": "guest",
        "activationId": "1", "start": 1, "response": {}, "logs": [],
    }  # fmt: skip
    assert contract.answer_fault(*read, 200, right) is None
    assert contract.answer_fault(*read, 200, {**right, "wait": 1}) is not None
    assert contract.answer_fault(*read, 200, {**right, "duration": "1 ms"}) is not None
    assert contract.answer_fault(*read, 200, {key: right[key] for key in right if key != "start"}) is not None
    assert contract.answer_fault(*read, 418, right) is not None


@pytest.mark.slow
def test_request_that_breaks_the_contract_is_refused_by_the_server(
    whisk: EmulatedOpenWhisk, contract: official.Official, tmp_path: Path
) -> None:
    with made(tmp_path, whisk) as platform:
        package = zip_package(tmp_path / "p.zip", "x86_64", CODE)
        sent = actions.document_of

        def wrong(*arguments: Any) -> dict[str, Any]:
            return {**sent(*arguments), "memory": 256}

        with pytest.MonkeyPatch.context() as patch, pytest.raises(Exception, match="'memory' was unexpected"):
            patch.setattr(actions, "document_of", wrong)
            platform.deploy(package, FunctionConfig("f", memory_mib=256, timeout_s=2.0, architecture="x86_64"))
    assert len(whisk.violations) == 1
    whisk.violations.clear()


@pytest.mark.slow
def test_packaged_action_keeps_to_the_protocol(tmp_path: Path) -> None:
    """/init once, /run as often as wanted, and a marker in both logs behind each activation."""
    code = actions.bundle(zip_package(tmp_path / "p.zip", "x86_64", CODE), {"A": "1"}, with_package=True)
    action = {"name": "f", "revision": 1, "exec": actions.exec_of("python:3.11", code), "limits": {"memory": 128}}
    container = Container(action, tmp_path)
    try:
        assert container.run({"event": 1}, "early", 5.0)[0] == 500
        assert container.initialise(action) == (200, {"ok": True})
        assert container.initialise(action)[0] == 403
        for number in (1, 2):
            status, envelope = container.run({"event": {"a": number}}, f"id{number}", 5.0)
            assert (status, envelope["sebsx"]["call"], envelope["output"]) == (200, number, {"a": number})
        output, error = container.log()
        assert output == ["printed", MARKER] * 2
        assert [line for line in error if line == MARKER] == [MARKER] * 2
    finally:
        container.end()


@pytest.mark.slow
def test_node_js_functions_run_as_python_ones_do(
    whisk: EmulatedOpenWhisk, of_the_user: dict[str, Any], sebsx_registry: Registry, sebsx_packager: Packager,
    tmp_path: Path,
) -> None:  # fmt: skip
    folder = tmp_path / "nodes"
    (folder / "nodejs").mkdir(parents=True)
    (folder / "nodejs" / "index.js").write_text(NODEJS)
    (folder / "benchmark.toml").write_text(
        'name = "nodes"\nversion = "1"\nsummary = "of a test"\n[languages.nodejs]\nhandler = "index.handler"\n'
    )
    with made(tmp_path, whisk, **of_the_user) as platform:
        language = sebsx_registry.get("languages", "nodejs")()
        package = sebsx_packager.build(
            benchmarks.load(folder), language, platform.target("nodejs", "x86_64"), platform=platform
        )
        storage = platform.storage()
        storage.put("in/a b", b"\0abc")
        platform.table()
        options = {"sandbox_concurrency": 4}
        config = FunctionConfig("n", memory_mib=256, timeout_s=10.0, architecture="x86_64", options=options)
        deployment = platform.deploy(package, config)
        assert deployment.effective["runtime"] == "nodejs:20"
        assert invoke(platform, deployment, {"value": "ü"}).output == {"result": "ü", "remaining": True}
        failed = invoke(platform, deployment, {"do": "raise"})
        assert failed.status is Status.FUNCTION_ERROR
        assert failed.envelope is not None
        assert failed.envelope["error"]["type"] == "TypeError"
        stored = invoke(platform, deployment, {"do": "storage", "from": "in/a b", "to": "out/c"})
        assert stored.output == {"bytes": 4, "found": [{"n": 2}, {"n": 1}], "gone": None}
        assert storage.get("out/c") == b"cba\0"
        answers = invoke_together(platform, deployment, {"do": "sleep", "value": 0.3}, 4)
        sandboxes = {answer.envelope["sebsx"]["sandbox"] for answer in answers if answer.envelope}
        assert len(sandboxes) == 1  # a container serves four at once
        platform.teardown(deployment)


@pytest.mark.slow
@pytest.mark.network
def test_client_from_npm_gets_along_with_the_server(whisk: EmulatedOpenWhisk, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "openwhisk@3.21"]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    (tmp_path / "client.js").write_text(CLIENT)
    command = ["node", "client.js", whisk.url, whisk.key]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["blocking"]["result"] == said["result"] == {"greeting": "Hello, you!"}
    assert said["blocking"]["success"] is True
    assert said["late"] == {"greeting": "Hello, late!"}
    assert (said["names"], said["gone"]) == (["hello"], 404)


def test_bundle_is_the_same_for_the_same_and_hides_no_file_of_the_function(tmp_path: Path) -> None:
    package = zip_package(tmp_path / "p.zip", "x86_64", CODE, index__py=b"x = 1", requirements__py=b"")
    first = actions.bundle(package, {"B": "2", "A": "1"}, with_package=True)
    assert first == actions.bundle(package, {"A": "1", "B": "2"}, with_package=True)
    assert sys.getsizeof(actions.bundle(package, {}, with_package=False)) < len(first)
