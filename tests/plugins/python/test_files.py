"""What requirements files name is read, and enters the key: each change of it installs again."""

from __future__ import annotations

import ensurepip
from pathlib import Path

import pytest

from sebsx.building import Packager
from sebsx.contracts import benchmarks
from sebsx.errors import PackagingError
from sebsx.model import Target
from sebsx_python import files, requirements
from sebsx_python.language import PythonLanguage
from tests.plugins.wheels import make_wheel

TARGET = Target("python", "3.12", architecture="x86_64", binaries="manylinux_2_28")
OLD = Target("python", "3.9", architecture="x86_64", binaries="manylinux_2_28")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The code folder of a benchmark that uses wheels of a folder beside it, and no registry."""
    folder = tmp_path / "words" / "python"
    folder.mkdir(parents=True)
    (tmp_path / "words" / "benchmark.toml").write_text('name = "words"\nversion = "1"\nsummary = "s"\n')
    (folder / "function.py").write_text("def handler(event, context): return {}")
    (tmp_path / "wheels").mkdir()
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "wheels", "words", version)
    return folder


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pip that every Python brings, in the place of uv."""
    folders = (Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels"))  # the latter on Debian
    wheel = next((wheel for folder in folders for wheel in folder.glob("pip-*.whl")), None)
    if wheel is None:
        pytest.skip("this Python brings no pip")
    monkeypatch.setattr(requirements, "uv", lambda: None)
    monkeypatch.syspath_prepend(wheel)
    monkeypatch.setenv("PYTHONPATH", str(wheel))


def build(code: Path, target: Target = TARGET, run: str = "") -> tuple[str, ...]:
    packager = Packager(code.parents[1] / "cache", run)
    return packager.build(benchmarks.load(code.parent), PythonLanguage(), target).requirements


def ask(code: Path, *lines: str, file: str = "requirements.txt") -> None:
    (code / file).write_text("\n".join(lines) + "\n")


LINKS = ("--no-index", "-f ../../wheels")


@pytest.mark.slow
def test_changed_constraint_is_installed(code: Path) -> None:
    ask(code, *LINKS, "-c constraints.txt", "words")
    for version in ("1.0", "2.0"):
        ask(code, f"words=={version}", file="constraints.txt")
        assert build(code) == (f"words=={version}",)


@pytest.mark.parametrize("option", ["-r more.txt", "-rmore.txt", "--requirement more.txt", "--requirement=more.txt"])
def test_changed_file_that_a_file_names_is_installed(code: Path, option: str) -> None:
    ask(code, *LINKS, option)
    ask(code, "-r ./deeper/least.txt", file="more.txt")
    (code / "deeper").mkdir()
    for version in ("1.0", "2.0"):
        ask(code / "deeper", f"words=={version}  # as tried", file="least.txt")
        assert build(code) == (f"words=={version}",)


@pytest.mark.slow
@pytest.mark.parametrize("line", ["./mine-1.0-py3-none-any.whl", "mine @ file://{code}/mine-1.0-py3-none-any.whl"])
def test_changed_wheel_by_path_is_installed(code: Path, line: str) -> None:
    ask(code, "--no-index", line.format(code=code))
    for content in ("x = 1\n", "x = 2\n"):
        make_wheel(code, "mine", "1.0", content=content)
        packager = Packager(code.parents[1] / "cache")
        package = packager.build(benchmarks.load(code.parent), PythonLanguage(), TARGET)
        assert not package.cached
        (installed,) = [path for path in (code.parents[1] / "cache").rglob("mine.py") if path.read_text() == content]
        assert package.requirements == ("mine==1.0",)
        assert installed


@pytest.mark.slow
def test_wheel_added_to_a_folder_of_wheels_is_found(code: Path) -> None:
    ask(code, *LINKS, "words>=1")
    assert build(code, run="one") == ("words==2.0",)
    make_wheel(code.parents[1] / "wheels", "words", "3.0")
    assert build(code, run="one") == ("words==3.0",)


@pytest.mark.slow
def test_what_is_not_pinned_is_warned_about_and_resolved_for_each_run(
    code: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_wheel(code.parents[1] / "wheels", "top", "1.0", "words")
    ask(code, *LINKS, "top==1.0")
    assert build(code, run="one") == ("top==1.0", "words==2.0")
    assert "words==2.0 of" in caplog.text
    assert "top==1.0" not in caplog.text
    caplog.clear()
    build(code, run="one")
    assert caplog.text == ""
    build(code, run="two")
    assert "words==2.0 of" in caplog.text


def test_project_in_a_folder_is_read_whole_and_not_linked_to(code: Path) -> None:
    project = code / "lib"
    (project / "mine").mkdir(parents=True)
    for name in ("pyproject.toml", "mine/__init__.py"):
        (project / name).write_text("")
    ask(code, "-e ./lib[fast]", "--editable=./lib")
    found = files.read(code / "requirements.txt")
    assert found.lines == [f"{project}[fast]", str(project)]
    assert set(found.files) == {code / "requirements.txt", project / "pyproject.toml", project / "mine" / "__init__.py"}


def test_comments_continued_lines_and_variables_are_read_as_pip_does(
    code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSION", "1.0")
    marked = "other[x] >= 2 ; python_version>'3'"
    ask(code, "# -r nothing.txt", "words==${VERSION} \\", "  --hash=sha256:ab # why", "", marked)
    found = files.read(code / "requirements.txt")
    assert found.lines == ["words==1.0 --hash=sha256:ab", marked]
    assert found.pinned == {"words"}


@pytest.mark.parametrize(
    ("line", "pinned"),
    [
        ("Words_x==1.0", {"words-x"}), ("words===1.0", {"words"}), ("words==1.*", set()), ("words>=1,<2", set()),
        ("words", set()), ("words~=1.0", set()), ("words==1.0,>0", set()),
    ],
)  # fmt: skip
def test_only_one_version_is_a_pin(code: Path, line: str, pinned: set[str]) -> None:
    ask(code, line)
    assert files.read(code / "requirements.txt").pinned == pinned


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["-r nowhere.txt"], r"nowhere\.txt', which '.*requirements\.txt' includes, cannot be read"),
        (["-r requirements.txt"], "includes itself"),
        (["./nowhere.whl"], "'./nowhere.whl' in .* is neither a file nor a folder"),
        (["-c https://example.org/c.txt"], "may change unseen"),
    ],
)
def test_what_cannot_be_followed_is_told(code: Path, lines: list[str], message: str) -> None:
    ask(code, *lines)
    with pytest.raises(PackagingError, match=message):
        build(code)


