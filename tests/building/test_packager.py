from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sebsx import plugins
from sebsx.building import Packager, default_cache
from sebsx.contracts import benchmarks
from sebsx.contracts.languages import Built, Inputs, Language
from sebsx.errors import PackagingError, UserError
from sebsx.model import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TARGET = Target("text", "1.0", architecture="x86_64", binaries="any")


class TextLanguage(Language):
    """A language whose lock file lists what to write; it notes each installation in `log`."""

    name = "text"
    summary = "for tests"
    wrapper_suffix = ".txt"

    def __init__(self, log: Path, runtime: bytes = b"runtime") -> None:
        self.log, self.runtime = log, runtime

    def host_version(self) -> str | None:
        return "1.0"

    def command(self, package_root: Path) -> Sequence[str]:
        return ["cat", str(package_root / "main.txt")]

    def runtime_files(self) -> Mapping[str, bytes]:
        return {"sebsx_runtime/start.txt": self.runtime}

    def inputs(self, source: Path, target: Target) -> Inputs | None:
        return Inputs(files=[source / "lock.txt"]) if (source / "lock.txt").is_file() else None

    def build(self, source: Path, destination: Path, target: Target) -> Built:
        with self.log.open("a") as log:
            log.write("installed\n")
        names = (source / "lock.txt").read_text().split()
        for name in names:
            folder = destination / name.partition("==")[0]
            folder.mkdir()
            (folder / "code.txt").write_text(target.architecture)
            (folder / "code.pyc").write_bytes(os.urandom(8))
        return Built(requirements=names, unpinned=[name for name in names if "==" not in name])


@pytest.fixture
def language(tmp_path: Path) -> TextLanguage:
    return TextLanguage(tmp_path / "log")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "words"
    (root / "text" / "data").mkdir(parents=True)
    (root / "benchmark.toml").write_text(
        'name = "words"\nversion = "3"\nsummary = "counts"\n[languages.text]\nhandler = "main.count"\n'
    )
    (root / "text" / "main.txt").write_text("count the words")
    (root / "text" / "data" / "list.txt").write_text("a b c")
    (root / "text" / "lock.txt").write_text("zeta==2 alpha==1")
    return root


@pytest.fixture
def packager(tmp_path: Path) -> Packager:
    return Packager(tmp_path / "cache")


def load(folder: Path) -> benchmarks.Benchmark:
    return benchmarks.load(folder)


def installations(language: TextLanguage) -> int:
    return len(language.log.read_text().splitlines()) if language.log.exists() else 0


