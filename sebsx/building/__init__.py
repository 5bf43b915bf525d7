"""Builds packages: function code, shim, collectors, wrapper and dependencies in one deterministic zip."""

from __future__ import annotations

from sebsx.building.packager import Packager, cached_bytes, default_cache

__all__ = ["Packager", "cached_bytes", "default_cache"]
