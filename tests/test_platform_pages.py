"""The page that sets platforms side by side: made of the code alone, without the docs being built."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import sebsx
from sebsx import plugins

DOCS = Path(sebsx.__file__).parent.parent / "docs"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.syspath_prepend(str(DOCS))
    spec = importlib.util.spec_from_file_location("platform_pages", DOCS / "platform_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.page(plugins.load()))


def test_every_platform_is_there_with_what_its_code_says(page: str) -> None:
    registry = plugins.load()
    for name, cls in registry.platforms.items():
        rows = [line for line in page.splitlines() if line.startswith((f"| `{name}` |", f"| [`{name}`]"))]
        assert len(rows) == 2, name  # what it can do, and its limits
        told = dict(
            zip(sorted(registry.capabilities), [cell.strip() for cell in rows[0].split("|")][3:-1], strict=True)
        )
        assert {word for word, answer in told.items() if answer == "yes"} == set(cls.capabilities), name
        for option in cls.options:
            assert any(f"| `{option.name}` |" in line and f"`{name}`" in line for line in page.splitlines()), option
    limits = next(line for line in page.splitlines() if line.startswith("| [`aws-arm`]") and "arm64" in line)
    assert "| nodejs, python | arm64 | 128 to 10240 | 15 min 0 s | 6 MiB | later | any |" in limits


def test_settings_with_a_choice_are_there(page: str) -> None:
    row = (
        "| `table` | [`azure`](../platforms/azure.md) | storage, cosmos | storage | what keeps the items of functions: "
    )
    assert row in page


def test_prices_are_those_of_the_books(page: str) -> None:
    # A million of 100 ms with 1024 MiB, worked out by hand: 0.2 + 0.1 * 1e6 * 0.0000166667 is 1.87.
    for row in (
        "| aws | on-demand | us-east-1 | x86_64 | 0.2 | 0.0000166667 | - | 1 ms | - | billed | 1.87 |",
        "| azure | flex | eastus | x86_64 | 0.4* | 0.000026* | - | 100 ms | 1000 ms | not billed | 52.40 |",
        "| gcp | gen1 | us-central1 | x86_64 | 0.4 | 0.0000025* | 0.00001* | 100 ms | - | not billed | 2.05 |",
    ):
        assert row in page


def test_page_holds_nothing_of_the_machine_that_makes_it(page: str) -> None:
    memory = [
        line for line in page.splitlines() if line.startswith(("| [`local`]", "| [`docker`]")) and "x86_64" in line
    ]
    assert len(memory) == 2
    assert all("32 to the machine's" in line for line in memory)
