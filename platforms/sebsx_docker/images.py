"""Base images made from what this machine has, so that no registry is needed; kept for later runs, by label.

An image for this machine's own architecture is a copy of the interpreters that run sebsx, with their libraries. One for
another architecture is made by mmdebstrap from Debian's packages.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import logging
import os
import platform
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.building.tools import run_tool
from sebsx.errors import DeployError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

logger = logging.getLogger(__name__)

LABEL = "sebsx.base"
REPOSITORY = "sebsx-base"
SUITE = "bookworm"
# What Debian 12 has (https://packages.debian.org/bookworm/, November 2026), and what it is called there.
DEBIAN = {"python": "3.11", "nodejs": "18"}

_RECIPE = 2  # raised when what goes into an image changes
_DEBIAN_PACKAGES = ("python3", "nodejs", "dash", "libc-bin", "libstdc++6", "libgomp1", "zlib1g", "libexpat1")
_LEFT_OUT = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip"}
)
# What wheels for manylinux and Node.js modules may take for granted (PEP 599, PEP 600).
_LIBRARIES = (
    "libstdc++.so.6", "libgcc_s.so.1", "libgomp.so.1", "libz.so.1", "libexpat.so.1", "libatomic.so.1",
    # Parts of glibc, which are empty since 2.34 and which wheels built before name still.
    "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2",
)  # fmt: skip
_PASSWD = "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n"  # noqa: S105  # holds no password
_GROUP = "root:x:0:\nnogroup:x:65534:\n"
_SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
_BUILD_S = 600.0
_PROBE = """
python3 -c 'import os, sys; print("python", "%d.%d" % sys.version_info[:2]); print(os.confstr("CS_GNU_LIBC_VERSION"))'
node -e 'const { node } = process.versions; console.log("nodejs", node.split(".")[0]);
console.log("glibc", process.report.getReport().header.glibcVersionRuntime)'
"""


@dataclass(frozen=True, slots=True)
class Base:
    """An image on the engine: its id, architecture and bytes."""

    id: str
    architecture: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What an image holds: the version of its glibc, and of each language."""

    glibc: str
    versions: Mapping[str, str]


def base_image(client: Any, architecture: str, host: str) -> Base:
    """Return the base image for an architecture, made now if the engine has none of this recipe.

    Args:
        client: `docker.APIClient`.
        architecture: `x86_64` or `arm64`.
        host: That of this machine.

    Raises:
        DeployError: If it cannot be made; the message holds the tool's reason.
    """
    recipe = _host_recipe() if architecture == host else _debian_recipe(architecture)
    tag = f"{REPOSITORY}:{architecture}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    with _alone():
        found = find(client, tag)
        if found is None:
            logger.info("making base image %s, once", tag)
            with tempfile.TemporaryDirectory(prefix="sebsx-base-") as folder:
                root = Path(folder) / "root.tar"
                if architecture == host:
                    _copy_host(root)
                else:
                    _install_debian(root, architecture)
                _build(client, root, tag, architecture)
            found = find(client, tag)
    assert found is not None
    return found


def find(client: Any, name: str) -> Base | None:
    """Return an image by name or id, None if the engine has none."""
    import docker.errors

    try:
        image = client.inspect_image(name)
    except docker.errors.ImageNotFound:
        return None
    machine = str(image["Architecture"])
    return Base(image["Id"], {"amd64": "x86_64"}.get(machine, machine), int(image["Size"]))


def named(client: Any, name: str, architecture: str) -> Base:
    """Return an image that the user named.

    Raises:
        DeployError: If the engine has none of that name.
        UnsupportedError: If it is for another architecture.
    """
    found = find(client, name)
    if found is None:
        raise DeployError(f"the engine has no image {name!r}; pull it, or unset image")
    if found.architecture != architecture:
        raise UnsupportedError(f"image {name!r} is for {found.architecture}, not for {architecture}")
    return found


