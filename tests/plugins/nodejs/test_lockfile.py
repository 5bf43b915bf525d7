from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from sebsx.building import Packager
from sebsx.errors import PackagingError
from sebsx.model import Target
from sebsx.plugins import load
from sebsx.testing.handlers import unpack
from sebsx_nodejs import lockfile
from sebsx_nodejs.language import NodejsLanguage

ARM = Target("nodejs", "20", architecture="arm64", binaries="manylinux_2_28")
REGISTRY = load()
LOCKED = sorted(
    name for name, benchmark in REGISTRY.benchmarks.items() if (benchmark.root / "nodejs" / lockfile.LOCK).is_file()
)
# e_machine of an ELF header: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html and its registry
MACHINES = {"x86_64": 62, "arm64": 183}
BINARIES = {"thumbnailer": 2}  # libvips and its binding
CHECKS_ONLY = {"node_modules/sharp"}  # its script only looks whether the package for the processor is there


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    write(folder, {"dependencies": {"some": "1.0.0"}}, {"packages": {}})
    return folder


def write(folder: Path, manifest: Any, lock: Any) -> None:
    (folder / lockfile.MANIFEST).write_text(json.dumps(manifest))
    (folder / lockfile.LOCK).write_text(json.dumps(lock))


def fake_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program named npm on PATH: how npm fails cannot be provoked at will."""
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


@pytest.mark.parametrize("name", LOCKED)
def test_lock_pins_exactly_with_digests_and_names_no_registry(name: str) -> None:
    folder = REGISTRY.benchmarks[name].root / "nodejs"
    manifest = json.loads((folder / lockfile.MANIFEST).read_text())
    packages = json.loads((folder / lockfile.LOCK).read_text())["packages"]
    readme = (folder.parent / "README.md").read_text().lower()

    assert "resolved" not in (folder / lockfile.LOCK).read_text()
    assert all(entry["integrity"].startswith("sha512-") for path, entry in packages.items() if path)
    assert not any(entry.get("hasInstallScript") for path, entry in packages.items() if path not in CHECKS_ONLY)
    for package, version in manifest["dependencies"].items():
        assert packages[f"node_modules/{package}"]["version"] == version
        assert f"{package} {version}" in readme


def test_dependencies_without_a_lock_say_how_to_make_one(source: Path, tmp_path: Path) -> None:
    (source / lockfile.LOCK).unlink()

    with pytest.raises(PackagingError, match="npm install --package-lock-only"):
        NodejsLanguage().build(source, tmp_path, ARM)


def test_unknown_architecture_is_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="'riscv64' is not known; use x86_64 or arm64"):
        lockfile.install(source, tmp_path, Target("nodejs", "20", architecture="riscv64"))


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_manifest_that_cannot_be_read_is_named(text: str, source: Path) -> None:
    (source / lockfile.MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(PackagingError, match=r"package\.json"):
        lockfile.any_in(source)


def test_machine_without_npm_says_so(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PackagingError, match="need npm, which was not found"):
        lockfile.install(source, tmp_path, ARM)


def test_reason_of_npm_comes_on_one_line(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        "npm warn x\\nnpm error code E404\\nnpm error\\nnpm error 404 Not Found\\nnpm error A complete log of this run"
    )
    fake_npm(tmp_path, monkeypatch, f"printf '{words}' >&2; exit 1")

    with pytest.raises(PackagingError, match=r"^404 Not Found \(code E404\) \(installing '.*package-lock\.json'\)$"):
        lockfile.install(source, tmp_path, ARM)


def test_npm_runs_no_scripts_and_is_told_the_target(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(tmp_path, monkeypatch, f'echo "$@" > {tmp_path}/said; mkdir node_modules')

    lockfile.install(source, tmp_path / "out", ARM)

    said = (tmp_path / "said").read_text().split()
    assert said[0] == "ci"
    assert {"--ignore-scripts", "--omit=dev", "--os=linux", "--cpu=arm64", "--libc=glibc"} <= set(said)


@pytest.mark.parametrize(
    ("made", "refused"),
    [
        ("plain fast-arm64 extra", None),
        ("plain fast-arm64", None),  # `extra` is optional for every processor
        ("plain fast-arm64 fast-x64", "fast-x64"),
        ("plain fast-x64", "fast-arm64"),  # as an npm that does not know --cpu leaves it
        ("plain", "fast-arm64"),
        ("fast-arm64", "plain"),
    ],
)
def test_packages_must_be_those_of_the_target(
    made: str, refused: str | None, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = {
        "": {},
        "node_modules/plain": {"version": "1.0.0"},
        "node_modules/fast-arm64": {"version": "2.0.0", "os": ["linux"], "cpu": ["arm64"], "optional": True},
        "node_modules/fast-x64": {"version": "2.0.0", "os": ["linux"], "cpu": ["x64"], "optional": True},
        "node_modules/extra": {"version": "3.0.0", "optional": True},
        "node_modules/tool": {"version": "4.0.0", "dev": True},
    }
    write(source, {"dependencies": {"plain": "1.0.0"}}, {"packages": packages})
    folders = " ".join(f"node_modules/{name}" for name in made.split())
    fake_npm(tmp_path, monkeypatch, f"mkdir -p {folders}; touch node_modules/.package-lock.json")
    (tmp_path / "out").mkdir()

    if refused:
        with pytest.raises(PackagingError, match=f"node_modules/{refused}' for linux arm64 as locked"):
            lockfile.install(source, tmp_path / "out", ARM)
        return
    installed = lockfile.install(source, tmp_path / "out", ARM)

    versions = {"plain": "plain==1.0.0", "fast-arm64": "fast-arm64==2.0.0", "extra": "extra==3.0.0"}
    assert installed == sorted(versions[name] for name in made.split())
    assert sorted(path.name for path in (tmp_path / "out" / "node_modules").iterdir()) == sorted(made.split())


@pytest.mark.parametrize(
    ("words", "allowed"),
    [(None, True), (["linux"], True), (["darwin"], False), (["!win32"], True), (["!linux"], False), ([], True)],
)
def test_list_of_systems_may_name_or_refuse(words: list[str] | None, allowed: bool) -> None:
    assert lockfile._allows(words, "linux") is allowed


@pytest.mark.network
@pytest.mark.parametrize("name", LOCKED)
@pytest.mark.parametrize("architecture", sorted(MACHINES))
def test_package_for_either_processor_is_small_equal_each_time_and_of_that_processor(
    name: str, architecture: str, tmp_path: Path
) -> None:
    target = Target("nodejs", "20", architecture=architecture, binaries="manylinux_2_28")
    built = [
        Packager(tmp_path / cache).build(REGISTRY.benchmarks[name], NodejsLanguage(), target) for cache in ("a", "b")
    ]

    root = unpack(built[0], tmp_path / "package")
    assert built[0].sha256 == built[1].sha256
    assert built[0].unpacked_bytes < 250e6
    assert built[0].requirements
    machines = [machine_of(path) for path in root.rglob("*") if is_elf(path)]
    assert machines == [MACHINES[architecture]] * BINARIES.get(name, 0)
    assert not list(root.rglob(".package-lock.json"))


def is_elf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def machine_of(path: Path) -> int:
    (machine,) = struct.unpack_from("<H", path.read_bytes(), 18)
    return int(machine)
