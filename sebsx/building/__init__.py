"""Builds packages: function code, shim, collectors, wrapper and dependencies in one deterministic zip."""

from __future__ import annotations

from sebsx.building.packager import Packager, default_cache

__all__ = ["Packager", "default_cache"]
