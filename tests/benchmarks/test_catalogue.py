"""The table against the suites of others, and the generated pages."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from sebsx import plugins
from tests.support import BUILT_IN

DOCS = Path(__file__).parents[2] / "docs"
REGISTERED = plugins.load(BUILT_IN).benchmarks
# | theirs | `ours`... | group | role |
ROW = re.compile(r"^\| ([^|`]+) \| `([\w-]+)`[^|]*\|(?: ([\w-]+) \| ([\w-]+) \|)?$", re.MULTILINE)
ROWS = ROW.findall((DOCS / "suites.md").read_text(encoding="utf-8").partition("## Against the suites")[2])


@pytest.fixture
def pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_pages", DOCS / "benchmark_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_have_the_fifteen_of_sebs_and_the_eighteen_of_the_arm_study() -> None:
    assert len([theirs for theirs, *_ in ROWS if re.match(r"\d{3}\.", theirs)]) == 15
    study = [(ours, role) for _, ours, _, role in ROWS if role]
    assert len(study) == 18
    assert [role for _, role in study].count("train") == 11
    assert [role for _, role in study].count("unseen") == 7


def test_nothing_of_the_suites_of_others_is_missing() -> None:
    assert sorted({ours for _, ours, _, _ in ROWS} - REGISTERED.keys()) == []


def test_every_shipped_benchmark_has_its_counterpart_in_the_tables() -> None:
    shipped = {name for name, item in REGISTERED.items() if "sebsx_benchmarks" in item.root.parts}
    assert sorted(shipped - {ours for _, ours, _, _ in ROWS}) == []


def test_group_and_role_in_the_manifest_are_those_of_the_study() -> None:
    for _, ours, group, role in ROWS:
        labels = (
            {label for label in REGISTERED[ours].groups if label.startswith("arm-study:")} if ours in REGISTERED else ()
        )
        if role and labels:
            assert labels == {f"arm-study:{group}", f"arm-study:{role}"}, ours


def test_every_benchmark_gets_a_page_with_its_manifest_and_readme(pages: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "gone.md").touch()
    written = pages.write(tmp_path)
    assert sorted(tmp_path.iterdir()) == written == sorted(tmp_path / f"{name}.md" for name in ("index", *REGISTERED))
    for name, benchmark in REGISTERED.items():
        text = (tmp_path / f"{name}.md").read_text()
        assert text.startswith(f"# {name}\n")
        assert re.findall(r"^# (.*)$", text, re.MULTILINE) == [name]
        for word in (
            *benchmark.meaning.subject,
            benchmark.source,
            benchmark.licence,
            *benchmark.parameters,
            *benchmark.sizes,
            *benchmark.groups,
        ):
            assert word in text, f"{word} is missing on the page of {name}"
        assert "## How it works" in text
    assert "[sleep](sleep.md)" in (tmp_path / "index.md").read_text()


def test_steps_and_own_programs_are_told(pages: ModuleType, tmp_path: Path) -> None:
    from sebsx.contracts import benchmarks

    (tmp_path / "benchmark.toml").write_text(
        'name = "stepper"\nversion = "1"\nsummary = "climbs"\nexternal_binary = true\n'
        '[parameters.n]\ntype = "int"\ndefault = 1\n[sizes]\ntest = { n = 1 }\n'
        '[steps]\nparameter = "n"\nfirst = 10\nlast = 50\ngrowth = 2\n'
    )
    (tmp_path / "README.md").write_text(
        "# stepper\n\nSee [the code](python/function.py) and [a page](https://example.org).\n"
    )
    text = pages.page(benchmarks.load(tmp_path))
    assert "| `1` ... `40` | `n` from 10 to 50, in equal steps of `n`^2 |" in text
    assert "| works in a program of its own | yes |" in text
    assert "See the code and [a page](https://example.org)." in text
