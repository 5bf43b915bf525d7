"""The contract of a recipe: published numbers that can be looked up, and a plan that measures them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import pytest

from sebsx.testing.contracts import metadata
from sebsx.testing.contracts.quiet import recorded_io

if TYPE_CHECKING:
    from sebsx.contracts.recipes import Recipe
    from sebsx.contracts.registered import Registered


class RecipeContract:
    """Every recipe: override the fixture `recipe`."""

    @pytest.fixture
    def recipe(self) -> Recipe:
        """Return the recipe under test."""
        raise NotImplementedError("override the fixture 'recipe'")

    def test_metadata_is_complete(self, recipe: Recipe) -> None:
        metadata.check_words(type(recipe))
        assert recipe.source.strip(), "it does not say where the numbers were published"

    def test_construction_does_no_io(self, recipe: Recipe) -> None:
        with recorded_io() as events:
            type(recipe)()
        assert events == []

    def test_plan_names_what_there_is(self, recipe: Recipe, sebsx_registry: Registered) -> None:
        experiment = sebsx_registry.get("experiments", recipe.experiment)
        assert sebsx_registry.get("analyzers", recipe.analyzer)
        for name in recipe.platforms:
            assert sebsx_registry.get("platforms", name)
        fields = {field.name for field in dataclasses.fields(experiment.Settings)}
        assert recipe.settings.keys() <= fields, f"{experiment.name} has no such settings"

    def test_published_numbers_are_the_same_each_time_and_finite(self, recipe: Recipe) -> None:
        cells = recipe.expected()
        assert cells, "no number was published"
        assert list(cells) == list(type(recipe)().expected())
        for cell in cells:
            assert math.isfinite(cell.value), f"{cell} is not a number that was published"
            assert 0 <= cell.tolerance < math.inf, f"{cell}: its tolerance cannot be one"

    def test_each_number_stands_in_a_place_of_its_own(self, recipe: Recipe) -> None:
        places = [(cell.table, tuple(sorted(cell.row.items())), cell.column) for cell in recipe.expected()]
        assert all(table and row and column for table, row, column in places), "a cell without table, row or column"
        assert len(set(places)) == len(places), "two numbers stand in one cell"
