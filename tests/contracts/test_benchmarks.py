from __future__ import annotations

import random
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sebsx.contracts import benchmarks
from sebsx.contracts.tables import ManifestTable
from sebsx.errors import UserError
from sebsx.model import Capability
from sebsx.model.capabilities import CORE_CAPABILITIES
from sebsx.model.meaning import Meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MANIFEST = """
name = "count"
version = "2"
summary = "counts"
needs = ["storage"]
[defaults]
memory_mib = 512
timeout_s = 5
[languages.python]
handler = "main.run"
[parameters.words]
type = "int"
default = 10
help = "how many"
minimum = 1
maximum = 100
[parameters.sep]
type = "str"
default = " "
[sizes]
test = { words = 5 }
large = { words = 100, sep = "," }
[expect]
test = 0.1
"""
DRIVER = """
def payload(parameters, rng, storage):
    return {"text": parameters["sep"].join(str(rng.randrange(10)) for _ in range(parameters["words"]))}

def check(payload, output, storage):
    if output["count"] != len(payload["text"]):
        return "wrong count"
"""


def make(root: Path, manifest: str = MANIFEST, driver: str | None = DRIVER) -> Path:
    (root / "python").mkdir(parents=True)
    (root / "benchmark.toml").write_text(manifest)
    (root / "python" / "main.py").write_text("def run(event, context): return {}")
    if driver is not None:
        (root / "benchmark.py").write_text(driver)
    return root


def test_manifest_is_read(tmp_path):
    benchmark = benchmarks.load(make(tmp_path / "count"))
    assert (benchmark.name, benchmark.version, benchmark.memory_mib, benchmark.timeout_s) == ("count", "2", 512, 5.0)
    assert benchmark.needs == {Capability.STORAGE}
    assert benchmark.languages == {"python": "main.run"}
    assert benchmark.expect == {"test": 0.1}
    assert benchmark.code("python").folder == tmp_path / "count" / "python"


def test_subject_and_facts_are_those_of_the_function_where_it_names_its_own(tmp_path):
    manifest = (
        'name="b"\nversion="1"\nsummary="s"\nsubject=["compute"]\nfacts=["how"]\n'
        '[functions.one]\n[functions.two]\nsubject=["send","fetch"]\n'
    )
    benchmark = benchmarks.load(make(tmp_path / "b", manifest, None))
    assert benchmark.meaning == Meaning(subject=("compute",), facts=("how",))
    assert benchmark.meaning_of() == benchmark.meaning_of("one") == benchmark.meaning
    assert benchmark.meaning_of("two") == Meaning(subject=("send", "fetch"), facts=("how",))


@pytest.mark.parametrize("value", ['"compute"', '["a", "a"]', '["with space"]', '[""]', "[1]", '["phase.*"]'])
@pytest.mark.parametrize("key", ["subject", "facts"])
def test_subject_that_cannot_be_one_is_refused(tmp_path, key, value):
    with pytest.raises(UserError, match=f"'{key}' in .* is wanted"):
        benchmarks.load(make(tmp_path / "b", f'name="b"\nversion="1"\nsummary="s"\n{key}={value}\n', None))


def test_three_lines_make_a_benchmark(tmp_path):
    benchmark = benchmarks.load(make(tmp_path / "b", 'name="b"\nversion="1"\nsummary="s"\n', None))
    assert benchmark.languages == {"python": "function.handler"}
    assert benchmark.resolve("default", {}) == {}
    assert benchmark.payload({"a": 1}, random.Random(1), None) == {"a": 1}
    assert benchmark.check({}, object(), None) is None


def test_size_sits_on_defaults_and_overrides_on_size(tmp_path):
    benchmark = benchmarks.load(make(tmp_path / "count"))
    assert benchmark.resolve("test", {}) == {"words": 5, "sep": " "}
    assert benchmark.resolve("large", {"words": "7"}) == {"words": 7, "sep": ","}


