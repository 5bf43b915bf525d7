from __future__ import annotations

import platform
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sebsx.errors import PackagingError
from sebsx.model import Target
from sebsx_python import requirements

if TYPE_CHECKING:
    from pathlib import Path

ELF_MACHINES = {"x86_64": 62, "arm64": 183}  # EM_X86_64 and EM_AARCH64 of the ELF specification
HOST = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
OTHER = {"x86_64": "arm64", "arm64": "x86_64"}[HOST]


def target(architecture: str = "x86_64", version: str = "3.12", binaries: str = "manylinux_2_28") -> Target:
    return Target("python", version, architecture=architecture, binaries=binaries)


def write(folder: Path, text: str) -> Path:
    file = folder / "requirements.txt"
    file.write_text(text)
    return file


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def pip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds pip: environments made by uv have none."""
    folder = tmp_path_factory.mktemp("pip")
    subprocess.run([requirements.uv() or "uv", "pip", "install", "-q", "--target", str(folder), "pip"], check=True)
    return folder


def use_pip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "uv", lambda: None)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.fixture(params=["uv", "pip"])
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both installers, one after the other."""
    if request.param == "pip":
        use_pip(request.getfixturevalue("pip_folder"), monkeypatch)
    else:
        assert requirements.uv(), "uv is a development dependency"
    return request.param


@pytest.mark.parametrize(
    ("binaries", "minor"),
    [
        ("manylinux_2_28", 28),
        ("manylinux_2_17", 17),
        ("manylinux2014", 17),
        ("manylinux_2_26", 17),
        ("manylinux_2_34", 34),
        ("manylinux_2_99", 40),
    ],
)
def test_glibc_is_rounded_down_to_what_uv_knows(binaries, minor):
    assert requirements.glibc(binaries) == minor


@pytest.mark.parametrize(
    "binaries", ["manylinux_2_12", "manylinux1", "musllinux_1_2", "win_amd64", "manylinux_2_28_x86_64"]
)
def test_unknown_binaries_are_refused(binaries):
    with pytest.raises(PackagingError, match=f"binaries '{binaries}' are not known for Python; use manylinux_2_17"):
        requirements.glibc(binaries)


def test_pip_is_told_every_older_tag_best_first():
    # PEP 600: manylinux_2_17 is manylinux2014 (PEP 599), the oldest there is for aarch64
    assert requirements.platform_tags(target("arm64", binaries="manylinux_2_17")) == [
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
        "linux_aarch64",
    ]
    tags = requirements.platform_tags(target("x86_64", binaries="manylinux_2_17"))
    assert tags[:3] == ["manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_16_x86_64"]
    assert tags[-3:] == ["manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64"]


def test_unknown_architecture_is_refused(tmp_path):
    with pytest.raises(PackagingError, match="architecture 'sparc' is not known; use x86_64 or arm64"):
        requirements.install(write(tmp_path, "six==1.16.0"), tmp_path / "out", target("sparc"))


def test_native_binaries_of_another_architecture_are_refused(tmp_path):
    with pytest.raises(PackagingError, match=rf"{OTHER} cannot be installed natively on {HOST}.*manylinux_2_28"):
        requirements.install(write(tmp_path, "six==1.16.0"), tmp_path / "out", target(OTHER, binaries=""))


def test_without_uv_and_pip_the_message_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setattr(requirements, "uv", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PackagingError, match=r"need uv or pip.*ensurepip"):
        requirements.install(write(tmp_path, "six==1.16.0"), tmp_path / "out", target())


def test_reason_of_uv_is_its_own_words_on_one_line():
    output = (
        "Using Python 3.11.7 environment at: /v\nwarning: something\n"
        "  \N{MULTIPLICATION SIGN} No solution found when resolving dependencies:\n"
        "  ╰─▶ Because there is no version of six==99 and you require six==99, we can conclude that\n"
        "      your requirements are unsatisfiable.\n"
    )
    assert requirements.reason(output) == (
        "No solution found when resolving dependencies: Because there is no version of six==99 and you require "
        "six==99, we can conclude that your requirements are unsatisfiable."
    )


def test_reason_of_pip_is_its_error_lines():
    output = (
        "  Downloading x\nERROR: Could not find a version that satisfies six==99\nERROR: No matching distribution\n"
    )
    assert requirements.reason(output) == "Could not find a version that satisfies six==99 No matching distribution"


