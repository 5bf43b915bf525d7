"""sebsx: a plugin-based benchmark framework for serverless platforms.

The command line is the front door; from Python the same is `sebsx.plan`, `sebsx.run`, `sebsx.open_store` and
`sebsx.to_pandas` (docs/python-api.md). Importing this costs nothing: each is loaded when it is first used.
"""

from __future__ import annotations

__version__ = "0.1.0"

_API = ("Services", "open_store", "plan", "run", "to_pandas")


def __getattr__(name: str) -> object:
    if name not in _API:
        raise AttributeError(f"module 'sebsx' has no attribute {name!r}")
    from importlib import import_module

    # By name: what is below `sebsx.reading` imports this module, and must not import that.
    return getattr(import_module("sebsx.reading.api"), name)


def __dir__() -> list[str]:
    return [*globals(), *_API]
