"""The command line in the fuzzer's own process, in a home of its own: a process for each input would be too slow."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from sebsx import plugins
from sebsx.cli import _run
from sebsx.cli.app import App
from sebsx.errors import EXIT_INTERNAL, EXIT_THRESHOLD
from tests.support import Said


class Commands:
    """Calls commands; none of them may end with a traceback, or with the code of a threshold: none is set."""

    def __init__(self) -> None:
        self._registry = plugins.load()

    def __call__(self, *words: str) -> Said:
        stdout, stderr = io.StringIO(), io.StringIO()
        app = App()
        app.__dict__["registry"] = self._registry  # what the cached property would hold
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            code = _run(app, list(words))
        assert code not in (EXIT_THRESHOLD, EXIT_INTERNAL), f"{' '.join(words)[:200]}: exit code {code}"
        errors = [line for line in stderr.getvalue().splitlines() if line.startswith("error: ")]
        assert len(errors) == (1 if code else 0), stderr.getvalue()
        return Said(code, stdout.getvalue(), stderr.getvalue())

    @classmethod
    @contextlib.contextmanager
    def at(cls, folder: Path) -> Iterator[Commands]:
        """Yield the command line of a user whose home and current folder this is."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEBSX_", "XDG_"))}
        homes = {
            "HOME": str(folder),
            **{f"XDG_{name}_HOME": str(folder / name) for name in ("CACHE", "CONFIG", "DATA")},
        }
        with mock.patch.dict(os.environ, {**kept, **homes, "COLUMNS": "200"}, clear=True), contextlib.chdir(folder):
            yield cls()