def test_requirements_that_are_not_utf8_are_told(code: Path) -> None:
    (code / "requirements.txt").write_bytes(b"caf\xe9==1")
    with pytest.raises(PackagingError, match=r"requirements\.txt' is not UTF-8"):
        build(code)


def needs_by_version(code: Path) -> None:
    """`top` needs `early` before Python 3.10, which needs `words`, and `late` since."""
    wheels = code.parents[1] / "wheels"
    make_wheel(wheels, "top", "1.0", "early; python_version < '3.10'", "late; python_version >= '3.10'")
    make_wheel(wheels, "early", "1.0", "words==1.0; sys_platform == 'linux'", "nothing; extra == 'x'")
    make_wheel(wheels, "late", "1.0")
    ask(code, *LINKS, "top==1.0", "words==2.0; python_version >= '3.10'")


EXPECTED = {"3.9": ("early==1.0", "top==1.0", "words==1.0"), "3.12": ("late==1.0", "top==1.0", "words==2.0")}


@pytest.mark.parametrize("target", [OLD, TARGET], ids=lambda target: target.version)
def test_uv_decides_every_marker_for_the_target(code: Path, target: Target) -> None:
    needs_by_version(code)
    assert build(code, target) == EXPECTED[target.version]


@pytest.mark.slow
@pytest.mark.usefixtures("pip")
@pytest.mark.parametrize("target", [OLD, TARGET], ids=lambda target: target.version)
def test_with_pip_markers_are_decided_for_the_target_as_well(code: Path, target: Target) -> None:
    needs_by_version(code)
    assert build(code, target) == EXPECTED[target.version]