@pytest.mark.parametrize(
    ("size", "overrides", "message"),
    [
        ("tset", {}, "size 'tset' of benchmark 'count' is not known; did you mean 'test'?"),
        ("test", {"word": 1}, "parameter 'word' of benchmark 'count' is not known; did you mean 'words'?"),
        ("test", {"words": "many"}, "parameter 'words' of benchmark 'count' is 'many': an integer is wanted"),
        ("test", {"words": 0}, "parameter 'words' of benchmark 'count' is 0: must be at least 1"),
        ("test", {"words": 101}, "must be at most 100"),
    ],
)
def test_bad_size_or_parameter_is_one_clear_line(tmp_path, size, overrides, message):
    with pytest.raises(UserError) as caught:
        benchmarks.load(make(tmp_path / "count")).resolve(size, overrides)
    assert message in str(caught.value)


def test_size_of_a_benchmark_that_has_one_alone_is_to_be_left_out(tmp_path):
    benchmark = replace(benchmarks.load(make(tmp_path / "count")), sizes={"default": {}})
    with pytest.raises(UserError, match=r"'test' .* is not known \(it has one size: leave it out\)"):
        benchmark.resolve("test", {})


def test_payload_is_the_same_for_a_seed(tmp_path):
    benchmark = benchmarks.load(make(tmp_path / "count"))
    first, second = (benchmark.payload({"words": 5, "sep": " "}, random.Random(3), None) for _ in range(2))
    assert first == second
    assert len(first["text"]) == 9


def test_check_tells_what_is_wrong(tmp_path):
    benchmark = benchmarks.load(make(tmp_path / "count"))
    assert benchmark.check({"text": "abc"}, {"count": 3}, None) is None
    assert benchmark.check({"text": "abc"}, {"count": 4}, None) == "wrong count"


