"""Handlers have the forms that AWS's own runtime clients take (awslambdaric 4 for Python, 3.3 for Node.js)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sebsx_nodejs.language import NodejsLanguage
from sebsx_python.language import PythonLanguage

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx.contracts.languages import Language

PYTHON = """
import sys
root = sys.argv[1]
sys.path[:0] = [root]
from sebsx_runtime.shim import LoadError, Shim
shim = Shim(root)
try:
    shim.load()
    print(shim.invoke({}, "id").text)
except LoadError as exc:
    print(exc.text)
"""
NODE = """
const root = process.argv[1];
const { Shim } = require(`${root}/sebsx_runtime/shim.cjs`);
const shim = new Shim(root);
const say = (answer) => console.log(answer.text);
shim.load().then(() => shim.invoke({}, 'id')).then(say, (error) => say(error.answer));
"""


def package(root: Path, language: Language, handler: str, files: dict[str, str]) -> None:
    for name, data in language.runtime_files().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "sebsx.json").write_text(json.dumps({"handler": handler, "collectors": []}))


def run(*command: str) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


CODE = "def handler(event, context):\n    return 'called'\nfunction = handler\n"


@pytest.mark.parametrize(
    ("handler", "file"),
    [
        ("app.handler", "app.py"), ("src/app.handler", "src/app.py"), ("src.app.handler", "src/app.py"),
        ("a/b/app.handler", "a/b/app.py"), ("app.function", "app.py"), ("function.function", "function.py"),
        ("function.handler", "function/__init__.py"), ("index.a.handler", "index/a.py"),
    ],
)  # fmt: skip
def test_python_finds_handlers_as_lambda_does(tmp_path: Path, handler: str, file: str) -> None:
    package(tmp_path, PythonLanguage(), handler, {file: CODE})
    assert PythonLanguage().takes(handler)
    assert run(sys.executable, "-I", "-S", "-c", PYTHON, str(tmp_path))["output"] == "called"


JS = "exports.handler = exports.function = async () => 'called'; exports.a = { b: { handler: exports.handler } };"
MJS = "export const handler = async () => 'called'; export default { a: { handler } };"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="this machine has no Node.js")
@pytest.mark.parametrize(
    ("handler", "file", "code"),
    [
        ("index.handler", "index.js", JS),
        ("src/index.handler", "src/index.js", JS),
        ("index.a.b.handler", "index.js", JS),
        ("index.function", "index.js", JS),
        ("function.function", "function.cjs", JS),
        ("function.handler", "function", JS),
        ("my-app/v1.2/index.handler", "my-app/v1.2/index.js", JS),
        ("function.handler", "function/index.js", JS),
        ("index.handler", "index.mjs", MJS),
        ("index.a.handler", "index.mjs", MJS),
    ],
)
def test_node_finds_handlers_as_lambda_does(tmp_path: Path, handler: str, file: str, code: str) -> None:
    package(tmp_path, NodejsLanguage(), handler, {file: code})
    assert NodejsLanguage().takes(handler)
    assert run("node", "-e", NODE, str(tmp_path))["output"] == "called"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="this machine has no Node.js")
@pytest.mark.parametrize(
    ("handler", "words"), [("index.b.handler", "exports no function 'b.handler'"), ("no.x", "no file no")]
)
def test_node_says_what_of_a_handler_is_not_there(tmp_path: Path, handler: str, words: str) -> None:
    package(tmp_path, NodejsLanguage(), handler, {"index.js": JS})
    assert words in run("node", "-e", NODE, str(tmp_path))["error"]["message"]
