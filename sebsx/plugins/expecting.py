"""Compiles what an annotation of a contract promises into a check of a value at run time.

The contracts say with types what plugins return and say of themselves; mypy holds those who use it to that, and this
everybody else. A check looks as deep as it is cheap: the items of sequences, sets and mappings and the fields of our
dataclasses, not what iterators will give.
"""

from __future__ import annotations

import ast
import builtins
import collections.abc
import dataclasses
import enum
import inspect
import types
import typing
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[Any], bool]

_MOST_ITEMS = 1000  # of a collection that are looked at
_OURS = ("sebsx.model.", "sebsx.contracts.")


@cache
def _imported_for_types(module: str) -> dict[str, str]:
    """Return what a module of ours imports for the type checker alone: name -> module."""
    tree = ast.parse(inspect.getsource(import_module(module)))
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.asname or alias.name: str(node.module) for node in imports for alias in node.names}


class _Names(dict[str, Any]):
    """The names an annotation may use, imported when they are needed; one that is nowhere stands for anything."""

    def __init__(self, module: str) -> None:
        super().__init__()
        self._module = module
        self.missing: list[str] = []

    def __missing__(self, name: str) -> Any:
        found = getattr(import_module(self._module), name, getattr(builtins, name, None))
        if found is None and (place := _imported_for_types(self._module).get(name)):
            found = getattr(import_module(place), name, None)
        if found is None:
            self.missing.append(name)
            return Any
        return found


def resolve(annotation: Any, module: str) -> tuple[Any, list[str]]:
    """Return the type that an annotation in a module stands for, and the names in it that were not found."""
    if not isinstance(annotation, str):
        return annotation, []
    names = _Names(module)
    # Our own source, from a contract; eval is what typing.get_type_hints does, which knows no lazy names.
    found = eval(annotation, {"__builtins__": {}}, names)  # noqa: S307
    return found, names.missing


@cache
def check_of(annotation: Any, module: str) -> Check:
    """Return what tells whether a value is as an annotation in a module says."""
    return _compile(resolve(annotation, module)[0])


def wrong_field(value: Any) -> tuple[str, Any, Any] | None:
    """Return the first field of one of our dataclasses that is not as annotated: where, its value, its annotation."""
    if not _is_ours(type(value)):
        return None
    of: Any = type(value)
    for name, annotation, module in _fields(of):
        part = getattr(value, name)
        if check_of(annotation, module)(part):
            continue
        where = f"{type(value).__name__}.{name}"
        for item in part if isinstance(part, list | tuple) else (part,):
            if deeper := wrong_field(item):
                return f"{where}: {deeper[0]}", *deeper[1:]
        return where, part, annotation
    return None


def described(annotation: Any) -> str:
    """Return what an annotation wants, in words for a message: without quotes and module names."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return text.removeprefix("ClassVar[").removesuffix("]") if text.startswith("ClassVar[") else text


def _compile(hint: Any) -> Check:  # one branch per form of a type is plainer than a table
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda _value: True
    if hint is None or hint is type(None):
        return lambda value: value is None
    if origin is typing.ClassVar:
        return _compile(arguments[0])
    if origin in (types.UnionType, typing.Union):
        checks = [_compile(argument) for argument in arguments]
        return lambda value: any(check(value) for check in checks)
    if origin is type:
        return lambda value: isinstance(value, type)
    if origin is tuple and arguments and arguments[-1] is not ...:
        parts = [_compile(argument) for argument in arguments]
        return lambda value: (
            isinstance(value, tuple)
            and len(value) == len(parts)
            and all(check(item) for check, item in zip(parts, value, strict=True))
        )
    if origin is not None and _is_class(origin):
        return _of_collection(origin, arguments)
    if hint in (float, int):
        wanted = (int, float) if hint is float else (int,)
        return lambda value: isinstance(value, wanted) and not isinstance(value, bool)
    if _is_class(hint):
        return _of_class(hint)
    return lambda _value: True  # Any, Self, a type variable: what nobody can look at


def _of_collection(origin: type[Any], arguments: tuple[Any, ...]) -> Check:
    """Return the check of a generic class; of a sequence of words a word alone is not one."""
    if issubclass(origin, collections.abc.Mapping) and len(arguments) == 2:  # key and value
        key, item = map(_compile, arguments)
        return lambda value: (
            isinstance(value, origin)
            and (len(value) > _MOST_ITEMS or all(key(name) and item(part) for name, part in value.items()))
        )
    if issubclass(origin, collections.abc.Collection) and arguments:
        one = _compile(arguments[0])
        return lambda value: (
            isinstance(value, origin)
            and not isinstance(value, str | bytes)
            and (len(value) > _MOST_ITEMS or all(map(one, value)))
        )
    return lambda value: isinstance(value, origin)


def _of_class(hint: type[Any]) -> Check:
    if _is_ours(hint):
        return lambda value: isinstance(value, hint) and wrong_field(value) is None
    return lambda value: isinstance(value, hint)


def _is_ours(cls: Any) -> bool:
    """Tell whether it is a dataclass of the model or of a contract, whose fields say what they are."""
    return dataclasses.is_dataclass(cls) and cls.__module__.startswith(_OURS)


@cache
def _fields(cls: Any) -> tuple[tuple[str, Any, str], ...]:
    """Return the fields of a dataclass, with their annotations and the modules these stand in."""
    places = {name: each.__module__ for each in reversed(cls.__mro__) for name in vars(each).get("__annotations__", {})}
    return tuple((item.name, item.type, places[item.name]) for item in dataclasses.fields(cls))


def _is_class(hint: Any) -> bool:
    """Tell whether `isinstance` can ask for it: a class, but no protocol that is not for run time."""
    if not isinstance(hint, type) or isinstance(hint, TypeVar) or issubclass(hint, enum.EnumType):
        return False
    return not getattr(hint, "_is_protocol", False) or getattr(hint, "_is_runtime_protocol", False)
