"""The command line that does a run again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from sebsx.settings import variable
from sebsx.texts import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.model import Run

Defaults = Mapping[str, Mapping[str, str]]  # section -> setting -> its default as text

_LIMITS = {
    "budget_usd": ("--budget-usd", ""),
    "max_invocations": ("--max-invocations", ""),
    "max_time_s": ("--max-time", "s"),
    "records_wait_s": ("--records-wait", "s"),
}


def command(run: Run, defaults: Defaults | None = None) -> str:
    """Return the command line that does the same again: settings, platforms, collectors, options, limits and seed.

    Args:
        run: The run.
        defaults: Settings that need not be said, by the section they belong to; by default all are said.
    """
    words = ["sebsx", "run", "experiment", run.experiment, "--seed", str(run.seed)]
    for option, key in (("--platform", "platforms"), ("--collect", "collectors")):
        if names := list(run.settings.get(key) or ()):
            words += [option, as_text(names)]
    for name, levels in (run.settings.get("options") or {}).items():
        words += ["--option", f"{name}={as_text(levels)}"]
    if run.campaign:
        words += ["--campaign", run.campaign]
    limits = run.settings.get("limits") or {}
    for key, (option, unit) in _LIMITS.items():
        if key in limits:
            words += [option, f"{limits[key]}{unit}"]
    for key, value in assignments(run, defaults or {}):
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)


def needed(run: Run) -> str:
    """Return in a sentence which secrets the command needs that no run stores; empty for none."""
    missing = [variable(*key.rsplit(".", 1)) for key in run.settings.get("secrets") or ()]
    if not missing:
        return ""
    return f"Run {run.id} had settings that are never stored. Set them first: {', '.join(missing)}."


def assignments(run: Run, defaults: Defaults = MappingProxyType({})) -> Iterator[tuple[str, str]]:
    """Yield the settings of a run by their full names, as `--set` reads them, those left out that are defaults."""
    sections = {f"experiment.{run.experiment}": run.settings.get("experiment") or {}}
    sections |= {f"platform.{name}": values for name, values in (run.settings.get("platforms") or {}).items()}
    for section, values in sections.items():
        usual = defaults.get(section, {})
        for key, value in values.items():
            text = as_text(value)
            if usual.get(key) != text:
                yield f"{section}.{key}", text