@pytest.mark.slow
@pytest.mark.usefixtures("pip")
def test_pip_that_cannot_install_what_the_target_needs_says_so(code: Path) -> None:
    make_wheel(code.parents[1] / "wheels", "top", "1.0", "absent; python_version < '3.10'")
    ask(code, *LINKS, "top==1.0")
    assert build(code, TARGET) == ("top==1.0",)
    with pytest.raises(PackagingError, match="absent"):
        build(code, OLD)


@pytest.mark.slow
def test_another_tool_installs_again(code: Path, request: pytest.FixtureRequest) -> None:
    ask(code, *LINKS, "words==1.0")
    build(code)
    before = PythonLanguage().inputs(code, TARGET).facts["tool"]
    request.getfixturevalue("pip")
    assert before != PythonLanguage().inputs(code, TARGET).facts["tool"]
    build(code)
    assert len(list((code.parents[1] / "cache" / "dependencies").glob("*/built.json"))) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("pip")
def test_what_only_this_machine_needs_is_left_out(code: Path) -> None:
    wheels = code.parents[1] / "wheels"
    make_wheel(wheels, "top", "1.0", "extra_one; python_version >= '3.10'")
    make_wheel(wheels, "extra_one", "1.0")
    ask(code, *LINKS, "top==1.0")
    assert build(code, OLD) == ("top==1.0",)
    assert not list((code.parents[1] / "cache").rglob("extra_one*"))


BACKEND = """
import pathlib, zipfile
HERE = pathlib.Path(__file__).parent

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    (HERE / "build").mkdir(exist_ok=True)
    (HERE / "build" / "left").write_text("x")
    name = "mine-1.0-py3-none-any.whl"
    files = {
        "mine.py": (HERE / "mine.py").read_text(),
        "mine-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n",
        "mine-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    files["mine-1.0.dist-info/RECORD"] = "".join(f"{name},,\\n" for name in files)
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as archive:
        for each, text in files.items():
            archive.writestr(each, text)
    return name
"""


@pytest.mark.parametrize(
    ("line", "tool"),
    [
        ("-e ../../lib", "uv"),
        ("../../lib", "uv"),
        ("mine @ file://{lib}", "uv"),
        pytest.param("-e ../../lib", "pip", marks=pytest.mark.slow),
    ],
)
def test_changed_project_in_a_folder_is_built_again_and_left_as_it_is(
    code: Path, request: pytest.FixtureRequest, line: str, tool: str
) -> None:
    if tool == "pip":
        request.getfixturevalue("pip")
    lib = code.parents[1] / "lib"
    lib.mkdir()
    (lib / "backend.py").write_text(BACKEND)
    (lib / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    ask(code, "--no-index", line.format(lib=lib))
    for number in (1, 2):
        (lib / "mine.py").write_text(f"x = {number}\n")
        assert build(code) == ("mine==1.0",)
        built = [path.read_text() for path in (code.parents[1] / "cache").rglob("mine.py")]
        assert f"x = {number}\n" in built
        assert len(built) == number
    assert sorted(path.name for path in lib.iterdir()) == ["backend.py", "mine.py", "pyproject.toml"]


def test_settings_of_uv_in_a_project_above_count_and_the_rest_of_it_does_not(code: Path) -> None:
    ask(code, "words==1.0")
    facts = []
    for text in ("[project]\nname = 'a'\n", "[project]\nname = 'b'\n", "[tool.uv]\nindex-url = 'https://x'\n"):
        (code.parent / "pyproject.toml").write_text(text)
        inputs = PythonLanguage().inputs(code, TARGET)
        assert code.parent / "pyproject.toml" not in inputs.files
        facts.append(dict(inputs.facts))
    assert facts[0] == facts[1] != facts[2]