def test_long_reason_is_cut_at_its_end():
    reason = requirements.reason("the cause " + "x" * 10_000)
    assert len(reason) < 700
    assert reason.startswith("the cause")
    assert reason.endswith("...")


def test_reason_of_pip_comes_before_its_usage():
    output = "\nUsage:   \n  python -m pip install [options] ...\n  ... -r x\n\nno such option: --nonsense\n"
    assert requirements.reason(output) == "no such option: --nonsense"


@pytest.mark.parametrize(
    "output",
    [  # as uv 0.13 and pip 26 say it
        "error: Request failed after 3 retries in 8.1s\n  cause: Failed to fetch: http://r/six/\n  cause: dns error",
        "WARNING: Retrying: [Errno -3] Temporary failure in name resolution\nERROR: No matching distribution for six",
    ],
)
def test_missing_network_is_said_first(output):
    assert requirements.reason(output).startswith("no network, or the registry is down: ")


def test_credentials_of_a_registry_are_not_told():
    output = "ERROR: 401 Client Error for url: https://user:secret@registry.example/simple/six/"
    assert requirements.reason(output) == "401 Client Error for url: https://registry.example/simple/six/"


@pytest.mark.network
@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_native_code_is_of_the_target_architecture(tmp_path, tool, architecture):
    file = write(tmp_path, "markupsafe==3.0.2\n")
    installed = requirements.install(file, tmp_path / "out", target(architecture)).requirements
    assert installed == ["markupsafe==3.0.2"]
    (library,) = (tmp_path / "out").rglob("*.so")
    assert "cpython-312" in library.name
    header = library.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    assert struct.unpack("<H", header[18:20])[0] == ELF_MACHINES[architecture]


@pytest.mark.network
def test_uv_and_pip_leave_the_same_files(tmp_path, pip_folder, monkeypatch):
    file = write(tmp_path, "jinja2==3.1.4\nmarkupsafe==3.0.2\nsix==1.16.0; python_version < '3'\n")
    by_uv = requirements.install(file, tmp_path / "uv", target("arm64"))
    use_pip(pip_folder, monkeypatch)
    by_pip = requirements.install(file, tmp_path / "pip", target("arm64"))
    assert by_uv == by_pip
    assert by_uv.requirements == ["jinja2==3.1.4", "markupsafe==3.0.2"]
    assert tree(tmp_path / "uv") == tree(tmp_path / "pip")


@pytest.mark.network
def test_metadata_is_kept_and_what_changes_between_installations_is_not(tmp_path, tool):
    requirements.install(write(tmp_path, "charset-normalizer==3.4.0\n"), tmp_path / "out", target())
    paths = tree(tmp_path / "out")
    assert any(path.endswith(".dist-info/METADATA") for path in paths)
    assert not [path for path in paths if path.rpartition("/")[2] in ("RECORD", "INSTALLER", "REQUESTED", ".lock")]
    assert not [path for path in paths if path.startswith("bin/") or path.endswith(".pyc")]


@pytest.mark.network
def test_markers_are_decided_for_the_target(tmp_path):
    file = write(tmp_path, "six==1.16.0; python_version < '3.10'\nsix==1.17.0; python_version >= '3.10'\n")
    assert requirements.install(file, tmp_path / "old", target(version="3.9")).requirements == ["six==1.16.0"]
    assert requirements.install(file, tmp_path / "new", target(version="3.13")).requirements == ["six==1.17.0"]


@pytest.mark.network
def test_native_host_needs_no_platform(tmp_path, tool):
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    file = write(tmp_path, "six==1.17.0\n")
    assert requirements.install(file, tmp_path / "out", target(HOST, version, "")).requirements == ["six==1.17.0"]


@pytest.mark.network
def test_version_that_does_not_exist_says_so_on_one_line(tmp_path, tool):
    file = write(tmp_path, "six==99.0\n")
    with pytest.raises(PackagingError, match=r"six==99.*\(installing '.*requirements\.txt' for .*arm64") as caught:
        requirements.install(file, tmp_path / "out", target("arm64"))
    assert "\n" not in str(caught.value)


@pytest.mark.network
def test_package_without_a_wheel_is_refused(tmp_path, tool):
    file = write(tmp_path, "docopt==0.6.2\n")  # published as source only
    with pytest.raises(PackagingError, match=r"docopt.*from wheels alone"):
        requirements.install(file, tmp_path / "out", target())