def read(package_path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package_path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_package_holds_code_runtime_wrapper_collectors_and_dependencies(packager, folder, language):
    package = packager.build(
        load(folder), language, TARGET, files={"sebsx_wrapper.txt": b"w"}, collectors={"my-facts": b"c"}
    )
    contents = read(package.path)
    assert sorted(contents) == [
        "alpha/code.txt",
        "data/list.txt",
        "lock.txt",
        "main.txt",
        "sebsx.json",
        "sebsx_collectors/my_facts.txt",
        "sebsx_runtime/start.txt",
        "sebsx_wrapper.txt",
        "zeta/code.txt",
    ]
    assert contents["main.txt"] == b"count the words"
    assert contents["sebsx_wrapper.txt"] == b"w"
    assert contents["sebsx_collectors/my_facts.txt"] == b"c"
    assert package.unpacked_bytes == sum(map(len, contents.values()))
    assert package.bytes == package.path.stat().st_size
    assert package.requirements == ("alpha==1", "zeta==2")
    assert (package.benchmark, package.benchmark_version, package.target) == ("words", "3", TARGET)


def test_manifest_says_what_the_shim_needs(packager, folder, language):
    package = packager.build(load(folder), language, TARGET, collectors={"my-facts": b"c", "cpu": b"d"})
    assert json.loads(read(package.path)["sebsx.json"]) == {
        "schema": 1,
        "handler": "main.count",
        "benchmark": "words",
        "benchmark_version": "3",
        "language": "text",
        "language_version": "1.0",
        "architecture": "x86_64",
        "collectors": ["cpu", "my_facts"],
    }


def test_two_caches_get_the_same_bytes(tmp_path, folder, language):
    first = Packager(tmp_path / "one").build(load(folder), language, TARGET)
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    second = Packager(tmp_path / "two").build(load(folder), language, TARGET)
    assert first.sha256 == second.sha256
    assert first.path.read_bytes() == second.path.read_bytes()


def test_zip_is_sorted_and_dated_1980_with_fixed_modes(packager, folder, language):
    (folder / "text" / "tool.sh").write_text("#!/bin/sh")
    (folder / "text" / "tool.sh").chmod(0o700)
    (folder / "text" / "main.txt").chmod(0o600)
    package = packager.build(load(folder), language, TARGET)
    with zipfile.ZipFile(package.path) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == sorted(info.filename for info in infos)
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    modes = {info.filename: info.external_attr >> 16 for info in infos}
    assert modes["tool.sh"] == 0o100755
    assert modes["main.txt"] == 0o100644


def test_second_build_comes_from_the_cache(packager, folder, language):
    first = packager.build(load(folder), language, TARGET)
    second = packager.build(load(folder), language, TARGET)
    assert (first.cached, second.cached) == (False, True)
    assert first.build_s > 0
    assert second.build_s == 0
    assert second.sha256 == first.sha256
    assert second.requirements == first.requirements
    assert installations(language) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "text" / "main.txt").write_text("count the letters"),
        lambda folder: (folder / "text" / "data" / "list.txt").rename(folder / "text" / "data" / "words.txt"),
        lambda folder: (folder / "text" / "main.txt").chmod(0o755),
        lambda folder: (folder / "benchmark.toml").write_text(
            (folder / "benchmark.toml").read_text().replace("main.count", "main.sum")
        ),
        lambda folder: (folder / "benchmark.toml").write_text(
            (folder / "benchmark.toml").read_text().replace('"3"', '"4"')
        ),
    ],
    ids=["code", "file-name", "mode", "handler", "version"],
)
def test_changed_code_is_another_package_with_the_same_dependencies(packager, folder, language, change):
    first = packager.build(load(folder), language, TARGET)
    change(folder)
    second = packager.build(load(folder), language, TARGET)
    assert not second.cached
    assert second.content_hash != first.content_hash
    assert installations(language) == 1


def test_changed_lock_installs_again(packager, folder, language):
    first = packager.build(load(folder), language, TARGET)
    (folder / "text" / "lock.txt").write_text("alpha==2")
    second = packager.build(load(folder), language, TARGET)
    assert second.content_hash != first.content_hash
    assert second.requirements == ("alpha==2",)
    assert installations(language) == 2


def test_another_architecture_is_another_package(packager, folder, language):
    arm = Target("text", "1.0", architecture="arm64", binaries="any")
    first = packager.build(load(folder), language, TARGET)
    second = packager.build(load(folder), language, arm)
    assert second.content_hash != first.content_hash
    assert read(second.path)["alpha/code.txt"] == b"arm64"


def test_runtime_wrapper_and_collectors_enter_the_hash(packager, folder, language):
    hashes = {
        packager.build(load(folder), language, TARGET).content_hash,
        packager.build(load(folder), TextLanguage(language.log, b"newer"), TARGET).content_hash,
        packager.build(load(folder), language, TARGET, files={"sebsx_wrapper.txt": b"1"}).content_hash,
        packager.build(load(folder), language, TARGET, files={"sebsx_wrapper.txt": b"2"}).content_hash,
        packager.build(load(folder), language, TARGET, collectors={"cpu": b"1"}).content_hash,
    }
    assert len(hashes) == 5


def test_sebsx_files_beside_the_code_folder_do_not_enter_the_hash(packager, folder, language):
    first = packager.build(load(folder), language, TARGET)
    (folder / "README.md").write_text("about")
    assert packager.build(load(folder), language, TARGET).content_hash == first.content_hash


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_damaged_package_is_built_again(packager, folder, language, damage):
    first = packager.build(load(folder), language, TARGET)
    data = first.path.read_bytes()
    if damage == "truncate":
        first.path.write_bytes(data[:-10])
    elif damage == "flip":
        first.path.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    else:
        first.path.unlink()
    second = packager.build(load(folder), language, TARGET)
    assert not second.cached
    assert second.path.read_bytes() == data


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_damaged_metadata_is_written_again(packager, folder, language, text):
    first = packager.build(load(folder), language, TARGET)
    first.path.with_suffix(".json").write_text(text)
    assert not packager.build(load(folder), language, TARGET).cached
    assert packager.build(load(folder), language, TARGET).cached


