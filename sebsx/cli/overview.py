"""What `sebsx --help` says of every command, kept until something changes that it was made of.

Making it loads every plugin and the modules of all commands, which takes most of the time of the help text.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError
from sebsx.system.folders import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from sebsx.cli.app import App, Described

_FILE = "help.json"
_INSTALLED = (".dist-info", ".egg-info")


def kept(app: App, make: Callable[[], list[Described]]) -> list[Described]:
    """Return what `make` returns, from the cache folder if nothing changed since it was made.

    What changes it: the interpreter, what is installed in the folders of `sys.path`, and files of sebsx and of plugins.
    It is not kept where only some plugins are meant, or one is broken: that is said each time.
    """
    if app.plugin_names is not None:
        return make()
    try:
        file = cache_folder() / _FILE
    except UserError:  # without a home
        return make()
    found = _read(file)
    if found is not None:
        return found
    made = make()
    if not any(plugin.error for plugin in app.registry.plugins) and app.console.repeats.nothing_said:
        _write(file, made)
    return made


def _read(file: Path) -> list[Described] | None:
    """Return what was kept; None where it may be another by now, or is not what `_write` writes."""
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        if not file.is_file():  # a pipe would be waited for
            return None
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["made_of"] == _state(document["made_of"]["files"]):
            return [
                (_word(title), [(_word(name), _word(text)) for name, text in rows])
                for title, rows in document["commands"]
            ]
    return None


def _word(value: object) -> str:
    """Return what can be printed as it is.

    Raises:
        ValueError: If it is anything else.
    """
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(value)
    return value


def _write(file: Path, made: list[Described]) -> None:
    from sebsx.plugins import finding  # only when they were loaded

    ours = {"sebsx", *(point.value.partition(".")[0] for point, *_ in finding.find())}
    files = [
        module.__file__
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in ours and getattr(module, "__file__", None)
    ]
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(json.dumps({"made_of": _state(files), "commands": made}), encoding="utf-8")
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)  # the disk is full, or a folder stands there


def _state(files: Iterable[str | None]) -> dict[str, Any]:
    return {
        "interpreter": [sys.version, sys.prefix],
        "installed": {path: _installed(path or ".") for path in sys.path},
        "files": {str(path): _changed(str(path)) for path in files},
    }


def _installed(folder: str) -> dict[str, int]:
    """Return the distributions in a folder, each with when it was installed."""
    try:
        with os.scandir(folder) as entries:
            return {each.name: each.stat().st_mtime_ns for each in entries if each.name.endswith(_INSTALLED)}
    except OSError:
        return {}


def _changed(path: str) -> list[int]:
    try:
        found = os.stat(path)  # noqa: PTH116  # a Path costs as much as the rest
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_size]