@pytest.mark.parametrize("output", [None, {}, [], "text", 3])
def test_output_of_another_form_is_wrong_and_no_crash(tmp_path, output):
    benchmark = benchmarks.load(make(tmp_path / "count"))
    problem = benchmark.check({"text": "abc"}, output, None)
    assert problem is not None
    assert problem.startswith("output has not the expected form: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "count"', "", "needs 'name', a string"),
        ('version = "2"', "version = 2", "'version' in"),
        ('summary = "counts"', 'sumary = "counts"', "needs 'summary'"),
        ("[expect]", "[expects]", "is not known; did you mean 'expect'?"),
        ('needs = ["storage"]', 'needs = ["storge"]', "storge"),
        ('type = "int"', 'type = "integer"', "integer"),
        ("default = 10", "", "default"),
        ("words = 5", "word = 5", "is not known; did you mean 'words'?"),
        ("words = 5", 'words = "five"', "an integer is wanted"),
        ("words = 5", "words = 500", "must be at most 100"),
        ("memory_mib = 512", 'memory_mib = "much"', "much"),
        ("test = 0.1", "tset = 0.1", "tset"),
        ("[sizes]", "[sizes", "cannot be read"),
        ('needs = ["storage"]', "needs = 3", "a list of strings is wanted"),
    ],
)
def test_wrong_manifest_names_the_file_and_the_key(tmp_path, old, new, message):
    assert old in MANIFEST
    root = make(tmp_path / "count", MANIFEST.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        benchmarks.load(root)
    assert "benchmark.toml" in str(caught.value) or "benchmark 'count'" in str(caught.value)
    assert message in str(caught.value)


BOTH = "folder = '.'\nsummary = 's'\nneeds = ['table']\nlanguages = ['python']\nmemory_mib = 1\ntimeout_s = 2\n"
FULL = (
    MANIFEST.replace('name = "count"', 'name = "count"\ncategory = "web"\ngroups = ["suite:mine"]\nsource = "own"')
    .replace("[defaults]", 'licence = "MIT"\nexternal_binary = false\n[defaults]', 1)
    .replace("[expect]", '[steps]\nparameter = "words"\nfirst = 1\nlast = 9\ncount = 3\ngrowth = 2\n[expect]')
    + "[functions.first]\nhandler = 'main.run'\n"
    + (
        both
        := "folder = '.'\nsummary = 's'\nneeds = ['table']\nlanguages = ['python']\nmemory_mib = 1\ntimeout_s = 2\n"
    )
    + "[variants.fast]\nfunctions = ['first']\n"
    + BOTH
)


def places(table: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of a manifest, by its path."""
    for key, value in table.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


# Names that the author makes up: another one is not a mistake of spelling.
OWN = [("languages",), ("parameters",), ("sizes",), ("expect",), ("functions",), ("variants",)]
EVERY_KEY = list(places(tomllib.loads(FULL)))
SPELT_BY_US = [place for place in EVERY_KEY if place[:-1] not in OWN and place[:1] != ("sizes",)]


def changed(place: tuple[str, ...], change: Callable[[dict[str, Any], str], None]) -> dict[str, Any]:
    manifest = tomllib.loads(FULL)
    inner = manifest
    for key in place[:-1]:
        inner = inner[key]
    change(inner, place[-1])
    return manifest


def read(manifest: dict[str, Any], folder: Path) -> benchmarks.Benchmark:
    return benchmarks._read(folder, ManifestTable(manifest, folder / "benchmark.toml"), CORE_CAPABILITIES)


def test_a_manifest_with_every_key_is_read(tmp_path):
    assert read(tomllib.loads(FULL), tmp_path).steps.growth == 2


@pytest.mark.parametrize("place", SPELT_BY_US, ids=".".join)
def test_misspelt_key_at_any_level_is_refused_with_the_right_one(tmp_path, place):
    def misspell(table: dict[str, Any], key: str) -> None:
        table[f"{key}s"] = table[key]

    with pytest.raises(UserError, match=rf"key '{place[-1]}s' of .* is not known; did you mean '{place[-1]}'\?"):
        read(changed(place, misspell), tmp_path)


def test_a_unit_left_out_is_not_taken_for_the_default(tmp_path):
    manifest = MANIFEST.replace("memory_mib = 512", "memory = 128")
    with pytest.raises(UserError, match=r"key 'memory' of \[defaults\] of .* is not known; did you mean 'memory_mib'"):
        benchmarks.load(make(tmp_path / "count", manifest))


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**400), st.dates()
    ).filter(lambda value: value is not None),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(EVERY_KEY), value=VALUES)
def test_whatever_stands_in_a_manifest_is_read_or_refused_in_one_line(tmp_path, place, value):
    def put(table: dict[str, Any], key: str) -> None:
        table[key] = value

    problem = ""
    try:
        read(changed(place, put), tmp_path)
    except UserError as exc:
        problem = str(exc)
    assert "\n" not in problem


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "\x00", "a = 1\na = 2"])
def test_what_toml_cannot_say_is_one_line(tmp_path, text):
    (tmp_path / "benchmark.toml").write_text(text)
    with pytest.raises(UserError, match=r"benchmark\.toml' cannot be read"):
        benchmarks.load(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "right"), [("chek", "check"), ("payloads", "payload"), ("Check", "check"), ("paylod", "payload")]
)
def test_function_of_the_driver_that_is_almost_known_is_told(tmp_path, wrong, right):
    driver = DRIVER.replace(f"def {right}(", f"def {wrong}(")
    benchmark = benchmarks.load(make(tmp_path / "count", driver=driver))
    with pytest.raises(UserError, match=rf"'{wrong}' in .*benchmark\.py' is never called; did you mean '{right}'"):
        benchmark.payload({"words": 1, "sep": ""}, random.Random(1), None)


def test_helpers_of_a_driver_and_what_it_imports_are_its_own(tmp_path):
    driver = "from os.path import checks\n".replace("checks", "join as payloads") + DRIVER + "\ndef _chek(): pass\n"
    benchmark = benchmarks.load(make(tmp_path / "count", driver=driver + "def checked_words(): pass\n"))
    assert benchmark.payload({"words": 1, "sep": ""}, random.Random(1), None)


def test_function_of_the_driver_with_other_arguments_is_told(tmp_path):
    benchmark = benchmarks.load(make(tmp_path / "count", driver="def payload(parameters):\n    return {}\n"))
    with pytest.raises(UserError, match=r"payload\(\) in .* must take 3 arguments"):
        benchmark.payload({}, random.Random(1), None)


@pytest.mark.parametrize("answer", ["None", "[1]", "'text'"])
def test_payload_that_is_no_dict_is_told_as_the_users(tmp_path, answer):
    driver = f"def payload(parameters, rng, storage):\n    return {answer}\n"
    benchmark = benchmarks.load(make(tmp_path / "count", driver=driver))
    with pytest.raises(UserError, match=r"payload\(\) of .* returned a .*; a dict is wanted"):
        benchmark.payload({}, random.Random(1), None)


def test_folder_without_manifest_says_so(tmp_path):
    with pytest.raises(UserError, match=r"is not a benchmark: it has no benchmark\.toml"):
        benchmarks.load(tmp_path)


def test_driver_that_does_not_load_is_told_as_the_users(tmp_path):
    benchmark = benchmarks.load(make(tmp_path / "count", driver="1 / 0"))
    with pytest.raises(UserError, match=r"benchmark\.py' cannot be loaded: ZeroDivisionError"):
        benchmark.payload({}, random.Random(1), None)


def test_identity_follows_every_source_file_and_no_cache(tmp_path):
    root = make(tmp_path / "count")
    before = benchmarks.load(root).sha256
    (root / "python" / "__pycache__").mkdir()
    (root / "python" / "__pycache__" / "main.pyc").write_bytes(b"x")
    assert benchmarks.load(root).sha256 == before
    (root / "python" / "main.py").write_text("changed")
    assert benchmarks.load(root).sha256 != before


def test_benchmarks_are_found_at_any_depth_and_not_in_caches(tmp_path):
    for path in ("a", "b/c/d", ".venv/x", "b/node_modules/y"):
        make(tmp_path / "node_modules" / path)
    found = benchmarks.discover(tmp_path / "node_modules")
    assert [path.relative_to(tmp_path / "node_modules").as_posix() for path in found] == ["a", "b/c/d"]


STEPPED = """
name = "stepped"
version = "1"
summary = "has steps"
[parameters.n]
type = "int"
default = 5
[sizes.test]
n = 1
[steps]
parameter = "n"
first = 100
last = 4000
"""


def test_steps_grow_evenly_from_first_to_last(tmp_path):
    (tmp_path / "benchmark.toml").write_text(STEPPED)
    benchmark = benchmarks.load(tmp_path)
    values = [benchmark.resolve(str(step), {})["n"] for step in range(1, 41)]
    assert values == [100 * step for step in range(1, 41)]
    assert benchmark.resolve("7", {"n": "3"}) == {"n": 3}


def test_steps_of_quadratic_work_grow_evenly_in_work(tmp_path):
    (tmp_path / "benchmark.toml").write_text(STEPPED.replace("last = 4000", "last = 500\ngrowth = 2\ncount = 25"))
    benchmark = benchmarks.load(tmp_path)
    # 100^2 = 10000 to 500^2 = 250000 in 25 steps of 10000: step 9 is sqrt(90000).
    assert [benchmark.resolve(step, {})["n"] for step in ("1", "9", "25")] == [100, 300, 500]


@pytest.mark.parametrize("size", ["0", "41", "large"])
def test_unknown_step_says_what_there_is(tmp_path, size):
    (tmp_path / "benchmark.toml").write_text(STEPPED)
    with pytest.raises(UserError, match=r"there are test, 1\.\.40"):
        benchmarks.load(tmp_path).resolve(size, {})
