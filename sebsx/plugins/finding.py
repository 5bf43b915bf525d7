"""Finds and loads plugins by their entry points; one that cannot be loaded is kept with the reason."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from sebsx.contracts import hookspecs
from sebsx.errors import PluginError
from sebsx.plugins.guarding import in_one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint

logger = logging.getLogger(__name__)

GROUP = "sebsx"
OURS = "sebsx"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPlugin:
    """A plugin that was found.

    Args:
        name: Its entry point.
        module: What that names.
        distribution: Where it comes from.
        version: Of the distribution.
        error: Why it is broken, wholly or in part.
        doubts: What may be a mistake in it, and requirements of its distribution that are not met.
    """

    name: str
    module: str
    distribution: str
    version: str
    error: str | None = None
    doubts: tuple[str, ...] = ()


def find() -> list[tuple[EntryPoint, str, str]]:
    """Return the entry points of our group, each once, with name and version of their distributions; ours first.

    What is installed is looked at again once a folder of `sys.path` has changed, as by every installation.
    """
    return list(_find(tuple(_state_of(path) for path in sys.path)))


def _state_of(path: str) -> tuple[str, int]:
    path = os.path.abspath(path)  # noqa: PTH100  # "" is the working directory; a Path costs as much as the rest
    try:
        return path, os.stat(path).st_mtime_ns  # noqa: PTH116  # likewise
    except OSError:
        return path, 0


@lru_cache(maxsize=1)
def _find(_paths: tuple[tuple[str, int], ...]) -> list[tuple[EntryPoint, str, str]]:
    points = {(point.name, point.value): point for point in entry_points(group=GROUP)}
    # One distribution has many; each look at its metadata would read them again.
    one_of_each = {id(point.dist): point for point in points.values()}
    known = {key: _distribution(point) for key, point in one_of_each.items()}
    found = [(point, *known[id(point.dist)]) for point in points.values()]
    return sorted(found, key=lambda item: (item[1] != OURS, *item[1:], item[0].name))


def load_one(manager: pluggy.PluginManager, point: EntryPoint, owner: str, version: str) -> LoadedPlugin:
    """Import a plugin and register its hooks; whatever goes wrong stands in the error of what is returned."""
    error = None
    try:
        if manager.has_plugin(point.name):
            raise PluginError("another distribution has a plugin of that name")
        with redirect_stdout(sys.stderr):  # what it prints is not a result
            module = point.load()
        _check_level(module)
        try:
            manager.register(module, name=point.name)
        except pluggy.PluginValidationError:
            manager.unregister(name=point.name)
            raise
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # loading a plugin may fail in any way; it is listed as broken
        error = in_one_line(exc, place=False)
        logger.debug("plugin %r failed to load", point.name, exc_info=True)
        logger.warning("plugin %r of %s is broken: %s", point.name, owner, error)
    return LoadedPlugin(name=point.name, module=point.value, distribution=owner, version=version, error=error)


def unmet(owner: str) -> Iterator[str]:
    """Yield what a distribution requires and does not find, in words."""
    from packaging.requirements import InvalidRequirement, Requirement  # only those who ask for it pay for it

    try:
        requires = distribution(owner).requires or []
    except PackageNotFoundError:
        return
    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            yield f"requirement {text!r} cannot be read"
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = distribution(requirement.name).version
        except PackageNotFoundError:
            yield f"requires {requirement}, which is not installed"
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield f"requires {requirement}; {version} is installed"


def _check_level(module: Any) -> None:
    """Refuse a plugin that was written for a later level of the contracts than this one."""
    level = getattr(module, "sebsx_api", hookspecs.API_LEVEL)
    if not isinstance(level, int) or isinstance(level, bool) or level < 1:
        raise PluginError(f"sebsx_api = {level!r} is not a level; this sebsx has sebsx_api = {hookspecs.API_LEVEL}")
    if level > hookspecs.API_LEVEL:
        raise PluginError(
            f"it is written for sebsx_api = {level} and this sebsx has {hookspecs.API_LEVEL}; install a newer sebsx"
        )


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown", "")
