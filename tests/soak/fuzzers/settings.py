"""What users write into `sebsx.toml`: every setting of every plugin, and anything in its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from sebsx import plugins
from sebsx.reading.services import Services
from tests.soak import documents
from tests.soak.commands import Commands
from tests.soak.fuzzing import Check, Fuzzer

WORDS = ("local", "docker", "aws", "cold", "warm", "auto", "python", "none", "true", "sleep", "vcpu=1", "3.12")
CODES = (0, 2, 3, 4, 5)


def every_key() -> str:
    """Return a settings file that says every default."""
    tables: dict[str, dict[str, dict[str, object]]] = {}
    for section in plugins.load().sections():
        kind, _, name = section.name.partition(".")
        defaults = {key: _default(field) for key, field in section.fields.items()}
        tables.setdefault(kind, {})[name] = {key: value for key, value in defaults.items() if value is not None}
    core = {key: _default(field) for key, field in Services.core_section.fields.items()}
    return documents.to_toml({"core": {**core, "store": "results.sqlite"}, **tables})


def _default(field: dataclasses.Field[object]) -> object:
    value = field.default if field.default is not dataclasses.MISSING else {}
    return list(value) if isinstance(value, tuple) else value


class Setting:
    """Shows the settings, and plans a run by them."""

    def __init__(self, folder: Path, commands: Commands) -> None:
        self._path = folder / "sebsx.toml"
        self._commands = commands

    def __call__(self, text: str) -> None:
        self._path.write_bytes(text.encode("utf-8", "surrogatepass"))
        shown = self._commands("config", "show")
        assert shown.code in (0, 2), shown.stderr
        for words in (("plan", "benchmark", "sleep"), ("plan", "load", "sleep"), ("runs",)):
            said = self._commands(*words)
            assert said.code in CODES, said.stderr
            assert shown.code == 2 or said.code != 2 or "error: " in said.stderr


@contextmanager
def opened(folder: Path) -> Iterator[Check]:
    with Commands.at(folder) as commands:
        yield Setting(folder, commands)


FUZZER = Fuzzer(
    name="settings",
    promise="settings are read, or refused in one line that names the key and the file",
    inputs=st.deferred(lambda: documents.wrong(every_key(), WORDS)),
    opened=opened,
)