def contents(client: Any, image: Base, labels: Mapping[str, str]) -> Contents:
    """Return what an image holds, by asking a container of it.

    Raises:
        DeployError: If it has no shell, or is not on glibc.
    """
    try:
        container = client.create_container(image.id, ["-c", _PROBE], entrypoint=["/bin/sh"], labels=dict(labels))["Id"]
        try:
            client.start(container)
            client.wait(container)
            said = client.logs(container, stdout=True, stderr=False).decode("utf-8", "replace")
        finally:
            client.remove_container(container, force=True, v=True)
    except OSError as exc:
        raise DeployError(f"image {image.id!r} cannot be started: {exc}; it needs /bin/sh") from exc
    words = dict(line.split(maxsplit=1) for line in said.splitlines() if len(line.split()) == 2)
    glibc = words.pop("glibc", "")
    if not re.fullmatch(r"\d+\.\d+", glibc):
        raise DeployError(f"image {image.id!r} is not on glibc, for which packages are built; choose another image")
    return Contents(glibc, words)


def inside() -> dict[str, str]:
    """Return what this machine's interpreters are called in an image, by their paths here."""
    here = {sys.executable: "python3"}
    if found := shutil.which("node"):
        here[found] = "node"
    return here


def node() -> Path | None:
    """Return this machine's Node.js."""
    found = shutil.which("node")
    return Path(found).resolve() if found else None


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process of this user at a time look for an image and make it."""
    path = Path(tempfile.gettempdir()) / f"sebsx-base-{os.getuid()}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _host_recipe() -> str:
    words = [str(_RECIPE), platform.machine(), sys.version]
    for path in (_python(), node()):
        words += [str(path), str(path and path.stat().st_mtime_ns)]
    return "\n".join(words)


def _debian_recipe(architecture: str) -> str:
    return "\n".join((str(_RECIPE), architecture, SUITE, *_DEBIAN_PACKAGES))


def _python() -> Path:
    """Return the interpreter itself, not that of a virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


class _Root:
    """Copies files of this machine into a tar, at their own places, with the symbolic links on the way.

    Everything belongs to root and may be read by all, whatever it is here.
    """

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._seen: set[Path] = {Path("/")}

    def add(self, path: Path) -> None:
        """Add a file, a link with what it leads to, or a folder with all that is in it."""
        place = path.parent.resolve() / path.name
        if place in self._seen or not os.path.lexists(place):
            return
        self._parents(place)
        self._seen.add(place)
        self._tar.add(place, str(place)[1:], recursive=False, filter=_readable)
        if place.is_symlink():
            self.add(place.parent / place.readlink())
        elif place.is_dir():
            for child in sorted(place.iterdir()):
                if child.name not in _LEFT_OUT and not child.name.startswith("config-"):
                    self.add(child)

    def file(self, name: str, data: bytes) -> None:
        """Add a file of our own."""
        place = Path("/") / name
        self._parents(place)
        self._seen.add(place)
        entry = tarfile.TarInfo(name)
        entry.mode, entry.size = 0o644, len(data)
        self._tar.addfile(entry, io.BytesIO(data))

    def folder(self, name: str, mode: int = 0o755) -> None:
        """Add an empty folder."""
        self._parents(Path("/") / name)
        self._seen.add(Path("/") / name)
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(entry)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        place = Path("/") / name
        if place in self._seen:
            return
        self._parents(place)
        self._seen.add(place)
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)

    def _parents(self, place: Path) -> None:
        for parent in reversed(place.parents):
            if parent not in self._seen:
                self.folder(str(parent)[1:])


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode |= 0o555 if entry.isdir() or entry.mode & 0o100 else 0o444
    return entry


