from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sebsx.model import Kind, StartType, Status
from sebsx.store import schema
from tests.store.conftest import Begun, make_invocation

PAGE = (Path(__file__).parents[2] / "docs" / "data-model.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def section(name: str) -> str:
    return PAGE.partition(f"\n### `{name}`\n")[2].partition("\n## ")[0].partition("\n### ")[0]


def named(name: str) -> set[str]:
    """Return what is named in the first column of a section's table."""
    rows = [line.split("|")[1] for line in section(name).splitlines() if line.startswith("| `")]
    return set(re.findall(r"`(\w+)`", " ".join(rows)))


@pytest.mark.parametrize("name", sorted(schema.metadata.tables))
def test_every_column_of_a_table_is_explained(name: str) -> None:
    assert named(name) == {column.name for column in schema.metadata.tables[name].columns}


@pytest.mark.parametrize("view", ["invocations", "executions"])
def test_every_column_of_a_view_is_explained(begun: Begun, view: str) -> None:
    assert named(view) == set(begun.store.view("last").row_columns(view))


@pytest.fixture
def answers(begun: Begun) -> list[list[dict[str, Any]]]:
    """What the page's queries say of 0.25, 0.25 and 0.5 s cold, a failure and a warm-up."""
    begun.add(
        make_invocation(1, samples={"phase.a_s": 1.0}),
        make_invocation(2, samples={"phase.a_s": 2.0}),
        make_invocation(3, client_done_s=1000.5),
        make_invocation(4, status=Status.TIMEOUT, error="too slow"),
        make_invocation(5, kind=Kind.WARMUP, client_done_s=1009.0),
        make_invocation(6, start_type=StartType.WARM, client_done_s=1009.0),
    )
    begun.store.design.add_sandbox(begun.deployment, "sb1", {"cpu_model": "EPYC"})
    with begun.store._database.read() as connection:
        return [[dict(row) for row in connection.exec_driver_sql(query).mappings()] for query in QUERIES]


def test_queries_of_the_page_answer_as_it_says(answers: list[list[dict[str, Any]]]) -> None:
    latency, failures, samples = answers
    assert [(row["memory_mib"], row["start_wanted"], row["median_s"]) for row in latency] == [(256, "cold", 0.25)]
    assert [(row["status"], row["failures"], row["example"]) for row in failures] == [("timeout", 1, "too slow")]
    assert [(row["metric"], row["n"], row["mean"]) for row in samples] == [("phase.a_s", 2, 1.5)]
