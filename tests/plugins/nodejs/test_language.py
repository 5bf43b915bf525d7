from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import sebsx
from sebsx import plugins
from sebsx.errors import PackagingError
from sebsx.model import Target
from sebsx.testing.contracts import LanguageContract
from sebsx_nodejs.language import NodejsLanguage


@pytest.mark.slow  # npm packs what lies beside the code
class TestContract(LanguageContract):
    @pytest.fixture
    def language(self) -> NodejsLanguage:
        return NodejsLanguage()

    @pytest.fixture
    def code(self, tmp_path: Path) -> Path:
        """Code with a package in a folder beside it."""
        return with_local_package(tmp_path)


def with_local_package(above: Path) -> Path:
    """Return a code folder whose packages lie inside of it and beside it."""
    folder = above / "code"
    for place, name in ((folder / "inner", "inner"), (above / "shared", "shared")):
        (place / "lib").mkdir(parents=True)
        (place / "package.json").write_text(json.dumps({"name": name, "version": "1.0.0", "main": "lib/main.js"}))
        (place / "lib" / "main.js").write_text(f"module.exports = '{name} 1';")
    (folder / "function.js").write_text("exports.handler = () => 1;")
    manifest = {"dependencies": {"inner": "file:inner", "shared": "file:../shared"}}
    (folder / "package.json").write_text(json.dumps(manifest))
    linked = {"node_modules/inner": {"resolved": "inner", "link": True}}
    linked["node_modules/shared"] = {"resolved": "../shared", "link": True}
    own = {"inner": {"version": "1.0.0"}, "../shared": {"version": "1.0.0"}}
    lock = {"lockfileVersion": 3, "requires": True, "packages": {"": manifest} | own | linked}
    (folder / "package-lock.json").write_text(json.dumps(lock))
    return folder


@pytest.mark.slow
def test_packages_by_path_are_copied_and_a_change_of_one_is_another_key(tmp_path: Path) -> None:
    code = with_local_package(tmp_path)
    (tmp_path / "one").mkdir()
    assert list(NodejsLanguage().build(code, tmp_path / "one", TARGET).requirements) == [
        "inner==1.0.0",
        "shared==1.0.0",
    ]
    copy = tmp_path / "one" / "node_modules" / "shared"
    assert not copy.is_symlink()
    assert (copy / "lib" / "main.js").read_text() == "module.exports = 'shared 1';"
    read = {path.resolve() for path in NodejsLanguage().inputs(code, TARGET).files}
    assert {(tmp_path / "shared" / "lib" / "main.js"), (code / "inner" / "package.json")} <= read
    assert code / "function.js" not in read


def test_package_by_path_that_is_gone_is_named(tmp_path: Path) -> None:
    code = with_local_package(tmp_path)
    shutil.rmtree(tmp_path / "shared")
    with pytest.raises(PackagingError, match=r"'\.\./shared', which .*package-lock\.json' names, is neither"):
        NodejsLanguage().inputs(code, TARGET)


TARGET = Target("nodejs", "20", architecture="x86_64", binaries="manylinux_2_28")


def write_node(folder: Path, script: str) -> None:
    (folder / "node").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "node").chmod(0o755)


def test_plugin_registers_the_language() -> None:
    (registered,) = plugins.load(["nodejs"]).languages.values()
    assert (registered.name, issubclass(registered, NodejsLanguage)) == ("nodejs", True)


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo v20.11.1", "20"),
        ("echo v18.0.0", "18"),
        ("echo v16.20.2", None),
        ("echo what", None),
        ("echo v20.11.1; exit 1", None),
    ],
)
def test_host_version_is_the_major_of_a_node_that_is_new_enough(
    script: str, version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_node(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")

    assert NodejsLanguage().host_version() == version


def test_machine_without_node_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert NodejsLanguage().host_version() is None


def test_command_gives_v8_the_memory_of_the_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_node(tmp_path, 'echo "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    root = tmp_path / "a package"

    done = subprocess.run(
        NodejsLanguage().command(root),
        capture_output=True,
        text=True,
        check=True,
        env={"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"},
    )

    assert done.stdout == f"--max-old-space-size=512 {root}/sebsx_runtime/bootstrap.cjs\n"


def test_runtime_is_every_module_of_the_shim() -> None:
    folder = Path(sebsx.__file__).parent / "runtime" / "nodejs"

    assert dict(NodejsLanguage().runtime_files()) == {
        f"sebsx_runtime/{path.name}": path.read_bytes() for path in folder.iterdir()
    }


@pytest.mark.parametrize("path", sorted((Path(sebsx.__file__).parent / "runtime" / "nodejs").iterdir()), ids=str)
def test_runtime_requires_node_s_own_modules_only(path: Path) -> None:
    script = "console.log(JSON.stringify(require('module').builtinModules))"
    built_in = json.loads(subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True).stdout)
    required = [part.partition("'")[0] for part in path.read_text().split("require('")[1:]]

    assert {name for name in required if not name.startswith("./")} <= set(built_in)


def test_manifest_and_lock_are_inputs_once_something_is_needed(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "package-lock.json").write_text("{}")
    assert NodejsLanguage().inputs(tmp_path, TARGET) is None

    (tmp_path / "package.json").write_text('{"dependencies": {"mustache": "4.2.0"}}')
    names = [path.name for path in NodejsLanguage().inputs(tmp_path, TARGET).files if path.parent == tmp_path]
    assert names == ["package.json", "package-lock.json"]
