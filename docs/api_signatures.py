"""How a public name is written on the page of public names: what it takes and gives, with types."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import enum
import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_PLAIN = (bool, int, float, str, type(None))
_EMPTY = inspect.Parameter.empty
_UNSET = object()
_LONGEST_DEFAULT = 40


def signature(name: str, value: Any) -> str:
    """Return how a name is used: a call with its types, or the type of a constant."""
    if inspect.isclass(value):
        return _construction(name, value)
    if inspect.isfunction(value):
        return _call(name, value)
    return f"{name}: {_type_of(value)}"


def members(cls: type, listed: Collection[type]) -> Iterator[str]:
    """Yield the public members of a class with their types, those of bases that have no entry of their own too.

    Tests of the kit are left out: a plugin author runs them, and calls none.
    """
    seen = set()
    fields = {field.name for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    for base in cls.__mro__:
        if base is not cls and (base in listed or not base.__module__.startswith("sebsx")):
            continue
        for name in dict.fromkeys((*vars(base), *inspect.get_annotations(base))):
            if name.startswith(("_", "test_")) or name in fields or name in seen:
                continue
            if said := _member(base, name, enumerated=issubclass(cls, enum.Enum)):
                seen.add(name)
                yield said


def _member(cls: type, name: str, *, enumerated: bool) -> str:
    value = vars(cls).get(name, _UNSET)
    if isinstance(value, property | cached_property):
        getter = value.fget if isinstance(value, property) else value.func
        return f"{name}: {_annotation(inspect.signature(getter).return_annotation) or 'Any'}"  # type: ignore[arg-type]  # has a getter
    if isinstance(value, staticmethod | classmethod):
        return _call(f"{cls.__name__}.{name}", value.__func__, bound=isinstance(value, classmethod))
    if inspect.isfunction(value):
        return _call(name, value, bound=True)
    if inspect.isclass(value):
        return signature(name, value) if value.__name__ == name else f"{name}: type = {value.__name__}"
    if enumerated:
        return f"{name} = {value.value!r}" if isinstance(value, enum.Enum) else ""
    annotation = inspect.get_annotations(cls).get(name)
    if annotation is not None:
        return f"{name}: {_annotation(annotation)}" + (f" = {_literal(value)}" if _is_plain(value) else "")
    return f"{name}: fixture" if type(value).__name__ == "FixtureFunctionDefinition" else ""


def _construction(name: str, cls: type) -> str:
    if issubclass(cls, enum.Enum) or not _has_constructor(cls):
        return name
    if dataclasses.is_dataclass(cls):
        fields = [field for field in dataclasses.fields(cls) if field.init]
        by_position = [_field(field) for field in fields if not field.kw_only]
        by_keyword = [_field(field) for field in fields if field.kw_only]
        return f"{name}({', '.join([*by_position, *(['*'] if by_keyword else []), *by_keyword])})"
    return _call(name, cls.__init__, bound=True).removesuffix(" -> None")


def _has_constructor(cls: type) -> bool:
    """Whether somebody of this project wrote one, and it is not that of a protocol."""
    owner = next((base for base in cls.__mro__ if "__init__" in vars(base)), object)
    return owner.__module__.startswith("sebsx") and not getattr(cls, "_is_protocol", False)


def _field(field: dataclasses.Field[Any]) -> str:
    said = f"{field.name}: {_annotation(field.type)}"
    if field.default is not dataclasses.MISSING:
        return f"{said} = {_literal(field.default)}"
    if field.default_factory is not dataclasses.MISSING:
        return f"{said} = {_literal(field.default_factory)}"
    return said


def _call(name: str, function: Any, *, bound: bool = False) -> str:
    said = inspect.signature(function)
    parameters = list(said.parameters.values())[bound:]
    parts: list[str] = []
    for number, parameter in enumerate(parameters):
        before = parameters[number - 1].kind if number else None
        if parameter.kind is parameter.KEYWORD_ONLY and before not in (
            parameter.KEYWORD_ONLY,
            parameter.VAR_POSITIONAL,
        ):
            parts.append("*")
        elif before is parameter.POSITIONAL_ONLY and parameter.kind is not parameter.POSITIONAL_ONLY:
            parts.append("/")
        parts.append(_parameter(parameter))
    back = _annotation(said.return_annotation)
    if _is_context(function):
        back = f"AbstractContextManager[{back.partition('[')[2]}"
    return f"{name}({', '.join(parts)})" + (f" -> {back}" if back else "")


def _is_context(function: Any) -> bool:
    return hasattr(function, "__wrapped__") and function.__code__.co_filename == contextlib.__file__


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    annotation = _annotation(parameter.annotation)
    said = f"{stars}{parameter.name}" + (f": {annotation}" if annotation else "")
    return said if parameter.default is _EMPTY else f"{said} = {_literal(parameter.default)}"


def _annotation(annotation: Any) -> str:
    if annotation is _EMPTY:
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return ast.unparse(ast.parse(text, mode="eval"))  # on one line, with one kind of quotes


def _type_of(value: Any) -> str:
    """Return the type of a constant; of a name for types, what it stands for."""
    module = type(value).__module__
    if module in ("types", "typing") or type(value).__name__ == "UnionType":
        return str(value)
    return type(value).__name__


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(map(_is_plain, value)))


def _literal(value: Any) -> str:
    """Return a default as it is written; three dots for what only the code can say."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if value in (dict, list, tuple, frozenset, set):
        return f"{value.__name__}()"
    if inspect.isclass(value):
        return value.__name__
    return repr(value) if _is_plain(value) and len(repr(value)) <= _LONGEST_DEFAULT else "..."