def test_damaged_dependencies_are_installed_again(packager, folder, language, tmp_path):
    packager.build(load(folder), language, TARGET)
    (installed,) = (tmp_path / "cache" / "dependencies").glob("*/files/alpha/code.txt")
    installed.write_text("damaged")
    (folder / "text" / "main.txt").write_text("changed")
    second = packager.build(load(folder), language, TARGET)
    assert read(second.path)["alpha/code.txt"] == b"x86_64"
    assert installations(language) == 2


def test_function_without_lock_file_installs_nothing(packager, folder, language):
    (folder / "text" / "lock.txt").unlink()
    package = packager.build(load(folder), language, TARGET)
    assert package.requirements == ()
    assert installations(language) == 0


def test_caches_of_tools_are_left_out(packager, folder, language):
    clean = packager.build(load(folder), language, TARGET)
    for name in ("__pycache__/main.pyc", ".git/config", ".venv/lib/x.txt"):
        path = folder / "text" / name
        path.parent.mkdir(parents=True)
        path.write_text("x")
    assert packager.build(load(folder), language, TARGET).sha256 == clean.sha256


def test_failed_installation_leaves_nothing_behind(packager, folder, language, tmp_path):
    class Broken(TextLanguage):
        def build(self, source, destination, target):
            (destination / "half").write_text("half")
            raise PackagingError("no such version")

    with pytest.raises(PackagingError, match="no such version"):
        packager.build(load(folder), Broken(language.log), TARGET)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    assert packager.build(load(folder), language, TARGET).requirements == ("alpha==1", "zeta==2")


def test_file_of_the_user_that_hides_ours_is_refused(packager, folder, language):
    (folder / "text" / "sebsx.json").write_text("{}")
    with pytest.raises(PackagingError, match=r"'sebsx\.json' of the code is in the package already"):
        packager.build(load(folder), language, TARGET)


def test_dependency_that_hides_code_is_refused(packager, folder, language):
    (folder / "text" / "alpha").mkdir()
    (folder / "text" / "alpha" / "code.txt").write_text("mine")
    with pytest.raises(PackagingError, match=r"'alpha/code\.txt' of a dependency"):
        packager.build(load(folder), language, TARGET)


def test_benchmark_without_code_says_where_to_put_it(packager, folder, language):
    for path in sorted((folder / "text").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(PackagingError, match=r"no code: put handler 'main\.count' into"):
        packager.build(load(folder), language, TARGET)


def test_benchmark_in_another_language_says_which_it_has(packager, folder, language):
    manifest = folder / "benchmark.toml"
    manifest.write_text(manifest.read_text().replace("languages.text", "languages.cobol"))
    with pytest.raises(UserError, match="no code in 'text'; it has cobol"):
        packager.build(load(folder), language, TARGET)


def test_cache_that_cannot_be_written_says_what_to_do(tmp_path, folder, language):
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(PackagingError, match=r"cannot be built in .*cache'.*free space there, make it writable"):
        Packager(tmp_path / "cache").build(load(folder), language, TARGET)


@pytest.mark.slow
def test_full_disk_says_what_to_do_and_leaves_no_entry(tmp_path, folder, language):
    (folder / "text" / "big.bin").write_bytes(os.urandom(300_000))
    script = (
        "import resource, signal, sys; sys.path[:0] = sys.argv[1].split('|')\n"
        "from pathlib import Path\n"
        "from test_packager import TARGET, TextLanguage, load\n"
        "from sebsx.building import Packager\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    Packager(Path(sys.argv[3])).build(load(Path(sys.argv[2])), TextLanguage(Path(sys.argv[4])), TARGET)\n"
        "except Exception as exc:\n"
        "    print(type(exc).__name__, exc)\n"
    )
    cache = tmp_path / "cache"
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent), str(folder), str(cache), str(language.log)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("PackagingError package of 'words' cannot be built in")
    assert "File too large" in done.stdout
    assert list(cache.glob("*.*")) == []
    assert list(cache.glob("tmp-*")) == []


