"""The boundary: every call from core into a plugin's class passes here, and what goes wrong is told as the plugin's.

A class is registered as a subclass of itself whose methods of the contract are guarded: what they raise that is none
of our errors, and what they return that is not what the contract says, becomes a `PluginError` of one line with kind,
name, distribution and method. Nobody who calls a plugin needs to think of it, and no door can be forgotten. A call
that a plugin makes to itself is not guarded: it may raise and catch there what it likes.
"""

from __future__ import annotations

import inspect
import logging
import threading
import traceback
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from sebsx.errors import PluginError, SebsxError
from sebsx.plugins.expecting import check_of, described, wrong_field

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from sebsx.contracts.kinds import PluginKind
    from sebsx.plugins.expecting import Check

logger = logging.getLogger(__name__)

_SPECIAL = ("__init__", "__enter__", "__exit__")
_LONG = 60
# Of what a plugin may return, what is nothing to be called: asking each time costs more than most of its answers.
_PLAIN = (type(None), int, float, str, bytes, tuple, list, dict)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who registered something: the entry point and its distribution."""

    plugin: str
    distribution: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


class _Inside(threading.local):
    """The guarded classes that this thread is in a call of, the innermost last."""

    def __init__(self) -> None:
        self.classes: list[object] = []


_inside = _Inside()


def told(what: str, exc: BaseException) -> PluginError:
    """Return what a plugin raised as one line that names it; the traceback is logged (`-vv`).

    Args:
        what: Who was called: `platform 'fly' of sebsx-fly 1.0: deploy()`.
        exc: What it raised.
    """
    logger.debug("%s failed", what, exc_info=exc)
    return PluginError(f"{what} failed: {in_one_line(exc)}")


def in_one_line(exc: BaseException, *, place: bool = True) -> str:
    """Return an exception in one line, with the place where it was raised."""
    text = " ".join(f"{type(exc).__name__}: {_words_of(exc) or ''}".split()).removesuffix(":")
    frames = traceback.extract_tb(exc.__traceback__)
    if not place or len(frames) < 2:  # where it was caught, and where it was raised
        return text
    return f"{text} ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})"


def _words_of(exc: BaseException) -> str | None:
    """Return what an exception says; None where it fails to say it."""
    try:
        return str(exc)
    except Exception:  # noqa: BLE001  # a plugin's exception may fail as well
        return None


def _is_sound(exc: BaseException) -> bool:
    """Tell whether an error can be told as one of ours: it has words, and the exit code of its branch of our tree."""
    if not isinstance(exc, SebsxError):
        return True
    branch: Any = next(cls for cls in type(exc).__mro__ if cls.__module__ == SebsxError.__module__)
    return exc.exit_code == branch.exit_code and _words_of(exc) is not None


def _doubt(answer: Any, wanted: Any) -> str:
    """Return what a method returned and what its contract wants, of a dataclass of ours the field that is wrong."""
    if wrong := wrong_field(answer):
        where, value, annotation = wrong
        return f"{where} = {shown(value)}, not {described(annotation)}"
    return f"{shown(answer)}, not {described(wanted)}"


@cache
def guard(cls: type[Any], kind: PluginKind, owner: Owner) -> type[Any]:
    """Return a subclass of a plugin's class whose methods of the contract are guarded.

    It is the same for the same class and owner. What it guards is looked up when it is called.
    """
    base = kind.load_base()
    what = f"{kind.singular} {cls.name!r} of {owner}"
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    guarded = types.new_class(cls.__name__, (cls,), exec_body=lambda body: body.update(names))
    guard_methods(guarded, base, what, dict(kind.raises))
    return guarded


def guard_methods(
    guarded: type[Any],
    base: type[Any],
    what: str,
    raises: Mapping[str, tuple[type[Exception], ...]],
    *,
    giver: type[Any] | None = None,
) -> None:
    """Guard the methods of a contract in a subclass of a plugin's class.

    Args:
        guarded: The subclass.
        base: The contract.
        what: Who is called, for messages: `platform 'fly' of sebsx-fly 1.0`.
        raises: Exceptions of Python that belong to the contract of a method.
        giver: The guarded class whose calls are not guarded, since its object is its own.
    """
    (cls,) = guarded.__bases__
    for name in [name for name in methods_of(base) if _is_own(cls, base, name)]:
        setattr(guarded, name, _guarded(guarded, base, name, what, raises.get(name, ()), giver))


def methods_of(base: type[Any]) -> Mapping[str, Any]:
    """Return the methods and properties of a contract by name, as they stand in the class."""
    contract: Any = base  # a type, which mypy would not let be hashed
    found: Mapping[str, Any] = _methods_of(contract)
    return found


@cache
def _methods_of(base: Any) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    whose = {"sebsx", base.__module__.partition(".")[0]}  # a kind that a plugin added has its contract there
    for cls in reversed(base.__mro__):
        if cls.__module__.partition(".")[0] in whose:
            named = {name: member for name, member in vars(cls).items() if name in _SPECIAL or not name.startswith("_")}
            found |= {name: member for name, member in named.items() if function_of(member) is not None}
    return found


def function_of(member: Any) -> Any:
    """Return the function behind a method, property or class method; None for anything else."""
    if isinstance(member, property):
        return member.fget
    if isinstance(member, classmethod | staticmethod):
        return member.__func__
    return member if inspect.isfunction(member) else None


def _is_own(cls: type[Any], base: type[Any], name: str) -> bool:
    """Tell whether a class has a method of its own in place of the contract's."""
    return inspect.getattr_static(cls, name, None) is not inspect.getattr_static(base, name, None)


