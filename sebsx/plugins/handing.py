"""Objects that plugins hand out, such as a storage: guarded like the classes that plugins register.

The object stays itself: its class becomes a subclass whose methods of the contract are guarded. What cannot be given
another class, as what is written in C, is handed on as it is.
"""

from __future__ import annotations

import types
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from sebsx.plugins.guarding import guard_methods

# What is handed out by its contract, in words, and exceptions of Python that belong to a method.
HANDED_OUT: tuple[tuple[str, str, dict[str, tuple[type[Exception], ...]]], ...] = (
    ("sebsx.contracts.storage:Storage", "storage", {"get": (KeyError,)}),
)
_MARK = "_sebsx_guarded"


def handed(answer: Any, of: str, giver: Any) -> Any:
    """Return what a plugin hands out, guarded where it is of a contract of its own.

    Args:
        answer: What the plugin returned.
        of: Whose it is: `platform 'fly' of sebsx-fly 1.0`.
        giver: The guarded class that handed it out: what that asks of it is its own affair.
    """
    for place, word, raises in HANDED_OUT:
        cls: Any = type(answer)
        if isinstance(answer, _load(place)) and not hasattr(cls, _MARK):
            with suppress(TypeError):  # its layout is not that of a Python class
                cls = _guarded_class(cls, place, f"{word} of {of}", giver, tuple(raises.items()))
                object.__setattr__(answer, "__class__", cls)
    return answer


@cache
def _load(place: str) -> type[Any]:
    module, _, name = place.partition(":")
    found: type[Any] = getattr(import_module(module), name)
    return found


@cache
def _guarded_class(cls: type[Any], place: str, what: str, giver: type[Any], raises: tuple[Any, ...]) -> type[Any]:
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__slots__": (), _MARK: True}
    guarded = types.new_class(cls.__name__, (cls,), exec_body=lambda body: body.update(names))
    guard_methods(guarded, _load(place), what, dict(raises), giver=giver)
    return guarded