def test_scratch_folders_of_dead_builds_are_removed(packager, folder, language, tmp_path):
    cache = tmp_path / "cache"
    dead, alive = cache / "tmp-dead", cache / "tmp-alive"
    for path in (dead, alive):
        path.mkdir(parents=True)
        (path / "half.zip").write_text("half")
    day_ago = time.time() - 86_400
    os.utime(dead, (day_ago, day_ago))
    packager.build(load(folder), language, TARGET)
    assert not dead.exists()
    assert alive.exists()


@pytest.mark.slow
def test_processes_that_build_at_once_agree(tmp_path, folder, language):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from test_packager import TARGET, TextLanguage, load\n"
        "from sebsx.building import Packager\n"
        "sys.stdin.read()\n"
        "for number in range(20):\n"
        "    wrapper = {'sebsx_wrapper.txt': str(number).encode()}\n"
        "    print(Packager(Path(sys.argv[3])).build(\n"
        "        load(Path(sys.argv[2])), TextLanguage(Path(sys.argv[4])), TARGET, files=wrapper).sha256)\n"
    )
    arguments = [str(Path(__file__).parent), str(folder), str(tmp_path / "cache"), str(language.log)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:  # all have imported and wait: let them go together
        process.stdin.close()
        process.stdin = None
    outputs = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert outputs[0] == outputs[1] == outputs[2]
    assert len(set(outputs[0])) == 20
    assert list((tmp_path / "cache").glob("tmp-*")) == []


def test_what_is_not_pinned_is_resolved_once_for_each_run(tmp_path, folder, language, caplog):
    (folder / "text" / "lock.txt").write_text("zeta==2 alpha")
    for run, expected in (("first", 1), ("first", 1), ("second", 2), ("first", 2)):
        package = Packager(tmp_path / "cache", run).build(load(folder), language, TARGET)
        assert package.requirements == ("alpha", "zeta==2")
        assert installations(language) == expected
    assert "alpha of" in caplog.text
    assert "zeta" not in caplog.text


@pytest.mark.slow
def test_changed_code_of_the_language_builds_again(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file changed within a second keeps its bytecode
    for version in ("1", "1", "2"):
        (tmp_path / "words_language.py").write_text(COMPILER.replace("VERSION", version))
        spec = importlib.util.spec_from_file_location("words_language", tmp_path / "words_language.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["words_language"] = module
        spec.loader.exec_module(module)
        package = Packager(tmp_path / "cache").build(load(folder), module.Compiled(), TARGET)
        assert read(package.path)["program"].startswith(f"compiled by {version}:".encode())
    del sys.modules["words_language"]


# As a third party writes a compiled language: it overrides nothing but `build`.
COMPILER = '''
import subprocess, sys
from sebsx.contracts.languages import Built, Language

SCRIPT = """
import pathlib, sys
source, target = map(pathlib.Path, sys.argv[1:])
text = "".join(path.read_text() for path in sorted(source.rglob("*.txt")))
target.write_text("compiled by VERSION:" + text)
target.chmod(0o755)
"""

class Compiled(Language):
    name = "text"
    summary = "for tests"
    wrapper_suffix = ".txt"
    ships_source = False
    def host_version(self):
        return "1"
    def command(self, package_root):
        return [str(package_root / "program")]
    def runtime_files(self):
        return {"sebsx_runtime/start.txt": b""}
    def build(self, source, destination, target):
        subprocess.run([sys.executable, "-c", SCRIPT, str(source), str(destination / "program")], check=True)
        return Built()
'''


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda code: None, False),
        (lambda code: (code / "data" / "list.txt").write_text("d e f"), True),
        (lambda code: (code / "data" / "deep" / "new.txt").write_text("g"), True),
        (lambda code: (code / "data" / "list.txt").unlink(), True),
        (lambda code: (code / "data" / "list.txt").rename(code / "z.txt"), True),
        (lambda code: (code / ".git" / "index").write_text("x"), False),
    ],
)
def test_compiled_language_ships_a_program_of_the_sources_as_they_are(tmp_path, folder, change, again):
    code = folder / "text"
    for name in ("data/deep", ".git"):
        (code / name).mkdir(parents=True)
    space = {"__name__": "a_third_party"}
    exec(COMPILER, space)  # what its file would hold
    build = lambda: Packager(tmp_path / "cache").build(load(folder), space["Compiled"](), TARGET)  # noqa: E731
    before = build()
    change(code)
    after = build()
    contents = read(after.path)
    texts = "".join(path.read_text() for path in sorted(code.rglob("*.txt")))
    assert contents["program"].decode() == f"compiled by VERSION:{texts}"
    assert not {"main.txt", "data/list.txt"} & contents.keys()
    assert (after.sha256 != before.sha256, after.cached) == (again, not again)
    with zipfile.ZipFile(after.path) as archive:
        assert archive.getinfo("program").external_attr >> 16 == 0o100755