def _guarded(
    guarded: type[Any],
    base: type[Any],
    name: str,
    what: str,
    allowed: tuple[type[Exception], ...],
    giver: type[Any] | None,
) -> Any:
    from sebsx.plugins.handing import handed  # a cycle otherwise

    member = methods_of(base)[name]
    function = function_of(member)
    is_property = isinstance(member, property)
    called = f"{what}: {name}" + ("" if is_property else "()")
    wanted = function.__annotations__.get("return", "Any")
    if name in _SPECIAL or wanted in (None, "None"):  # an answer nobody asked for harms nobody
        wanted = "Any"
    passing: tuple[type[BaseException], ...] = (SebsxError, KeyboardInterrupt, *allowed)
    check: Check | None = None  # compiled when it is first needed: registering costs nothing
    goes_on = "Iterator" in str(wanted)

    @wraps(function)
    def call(self: Any, /, *arguments: Any, **named: Any) -> Any:
        nonlocal check
        classes = _inside.classes
        own = getattr(super(guarded, self), name) if not is_property else None
        if guarded in classes or (classes and classes[-1] is giver):  # the plugin calls itself
            return getattr(super(guarded, self), name) if own is None else own(*arguments, **named)
        classes.append(guarded)
        try:
            answer = getattr(super(guarded, self), name) if own is None else own(*arguments, **named)
        except BaseException as exc:  # a plugin may fail in any way; it is told as its own
            if isinstance(exc, passing) and _is_sound(exc):
                raise
            raise told(called, exc) from exc
        finally:
            classes.pop()
        if check is None:
            check = check_of(wanted, function.__module__)
        if not check(answer):
            raise PluginError(f"{called} returned {_doubt(answer, wanted)}")
        if goes_on and isinstance(answer, Iterator):
            return _iterating(called, answer)
        return answer if isinstance(answer, _PLAIN) else handed(answer, what, guarded)

    if is_property:
        return property(call)
    return classmethod(call) if isinstance(member, classmethod) else call


def _iterating(called: str, answer: Iterator[Any]) -> Generator[Any]:
    """Yield what a plugin's iterator yields; that it raises is told as the plugin's."""
    while True:
        try:
            item = next(answer)
        except StopIteration:
            return
        except BaseException as exc:  # as above
            if isinstance(exc, SebsxError | KeyboardInterrupt) and _is_sound(exc):
                raise
            raise told(called, exc) from exc
        yield item


def shown(value: Any) -> str:
    """Return a value for a message: a class by name, a plain value as written, anything else by its type."""
    if isinstance(value, type):
        return f"class {value.__name__}"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    text = repr(value) if isinstance(value, str) else ""
    return text if 0 < len(text) < _LONG else f"a {type(value).__name__}"
