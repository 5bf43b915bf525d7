"""A published table beside a report: reproduced, deviates by, not measured."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from sebsx import plugins
from sebsx.contracts.analyzers import Column, Estimate, Report, Table
from sebsx.contracts.recipes import ExpectedCell, Recipe
from sebsx.store import open_store
from sebsx.testing.contracts import RecipeContract
from sebsx.testing.runs import RunWriter
from sebsx_reproduce.command import ReproduceCommand, ReproduceSettings, how_to_run
from sebsx_reproduce.comparing import compare
from tests.support import BUILT_IN, Call, Cli

REGISTRY = plugins.load(BUILT_IN)


def cell(function, value, column="error", tolerance=0.01):
    return ExpectedCell(table="errors", row={"function": function}, column=column, value=value, tolerance=tolerance)


def test_each_cell_is_reproduced_deviates_or_was_not_measured():
    columns = [Column("function", "function"), Column("error", "error", unit="1"), Column("time", "time", unit="s")]
    rows = [{"function": "csv", "error": Estimate(0.105), "time": 2.0}, {"function": "float", "error": None}]
    report = Report("r", tables=[Table("errors", columns=columns, rows=rows)])
    expected = [cell("csv", 0.1), cell("csv", 0.2), cell("csv", 5.0, "time"), cell("float", 0.1), cell("sqlite", 0.1)]
    assert [each.words for each in compare(expected, report)] == [
        "reproduced", "deviates by -9.50 points", "deviates by -3 s", "not measured", "not measured",
    ]  # fmt: skip
    assert {each.words for each in compare(expected, None)} == {"not measured"}
    never = replace(cell("csv", 0.1), unmeasurable="it is sold out")
    assert [each.words for each in compare([never], None)] == ["not measurable here: it is sold out"]


class Services:
    """What a command is handed, and what it said."""

    def __init__(self):
        self.registry, self.output, self.said, self.notes = REGISTRY, self, None, []

    def result(self, document, *tables, text=""):
        self.said = document, tables, text

    def note(self, text):
        self.notes.append(text)


def test_recipe_of_the_arm_study_says_what_was_published_and_how_to_measure_it():
    services = Services()
    ReproduceCommand().run(services, ReproduceSettings(recipe="arm-table3"))
    document, (table,), text = services.said
    assert text == "arm-table3: of 181 cells 0 reproduced, 0 deviates, 181 not measured"
    assert len(table.rows) == len(document["cells"]) == 18 * 9 + 3 * 3 + 3 + 7
    assert services.notes[1] == (
        "to measure it: sebsx run experiment arm-prediction --platform aws,aws-arm --preset paper"
    )
    unseen = next(each for each in document["cells"] if each["row"] == {"function": "mean of unseen functions"})
    assert round(unseen["published"], 4) == 0.0115


def test_table_that_is_not_named_is_asked_for(call: Call) -> None:
    call("reproduce").assert_fails(2, "name a published table", "sebsx list recipes")


class TestRecipes(RecipeContract):
    @pytest.fixture(params=sorted(REGISTRY.of("recipes")))
    def recipe(self, request: pytest.FixtureRequest) -> Recipe:
        return REGISTRY.get("recipes", request.param)()


class Twice(Recipe):
    name, summary, source = "twice", "two numbers in one cell", "nobody (2026)"
    experiment, analyzer = "perf-cost", "perf-cost"
    settings: ClassVar = {"memory_mib": (128, 256), "repetitions": 5}

    def expected(self):
        return [cell("csv", 0.1), cell("csv", 0.2)]


def test_two_numbers_in_one_cell_are_noticed_and_settings_are_options():
    with pytest.raises(AssertionError, match="two numbers stand in one cell"):
        RecipeContract().test_each_number_stands_in_a_place_of_its_own(Twice())
    assert how_to_run(Twice(), REGISTRY) == "sebsx run experiment perf-cost --memory 128,256 --repetitions 5"


def test_run_of_something_else_is_refused_with_the_command_that_measures_the_table(sebsx: Cli, call: Call) -> None:
    with open_store(sebsx.store) as store:
        writer = RunWriter(store, 1)
        writer.add([0.1] * 6)
        writer.finish()
    call("reproduce", "arm-table3", "--from", "last").assert_fails(
        2, "'arm-table3'", "01JZ", "run: sebsx run experiment arm-prediction --platform aws,aws-arm"
    )