def test_file_that_cannot_be_read_is_named(packager, folder, language):
    class Reader(TextLanguage):
        def inputs(self, source, target):
            return Inputs(files=[source / "nowhere.txt"])

    with pytest.raises(PackagingError, match=r"nowhere\.txt', which text reads, cannot be read"):
        packager.build(load(folder), Reader(language.log), TARGET)


@pytest.mark.parametrize("facts", [{"tool": "b 2"}, {"tool": "a 1", "INDEX": "x"}, {}])
def test_another_tool_or_setting_installs_again(packager, folder, language, facts):
    def using(facts):
        class Tooled(TextLanguage):
            def inputs(self, source, target):
                return Inputs(files=[source / "lock.txt"], facts=facts)

        return Tooled(language.log)

    for each in ({"tool": "a 1"}, {"tool": "a 1"}, facts):
        packager.build(load(folder), using(each), TARGET)
    assert installations(language) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"digest": 1}', '{"digest": "x"}', '{"requirements": []}'])
def test_damaged_record_of_dependencies_is_written_again(packager, folder, language, tmp_path, text):
    packager.build(load(folder), language, TARGET)
    (record,) = (tmp_path / "cache" / "dependencies").glob("*/built.json")
    record.write_text(text)
    (folder / "text" / "main.txt").write_text("changed")
    assert packager.build(load(folder), language, TARGET).requirements == ("alpha==1", "zeta==2")
    assert installations(language) == 2


@pytest.mark.parametrize("before", [None, 0o755])
def test_cache_is_for_the_eyes_of_its_owner(packager, folder, language, tmp_path, before):
    if before:
        (tmp_path / "cache" / "dependencies").mkdir(parents=True, mode=before)
    packager.build(load(folder), language, TARGET)
    for place in (tmp_path / "cache", tmp_path / "cache" / "dependencies"):
        assert place.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("target", ["/etc/passwd", "/etc/ssl"])
def test_link_out_of_the_benchmark_is_not_handed_to_the_function(packager, folder, language, tmp_path, target):
    (folder / "text" / "link").symlink_to(target)
    with pytest.raises(UserError, match=rf"text/link' leads out of .*, to '{target}"):
        packager.build(load(folder), language, TARGET)
    assert not list(tmp_path.glob("cache/*.zip"))


