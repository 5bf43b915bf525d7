"""What every plugin class must say of itself."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Protocol


class Named(Protocol):
    """What has a name and a summary: a plugin's class, or a benchmark."""

    @property
    def name(self) -> str:
        """What a user types."""
        ...

    @property
    def summary(self) -> str:
        """One line."""
        ...


def check_words(named: Named) -> None:
    """Assert that something has a kebab-case name and a summary of one line."""
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", named.name), f"name {named.name!r} is not kebab-case"
    assert named.summary.strip(), "summary is empty"
    assert "\n" not in named.summary, "summary is longer than a line"
    assert len(named.summary) <= 120, "summary does not fit a table"


def check_settings(settings: type[Any]) -> None:
    """Assert that a settings class is a frozen dataclass whose fields have help and constant defaults."""
    assert dataclasses.is_dataclass(settings), f"{settings.__name__} is not a dataclass"
    assert settings.__dataclass_params__.frozen, f"{settings.__name__} is not frozen"  # type: ignore[attr-defined]  # set by dataclass
    for field in dataclasses.fields(settings):
        assert field.metadata.get("help"), f"field {field.name!r} of {settings.__name__} has no help; use setting()"
    assert settings() == settings(), "defaults differ from one moment to the next"