def _copy_host(path: Path) -> None:
    """Write a root with this machine's shell, Python, Node.js and the libraries that they need."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    programs = [_python(), Path("/bin/sh")] + ([found] if (found := node()) else [])
    modules = sorted((stdlib / "lib-dynload").glob("*.so"))
    with tarfile.open(path, "w") as tar:
        root = _Root(tar)
        for name in ("bin", "sbin", "lib", "lib64"):  # where /usr holds everything, these lead there
            if (Path("/") / name).is_symlink():
                root.link(name, str((Path("/") / name).readlink()))
        for item in (*programs, stdlib, *_libraries((*programs, *modules)), Path("/etc/ld.so.cache")):
            root.add(item)
        for name in (*_builtins(), *_certificates()):
            root.add(Path(name))
        root.link("usr/local/bin/python3", str(_python()))
        if found:
            root.link("usr/local/bin/node", str(found))
        _add_etc(root)


def _install_debian(path: Path, architecture: str) -> None:
    """Write a root of Debian's packages for another architecture.

    No script of a package runs; what Python would compile at every start is compiled now.
    """
    version = DEBIAN["python"]
    words = ["mmdebstrap", "--quiet", f"--architectures={architecture}", "--variant=extract"]
    words += [f"--include={','.join(_DEBIAN_PACKAGES)}", f"--customize-hook={_compile_words(version)}"]
    extra = path.with_name("extra.tar")
    with tarfile.open(extra, "w") as tar:
        root = _Root(tar)
        _add_etc(root)
        for name in _certificates():
            root.add(Path(name))
    words += [f"--customize-hook=tar-in {shlex.quote(str(extra))} /", SUITE, str(path)]
    try:
        done = run_tool(words, path.parent, timeout_s=_BUILD_S)
    except FileNotFoundError as exc:
        raise DeployError("mmdebstrap was not found, which makes the base image; apt-get install mmdebstrap") from exc
    except subprocess.TimeoutExpired as exc:
        raise DeployError(f"mmdebstrap took more than {_BUILD_S:g} s; is a Debian mirror reachable?") from exc
    if done.returncode != 0:
        raise DeployError(f"mmdebstrap cannot make a root for {architecture}: {' '.join(done.stderr.split())[-400:]}")


def _compile_words(version: str) -> str:
    """Return a shell command that compiles Python's library below `$1`, by our Python if it is that version."""
    library = f"/usr/lib/python{version}"
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return f'{shlex.quote(sys.executable)} -m compileall -q -s "$1" -p / "$1{library}" || true'
    return f'chroot "$1" python3 -m compileall -q {library} || true'


def _add_etc(root: _Root) -> None:
    root.file("etc/passwd", _PASSWD.encode())
    root.file("etc/group", _GROUP.encode())
    root.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
    root.folder("tmp", 0o1777)


def _libraries(programs: Iterable[Path]) -> list[Path]:
    """Return the shared libraries of programs and modules, and those that packages may take for granted."""
    said = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    found = [word for line in said.splitlines() for word in line.split() if word.startswith("/") and word[-1] != ":"]
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    cache = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout
    for name in _LIBRARIES:
        found += [
            line.split()[-1] for line in cache.splitlines() if line.strip().startswith(f"{name} ") and "64" in line
        ][:1]
    return [Path(word) for word in dict.fromkeys(found)]


def _builtins() -> list[str]:
    """Return the modules that Debian's Node.js keeps outside of its program."""
    return [
        str(path)
        for name in ("undici", "cjs-module-lexer", "acorn")
        if (path := Path("/usr/share/nodejs", name)).exists()
    ]


def _certificates() -> list[str]:
    paths = ssl.get_default_verify_paths()
    return [name for name in ("/etc/ssl/certs/ca-certificates.crt", paths.openssl_cafile) if Path(name).is_file()]


def _build(client: Any, root: Path, tag: str, architecture: str) -> None:
    """Let the engine make an image of one layer."""
    lines = [
        "FROM scratch",
        "ADD root.tar /",
        f"ENV PATH={_SEARCH_PATH} LANG=C.UTF-8",
        f'LABEL {LABEL}="{architecture}"',
    ]
    with tempfile.TemporaryFile(dir=root.parent) as context:
        with tarfile.open(fileobj=context, mode="w") as tar:
            tar.add(root, "root.tar")
            text = "\n".join(lines).encode()
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        context.seek(0)
        machine = {"x86_64": "amd64"}.get(architecture, architecture)
        answers = client.build(
            fileobj=context,
            custom_context=True,
            tag=tag,
            rm=True,
            forcerm=True,
            decode=True,
            platform=f"linux/{machine}",
        )
        for answer in answers:
            if "error" in answer:
                raise DeployError(f"base image {tag!r} cannot be made: {answer['error'].strip()}")