def test_default_cache_is_the_users_and_is_not_made(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = default_cache()
    assert cache.name == "packages"
    assert sys.platform != "linux" or cache == tmp_path / "sebsx" / "packages"
    assert list(tmp_path.iterdir()) == []


def test_padding_makes_the_package_larger_by_its_size_and_enters_the_hash(packager, folder, language):
    benchmark = load(folder)
    plain = packager.build(benchmark, language, TARGET)
    padded = [packager.build(benchmark, language, TARGET, padding_bytes=size) for size in (50_000, 50_000, 50_001)]
    assert padded[0].unpacked_bytes - plain.unpacked_bytes == 50_000
    assert padded[0].bytes - plain.bytes > 50_000  # it does not compress
    assert [package.cached for package in padded] == [False, True, False]
    assert len({plain.content_hash, *(package.content_hash for package in padded)}) == 3


PIPELINE = """
name = "pipeline"
version = "1"
summary = "two functions"
needs = ["storage"]
[defaults]
memory_mib = 128
timeout_s = 9
[languages.text]
handler = "main.count"
[languages.other]
[functions.resize]
memory_mib = 512
handler = "main.resize"
[functions.store]
folder = "."
timeout_s = 3
needs = ["table"]
languages = ["text"]
[variants.fast]
memory_mib = 1024
functions = ["resize"]
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    root = tmp_path / "pipeline"
    for place in ("resize/text", "text", "variants/fast/resize/text/data"):
        (root / place).mkdir(parents=True)
    (root / "benchmark.toml").write_text(PIPELINE)
    (root / "resize" / "text" / "main.txt").write_text("resize")
    (root / "resize" / "text" / "lock.txt").write_text("alpha==1")
    (root / "text" / "main.txt").write_text("store")
    (root / "variants" / "fast" / "resize" / "text" / "lock.txt").write_text("beta==2")
    (root / "variants" / "fast" / "resize" / "text" / "data" / "model.txt").write_text("model")
    return root


def test_each_function_and_variant_is_a_package_of_its_own(packager, pipeline, language):
    benchmark = load(pipeline)
    plain, named, store, fast = (
        packager.build(benchmark, language, TARGET, **which)
        for which in ({}, {"function": "resize"}, {"function": "store"}, {"function": "resize", "variant": "fast"})
    )
    assert read(plain.path)["main.txt"] == read(named.path)["main.txt"] == b"resize"
    assert read(store.path)["main.txt"] == b"store"
    contents = read(fast.path)
    assert (contents["main.txt"], contents["data/model.txt"]) == (b"resize", b"model")
    assert "alpha/code.txt" not in contents
    assert [each.requirements for each in (named, store, fast)] == [("alpha==1",), (), ("beta==2",)]
    manifest = json.loads(contents["sebsx.json"])
    assert {key: manifest[key] for key in ("handler", "function", "variant")} == {
        "handler": "main.resize", "function": "resize", "variant": "fast",
    }  # fmt: skip
    again = packager.build(benchmark, language, TARGET, function="resize", variant="fast")
    assert again.cached
    (pipeline / "variants" / "fast" / "resize" / "text" / "lock.txt").write_text("gamma==3")
    assert packager.build(load(pipeline), language, TARGET, function="resize", variant="fast").requirements == (
        "gamma==3",
    )


def test_functions_and_variants_ask_for_their_own_memory_time_and_capabilities(pipeline):
    benchmark = load(pipeline)
    asked = {which: benchmark.demands(*which) for which in (("", ""), ("store", ""), ("resize", "fast"))}
    assert [(each.memory_mib, each.timeout_s) for each in asked.values()] == [(512, 9), (128, 3), (1024, 9)]
    assert asked["store", ""].needs == {"storage", "table"}
    assert benchmark.unsuitable("", "text", ["storage"], "store") == "needs table"
    assert benchmark.unsuitable("", "other", ["storage", "table"], "store") == "no code in 'other'"
    assert benchmark.unsuitable("", "text", ["storage"], "resize", "fast") is None


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ({"function": "resise"}, "function 'resise' of benchmark 'pipeline' is not known; did you mean 'resize'"),
        (
            {"function": "resize", "variant": "fats"},
            "variant 'fats' of benchmark 'pipeline' is not known; did you mean 'fast'",
        ),
        ({"function": "store", "variant": "fast"}, "variant 'fast' of benchmark 'pipeline' is of resize alone"),
    ],
)
def test_function_or_variant_that_is_not_there_is_told(packager, pipeline, language, which, message):
    with pytest.raises(UserError, match=message):
        packager.build(load(pipeline), language, TARGET, **which)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('languages = ["text"]', 'languages = ["txt"]', r"language 'txt' of \[functions\.store\] .*'text'"),
        ('functions = ["resize"]', 'functions = ["size"]', r"function 'size' of \[variants\.fast\]"),
        ('folder = "."', 'folder = "../other"', "a folder inside of the benchmark's is wanted"),
        ('folder = "."', 'folder = "/etc"', "a folder inside of the benchmark's is wanted"),
        ("[functions.store]", '[functions."Store It"]', "is invalid; use lower-case letters"),
        ("[variants.fast]", "[variants.fast]\nhandler = 'x.y'", "key 'handler' of .* is not known"),
        ("timeout_s = 3", "timeout = 3", "key 'timeout' of .* is not known; did you mean 'timeout_s'"),
        (
            'needs = ["table"]',
            'needs = ["tabel"]',
            "capability 'tabel' of 'needs' in .* is not known; did you mean 'table'",
        ),
    ],
)
def test_wrong_function_or_variant_is_refused(pipeline, old, new, message):
    (pipeline / "benchmark.toml").write_text(PIPELINE.replace(old, new))
    with pytest.raises(UserError, match=message):
        load(pipeline)


def test_layout_of_the_platform_sees_the_manifest_and_enters_the_key(packager, folder, language):
    class Cloud:
        def __init__(self, word):
            self.word = word

        def wrapper_files(self, language):
            return {"sebsx_wrapper.txt": language.encode()}

        def layout(self, package, target):
            return {"host.json": f"{self.word} {package.handler} {target.architecture}".encode()}

    first, again, other = (packager.build(load(folder), language, TARGET, platform=Cloud(word)) for word in "aab")
    assert read(first.path)["sebsx_wrapper.txt"] == b"text"
    assert read(first.path)["host.json"] == b"a main.count x86_64"
    assert (again.cached, other.cached) == (True, False)
    assert other.content_hash != first.content_hash


@pytest.mark.parametrize(
    ("language", "handler", "taken"),
    [
        ("python", "app.handler", True), ("python", "src/app.handler", True), ("python", "src.app.handler", True),
        ("python", "function.function", True), ("python", "a/b/c.d", True), ("python", "function", False),
        ("python", "src/app", False), ("python", "../app.handler", False), ("python", "app.", False),
        ("python", ".handler", False), ("python", "app handler.x", False), ("python", "", False),
        ("nodejs", "index.handler", True), ("nodejs", "index.a.handler", True), ("nodejs", "src/index.handler", True),
        ("nodejs", "my-app/index.function", True), ("nodejs", "a.b/index.handler", True), ("nodejs", "index", False),
        ("nodejs", "../index.handler", False), ("nodejs", "/etc/index.handler", False), ("nodejs", "index.", False),
        ("nodejs", "", False),
    ],
)  # fmt: skip
def test_handlers_have_the_forms_of_lambda_and_others_are_refused_with_them(tmp_path, language, handler, taken):
    (tmp_path / language).mkdir()
    (tmp_path / language / "any.txt").write_text("code")
    manifest = f'name = "b"\nversion = "1"\nsummary = "s"\n[languages.{language}]\nhandler = "{handler}"\n'
    (tmp_path / "benchmark.toml").write_text(manifest)
    known = plugins.load([language]).languages[language]()

    def build():
        return Packager(tmp_path / "cache").build(
            load(tmp_path), known, Target(language, "3.12", architecture="x86_64", binaries="any")
        )

    if taken:
        assert json.loads(read(build().path)["sebsx.json"])["handler"] == handler
        return
    with pytest.raises(
        PackagingError, match=rf"no form that {language} takes; write it like '{known.handler_forms[0]}'"
    ):
        build()


@pytest.mark.slow
def test_large_file_is_written_block_by_block_and_comes_out_as_it_was(packager, folder, language, monkeypatch):
    monkeypatch.setattr("sebsx.building.archive._WHOLE_BYTES", 1000)
    data = os.urandom(3_000_000)
    (folder / "text" / "model.bin").write_bytes(data)
    (folder / "text" / "model.bin").chmod(0o755)
    package = packager.build(load(folder), language, TARGET)
    assert read(package.path)["model.bin"] == data
    with zipfile.ZipFile(package.path) as archive:
        assert archive.testzip() is None
        assert archive.getinfo("model.bin").external_attr >> 16 == 0o100755
        assert archive.getinfo("model.bin").date_time == (1980, 1, 1, 0, 0, 0)
    assert package.unpacked_bytes == sum(map(len, read(package.path).values()))
