"""Packages for arm64 are run once on an aarch64 user space: qemu in a root of Debian's own packages.

This tells that the wheels are there and work; it says nothing of arm64's speed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sebsx import plugins, testing
from sebsx.building import Packager
from sebsx.contracts.benchmarks import Benchmark
from sebsx.model import Target
from sebsx.sandboxes.files import FileStorage
from sebsx.testing.contexts import context_for
from sebsx.testing.handlers import FolderStorage, unpack
from sebsx_local.backend import LocalPlatform
from sebsx_local.settings import LocalSettings
from tests.support import BUILT_IN

# What Amazon Linux 2023 has too, apart from the interpreter that its runtime image brings.
DEBIAN = ("python3", "libstdc++6", "libgomp1", "zlib1g", "libexpat1", "nodejs")
QEMU = Path("/usr/bin/qemu-aarch64-static")
BINFMT = Path("/proc/sys/fs/binfmt_misc")
BARE = Path(testing.__file__).with_name("bare.py")

REGISTRY = plugins.load(BUILT_IN)
WITH_WHEELS = {
    name: benchmark
    for name, benchmark in REGISTRY.benchmarks.items()
    if "python" in benchmark.languages and (benchmark.code("python").folder / "requirements.txt").is_file()
}
# One for each set of packages: of those with the same, nothing that depends on the architecture differs.
DIFFERENT = {
    benchmark.name: benchmark
    for benchmark in {
        (benchmark.code("python").folder / "requirements.txt").read_text(encoding="utf-8"): benchmark
        for benchmark in (*WITH_WHEELS.values(), WITH_WHEELS["linpack"])  # which calls BLAS
    }.values()
}

# Large ones, whose kind of package smaller ones stand for: each takes a quarter of a minute and more under qemu.
LARGE = {"dna-visualisation", "image-recognition"}

# Those in Node.js that bring packages: of pure JavaScript or with a binary for each architecture.
WITH_MODULES = {
    name: benchmark
    for name, benchmark in REGISTRY.benchmarks.items()
    if "nodejs" in benchmark.languages and (benchmark.code("nodejs").folder / "package-lock.json").is_file()
}
IN_NODE = """
const { Shim } = require(`${process.argv[1]}/sebsx_runtime/shim.cjs`);
const shim = new Shim(process.argv[1]);
const event = JSON.parse(require('fs').readFileSync(0, 'utf8'));
shim.load().then(() => shim.invoke(event, 'id')).then((answer) => console.log(answer.text));
"""

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.root, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An aarch64 root with Python 3.11, in which children run by qemu as well."""
    assert os.geteuid() == 0, "chroot needs root; deselect with -m 'not root'"
    assert QEMU.exists(), "apt-get install qemu-user-static mmdebstrap"
    root = tmp_path_factory.mktemp("arm64") / "root"
    words = ["mmdebstrap", "--quiet", "--arch=arm64", "--variant=extract", f"--include={','.join(DEBIAN)}", "bookworm"]
    subprocess.run([*words, str(root)], check=True, capture_output=True, timeout=240)
    shutil.copy(QEMU, root / "qemu")
    (root / "bare.py").write_bytes(BARE.read_bytes())
    # Nothing is mounted: what a killed test leaves must be files that anybody may delete.
    for name, device in (("null", os.makedev(1, 3)), ("urandom", os.makedev(1, 9))):
        (root / "dev" / name).unlink(missing_ok=True)
        os.mknod(root / "dev" / name, 0o666 | stat.S_IFCHR, device)
    _let_the_kernel_call_qemu()
    return root


def _let_the_kernel_call_qemu() -> None:
    """Register qemu for aarch64 programs, so that a function can start one of its own."""
    if not (BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)], check=True)
    if not (BINFMT / "qemu-aarch64").exists():
        (BINFMT / "register").write_bytes(Path("/usr/lib/binfmt.d/qemu-aarch64.conf").read_bytes().strip())


def run(root: Path, words: list[str], event: Any, **environment: str) -> Any:
    """Return the output of a program in the root that reads the event and prints an answer."""
    done = subprocess.run(
        [shutil.which("chroot") or "/usr/sbin/chroot", str(root), "/qemu", *words],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        timeout=240,
        env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", **environment},
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert "error" not in answer, answer["error"]["traceback"]
    return answer["output"]


@pytest.mark.parametrize(
    "benchmark",
    [pytest.param(each, id=name, marks=[pytest.mark.soak] * (name in LARGE)) for name, each in DIFFERENT.items()],
)
def test_package_for_arm64_gives_the_right_output(benchmark: Benchmark, root: Path, tmp_path: Path) -> None:
    target = Target("python", "3.11", architecture="arm64", binaries="manylinux_2_28")
    package = Packager(tmp_path / "cache").build(benchmark, REGISTRY.languages["python"](), target)
    folder = root / benchmark.name
    unpack(package, folder / "package")
    storage = FolderStorage(folder / "storage")
    event = benchmark.payload(benchmark.resolve("test", {}), random.Random(1), storage)

    bare = ["/usr/bin/python3", "-I", "-S", "/bare.py", f"/{benchmark.name}/package", f"/{benchmark.name}/storage"]
    output = run(root, bare, event)

    assert benchmark.check(event, output, storage) is None
    assert package.unpacked_bytes < 250_000_000


@pytest.mark.parametrize("benchmark", WITH_MODULES.values(), ids=WITH_MODULES)
def test_node_package_for_arm64_gives_the_right_output(benchmark: Benchmark, root: Path, tmp_path: Path) -> None:
    target = Target("nodejs", "18", architecture="arm64", binaries="manylinux_2_28")
    wrapper = LocalPlatform(LocalSettings(), context_for(LocalPlatform, tmp_path)).wrapper_files("nodejs")
    package = Packager(tmp_path / "cache").build(benchmark, REGISTRY.languages["nodejs"](), target, files=wrapper)
    folder = root / f"{benchmark.name}-node"
    unpack(package, folder / "package")
    storage = FileStorage(folder / "storage")
    event = benchmark.payload(benchmark.resolve("test", {}), random.Random(1), storage)

    words = ["/usr/bin/node", "-e", IN_NODE, f"/{folder.name}/package"]
    output = run(root, words, event, SEBSX_STORAGE_ROOT=f"/{folder.name}/storage")

    assert benchmark.check(event, output, storage) is None
