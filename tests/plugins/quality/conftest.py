from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sebsx.contracts.analyzers import Analyzer, Report
from sebsx.store import Store, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as opened:
        yield opened


@pytest.fixture
def damage(path: Path) -> Callable[[str], None]:
    """Change the file behind the store's back, as only a broken disk or an editor does."""

    def run(statements: str) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(statements)

    return run


@pytest.fixture
def analyze(store: Store) -> Callable[..., Report]:
    """Return what an analyzer says of all runs of the store, oldest first."""

    def run(analyzer: type[Analyzer[Any]], **settings: Any) -> Report:
        views = [store.view(item.id) for item in reversed(store.runs())]
        return analyzer().analyze(views, analyzer.Settings(**settings))

    return run
