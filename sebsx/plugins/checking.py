"""Checks what a plugin registers, when it registers it: what is wrong spoils that one thing and is told in one line.

Most of it is read off the contract: its class variables with their types, its methods with their arguments.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import re
import typing
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sebsx.errors import PluginError, nearest
from sebsx.plugins.expecting import check_of, described
from sebsx.plugins.guarding import function_of, methods_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from sebsx.contracts.kinds import PluginKind
    from sebsx.model import Capability
    from sebsx.model.metrics import Metric

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_METRIC = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_*]+)*")
_SUFFIX = re.compile(r"(\.[A-Za-z0-9]+)+")
_LONGEST_SUMMARY = 120
_ALMOST = 0.8  # from here on two names are taken for one misspelt
# Words after `sebsx run` that mean no experiment.
_RESERVED_SUBJECTS = frozenset({"experiment"})


@dataclass(slots=True)
class Register:
    """What has been registered so far, as far as checks of others ask for it.

    Args:
        capabilities: The words known; asked for only when something needs one.
        subjects: Word after `sebsx run` -> the experiment that has it.
        words: Words of the command line -> the command that has them.
    """

    capabilities: Callable[[], Collection[str]]
    subjects: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


def check_class(cls: Any, kind: PluginKind, register: Register) -> list[str]:
    """Return doubts about a class that a plugin registers.

    Raises:
        PluginError: If it is not what its contract says.
    """
    base: Any = kind.load_base()
    if not isinstance(base, type):
        raise PluginError(f"kind {kind.name!r} has base = {kind.base!r}, which is not a class")
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise PluginError(f"{shown(cls)} is not a subclass of {base.__name__}")
    shaped: Any = cls  # a type by now, which mypy would not let be hashed
    what, doubts = _check_shape(shaped, kind)
    _check_capabilities(cls, what, register)
    for check in _FURTHER.get(kind.name, ()):
        check(cls, what, register)
    return list(doubts)


@cache
def _check_shape(cls: Any, kind: PluginKind) -> tuple[str, tuple[str, ...]]:
    """Return how a class is called in messages, and doubts about it; what was in order once is not looked at again."""
    base: Any = kind.load_base()
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        raise PluginError(f"{base.__name__} {cls.__name__!r} lacks {missing}")
    what = f"{base.__name__} {cls.__name__!r}"
    _check_variables(cls, base, what)
    check_words(cls, what)
    if hasattr(base, "Settings") or kind.has_settings:
        check_settings(getattr(cls, "Settings", None), what)
    for name, member in methods_of(base).items():
        _check_arguments(cls, base, name, member, what)
    return what, tuple(_misspelt(cls, base, what))


def check_words(named: Any, what: str) -> None:
    """Check that something has a name in kebab-case and a summary of one line.

    Raises:
        PluginError: If it has not.
    """
    if not (isinstance(named.name, str) and _NAME.fullmatch(named.name)):
        raise PluginError(f"{what} has the name {named.name!r}; use kebab-case: lower case, digits, single hyphens")
    summary = named.summary
    if not (isinstance(summary, str) and summary.strip()) or "\n" in summary or len(summary) > _LONGEST_SUMMARY:
        raise PluginError(f"{what} needs a summary of one line of at most {_LONGEST_SUMMARY} characters")


def check_settings(settings: Any, what: str) -> None:
    """Check that settings are a frozen dataclass whose fields have types, defaults and help.

    Raises:
        PluginError: If they are not.
    """
    if not (isinstance(settings, type) and dataclasses.is_dataclass(settings)):
        raise PluginError(f"{what} has Settings that are not a dataclass: {shown(settings)}")
    if not settings.__dataclass_params__.frozen:  # type: ignore[attr-defined]  # set by dataclass
        raise PluginError(f"{what} has Settings that are not frozen; write @dataclass(frozen=True)")
    for item in dataclasses.fields(settings):
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise PluginError(f"{what}: setting {item.name!r} has no default")
        if not item.metadata.get("help"):
            raise PluginError(f"{what}: setting {item.name!r} has no help; use sebsx.settings.setting()")
    try:
        typing.get_type_hints(settings)
        settings()
    except Exception as exc:  # a plugin's code may fail in any way; it is told as its own
        raise PluginError(f"{what} has Settings that cannot be made: {type(exc).__name__}: {exc}") from exc


def check_metric(metric: Metric, owner: str, known: Mapping[str, Metric], owners: Mapping[str, str]) -> None:
    """Check a metric that somebody registers against those that are there.

    Raises:
        PluginError: If its name or unit is malformed, or it belongs to somebody else who means something else by it.
    """
    if not (isinstance(metric.name, str) and _METRIC.fullmatch(metric.name)):
        raise PluginError(f"metric {metric.name!r} is not named <who measured>.<what>_<unit>")
    if not (isinstance(metric.unit, str) and metric.unit):
        raise PluginError(f"metric {metric.name!r} has no unit; 1 is that of a share")
    older = known.get(metric.name)
    if older is not None and owners[metric.name] != owner and older != metric:
        how = f"in {older.unit!r}, not {metric.unit!r}" if older.unit != metric.unit else "with another meaning"
        raise PluginError(f"metric {metric.name!r} belongs to {owners[metric.name]!r} and is {how}")


def _check_variables(cls: Any, base: type[Any], what: str) -> None:
    """Check the class variables that a contract declares: that they are there, and of their types."""
    for name, annotation, module in _variables_of(base):
        if not hasattr(cls, name):
            raise PluginError(f"{what} lacks a {name}" if name == "name" else f"{what} lacks {name}")
        value = inspect.getattr_static(cls, name)
        if isinstance(value, property) or name == "Settings":
            continue
        if not check_of(annotation, module)(getattr(cls, name)):
            raise PluginError(f"{what} has {name} = {shown(getattr(cls, name))}, not {described(annotation)}")


def _variables_of(base: type[Any]) -> Iterator[tuple[str, Any, str]]:
    for cls in base.__mro__:
        for name, annotation in vars(cls).get("__annotations__", {}).items():
            if not name.startswith("_") and str(annotation).startswith("ClassVar"):
                yield name, annotation, cls.__module__


def _check_arguments(cls: Any, base: type[Any], name: str, member: Any, what: str) -> None:
    """Check that a method takes what core calls it with."""
    own = inspect.getattr_static(cls, name, None)
    if own is inspect.getattr_static(base, name, None):
        return
    if isinstance(member, property):
        return  # a plain class variable will do
    if (function := function_of(own)) is None or isinstance(own, property):
        raise PluginError(f"{what} has {name} = {shown(own)}, not a method")
    try:
        wanted, taken = _signature(function_of(member)), _signature(function)
        positional = [item for item in wanted.parameters.values() if item.kind in _BY_PLACE]
        named = {item.name: None for item in wanted.parameters.values() if item.kind is item.KEYWORD_ONLY}
        skipped = isinstance(own, staticmethod)
        taken.bind(*([None] * (len(positional) - skipped)), **named)
    except TypeError as exc:
        raise PluginError(f"{what}: {name}{taken} is called as {name}{wanted}: {exc}") from exc


_signature = cache(inspect.signature)  # 32 classes inherit the methods of a dozen
_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _misspelt(cls: type[Any], base: type[Any], what: str) -> Iterator[str]:
    """Yield a doubt for each method that nothing calls and whose name nearly is that of one it leaves out."""
    contract = methods_of(base)
    left_out = [
        name for name in contract if inspect.getattr_static(cls, name, None) is inspect.getattr_static(base, name, None)
    ]
    for owner in cls.__mro__:
        if owner in base.__mro__ or owner.__module__.partition(".")[0] == "sebsx":
            continue
        for name, member in vars(owner).items():
            if name.startswith("_") or name in contract or not inspect.isfunction(member):
                continue
            close = difflib.get_close_matches(name, left_out, n=1, cutoff=_ALMOST)
            if close:
                yield f"{what} has a method {name!r}, which nothing calls; is {close[0]!r} meant?"


def _check_capabilities(cls: Any, what: str, register: Register) -> None:
    for word in (*getattr(cls, "capabilities", ()), *getattr(cls, "needs", ())):
        if word not in (known := register.capabilities()):
            advice = f"; did you mean {close!r}?" if (close := nearest(word, known)) else ""
            raise PluginError(f"{what} names a capability {str(word)!r} that is not registered{advice}")


def check_kind(kind: PluginKind) -> None:
    """Check a kind that a plugin adds.

    Raises:
        PluginError: If it is malformed, or its contract cannot be imported.
    """
    if not (_NAME.fullmatch(kind.name) and kind.name.endswith("s") and kind.singular):
        raise PluginError(f"kind {kind.name!r} is not a plural in kebab-case, such as 'engines'")
    if not kind.title.strip() or "\n" in kind.title or len(kind.title) > _LONGEST_SUMMARY:
        raise PluginError(f"kind {kind.name!r} needs a title of one line of at most {_LONGEST_SUMMARY} characters")
    if kind.in_folders or kind.of_instances:
        raise PluginError(f"kind {kind.name!r}: what is registered must be subclasses of its base")
    if not re.fullmatch(r"[\w.]+:\w+", kind.base):
        raise PluginError(f"kind {kind.name!r} has base = {kind.base!r}; write 'package.module:Class'")


def check_capability(word: Capability) -> None:
    """Check a word that somebody registers.

    Raises:
        PluginError: If it is malformed or says nothing.
    """
    if not _NAME.fullmatch(word):
        raise PluginError(f"capability {str(word)!r} is not in kebab-case")
    if not isinstance(word.meaning, str) or not word.meaning.strip() or "\n" in word.meaning:
        raise PluginError(f"capability {str(word)!r} needs its meaning in one line")


def _check_subject(cls: Any, what: str, register: Register) -> None:
    if cls.subject is None:
        return
    if not _NAME.fullmatch(cls.subject) or cls.subject in _RESERVED_SUBJECTS:
        raise PluginError(f"{what} has the subject {cls.subject!r}; use another word in kebab-case")
    holder = register.subjects.setdefault(cls.subject, cls.name)
    if holder != cls.name:
        raise PluginError(f"{what} has the subject {cls.subject!r}, which belongs to experiment {holder!r}")


def _check_command(cls: Any, what: str, register: Register) -> None:
    words = cls.words or cls.name
    if not all(map(_NAME.fullmatch, words.split(" "))):
        raise PluginError(f"{what} has words = {words!r}; write words in kebab-case with single spaces")
    holder = register.words.setdefault(words, cls.name)
    if holder != cls.name:
        raise PluginError(f"{what} has words = {words!r}, which belong to command {holder!r}")


def _check_metrics(cls: Any, what: str, _register: Register) -> None:
    for metric in cls.metrics:
        if not metric.name.startswith(f"{cls.name}."):
            raise PluginError(
                f"{what} has a metric {metric.name!r}; those of a collector begin with {cls.name + '.'!r}"
            )


def _check_suffix(cls: Any, what: str, _register: Register, name: str = "suffix") -> None:
    if not _SUFFIX.fullmatch(getattr(cls, name)):
        raise PluginError(f"{what} has {name} = {getattr(cls, name)!r}; write a dot and letters: '.json'")


def _check_choices(cls: Any, what: str, _register: Register) -> None:
    if wrong := cls.chooses - {"metric", "statistic", "fail-if"}:
        raise PluginError(f"{what} has chooses = {sorted(wrong)}; there are 'metric', 'statistic' and 'fail-if'")


def _check_architectures(cls: Any, what: str, _register: Register) -> None:
    if not cls.architectures:
        raise PluginError(f"{what} has no architectures")


def _check_offers(cls: Any, what: str, _register: Register) -> None:
    from sebsx.model.options import RESERVED, WELL_KNOWN  # `sebsx --help` asks for no platform

    for option in cls.options:
        if option.name in RESERVED or option.name.endswith("_offered"):
            alike = next((f", such as {name!r}" for name in WELL_KNOWN if name.endswith(f"_{option.name}")), "")
            raise PluginError(
                f"{what} has an option {option.name!r}, the name of another factor of a run; choose another name{alike}"
            )
        known = WELL_KNOWN.get(option.name, option)
        if (option.kind, option.unit) != (known.kind, known.unit):
            kind, unit = known.kind.__name__, f" in {known.unit}" if known.unit else ""
            raise PluginError(f"{what} has an option {option.name!r} that means something else: it is {kind}{unit}")


_FURTHER: dict[str, tuple[Callable[[Any, str, Register], None], ...]] = {
    "platforms": (_check_architectures, _check_offers),
    "experiments": (_check_subject,),
    "commands": (_check_command,),
    "collectors": (_check_metrics,),
    "exporters": (_check_suffix, _check_choices),
    "languages": (partial(_check_suffix, name="wrapper_suffix"),),
}
