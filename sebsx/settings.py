"""Settings: one frozen dataclass per plugin, filled from defaults < sebsx.toml < environment < --set.

    @dataclass(frozen=True)
    class Settings:
        keep_alive_s: float = setting(600.0, help="how long an idle sandbox lives", minimum=0)

Every field has a type, a default and a help text; command line, TOML, environment and docs are derived
from them. A setting is addressed by section and field: `platform.local.keep_alive_s`, in TOML under
`[platform.local]`, in the environment as `SEBSX_PLATFORM__LOCAL__KEEP_ALIVE_S`. Help texts, and a `ValueError` of
`__post_init__`, name other fields in backquotes: whoever uses options is shown the options.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import typing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sebsx.errors import UnknownNameError, UserError, nearest, with_commas
from sebsx.texts import is_count, is_duration, parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

S = TypeVar("S")


@dataclass(frozen=True)
class NoSettings:
    """Settings of a plugin that has none."""


ENVIRONMENT_PREFIX = "SEBSX_"
FILE_NAME = "sebsx.toml"
_ALMOST = 0.87  # from here on two names of variables are taken for one misspelt
_OF_RUNS = frozenset({"max_time"})  # what `sebsx run` has an option for itself
_FEW = 8  # choices that are told whole
_MOST = 1_000_000  # of what is counted, where a setting says nothing else: what is far beyond is a slip
DEFAULT_SOURCE = "default"
COMMAND_LINE = "the command line"  # where what is said is an option, and no setting by its full name


def setting(
    default: Any,
    *,
    help: str,  # noqa: A002  # the word users know from every command line
    secret: bool = False,
    share: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    option: str | None = None,
    positional: str | None = None,
    metavar: str | None = None,
) -> Any:
    """Return a dataclass field that carries what command line and docs need.

    Args:
        default: A constant; never ask the machine or the network for one.
        help: One line, lower case, with the unit.
        secret: Never stored, never shown.
        share: Whether it is a part of something: `0.05` may then be written as `5%`.
        minimum: Smallest number allowed.
        maximum: Largest number allowed; a count has one anyway.
        choices: The words allowed, for a `str` or each item of a `tuple[str, ...]`.
        option: Name of the command-line option if it is not the field's (`--memory` for `memory_mib`).
        positional: What the argument is called where the experiment is a subject of `sebsx run` (`NAME|FOLDER`);
            the field is then an argument there, and an option everywhere else.
        metavar: How a text that has a form is shown in help texts (`TIME`, `SIZE`), rather than as `TEXT`.
    """
    metadata = {
        "help": help, "secret": secret, "share": share, "minimum": minimum, "maximum": maximum,
        "choices": tuple(choices), "option": option, "positional": positional, "metavar": metavar,
    }  # fmt: skip
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def option_name(field: dataclasses.Field[Any]) -> str:
    """Return the option of a setting: its own, or that of its field; a time has no unit there, for it takes any."""
    own = field.metadata.get("option")
    name = field.name.removesuffix("_s") if is_duration(field.name) else field.name
    return own or f"--{(name if name not in _OF_RUNS else field.name).replace('_', '-')}"


def with_options(text: str, fields: Mapping[str, dataclasses.Field[Any]]) -> str:
    """Return a text with options in place of the fields that it names in backquotes."""
    return re.sub(r"`([a-z_]+)`", lambda found: option_name(fields[found[1]]) if found[1] in fields else found[0], text)


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings: where it came from, and `section.field` -> value (text or TOML value)."""

    source: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved(Generic[S]):
    """A filled settings object and, for each field, where its value came from."""

    value: S
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Section:
    """A named settings class, e.g. `platform.local` and its dataclass."""

    name: str
    cls: type[Any]

    @property
    def fields(self) -> dict[str, dataclasses.Field[Any]]:
        """The fields by name, in order of definition."""
        return {field.name: field for field in dataclasses.fields(self.cls)}


class SettingsReader:
    """Fills settings classes from layers and says where each value came from.

    Args:
        layers: Weakest first; defaults are implied below them.
        sections: Every section known, for checking names.
    """

    def __init__(self, layers: Iterable[Layer], sections: Iterable[Section]) -> None:
        self._layers = tuple(layers)
        self._sections = {section.name: section for section in sections}

    def read(self, name: str) -> Resolved[Any]:
        """Return the settings of one section.

        Raises:
            UserError: If a value has the wrong type or is out of range; the message names key and source.
        """
        section = self._sections[name]
        hints = typing.get_type_hints(section.cls)
        values: dict[str, Any] = {}
        sources = dict.fromkeys(section.fields, DEFAULT_SOURCE)
        for layer in self._layers:
            for key, field in section.fields.items():
                full = f"{name}.{key}"
                if full in layer.values:
                    values[key] = _checked(layer.values[full], hints[key], field, full, layer.source)
                    sources[key] = layer.source
        return Resolved(value=_build(section, values, typed=COMMAND_LINE in sources.values()), sources=sources)

    def over(self, layer: Layer) -> SettingsReader:
        """Return a reader in which one more layer is the strongest."""
        return SettingsReader([*self._layers, layer], self._sections.values())

    def unknown(self) -> list[tuple[str, str, str]]:
        """Return (key, source, advice) of every value that no section takes."""
        found = []
        for layer in self._layers:
            for key in layer.values:
                section, _, field = key.rpartition(".")
                if section not in self._sections:
                    advice = self._nearest_section(section)
                elif field not in self._sections[section].fields:
                    advice = nearest(field, self._sections[section].fields)
                    advice = f"{section}.{advice}" if advice else None
                else:
                    continue
                found.append((key, layer.source, f"did you mean {advice!r}?" if advice else ""))
        return found

    def _nearest_section(self, name: str) -> str | None:
        """Return the section of the same kind whose own name is close, so that `platform.aws` is not `platform.gcp`."""
        kind, dot, own = name.partition(".")
        same = [section for section in self._sections if section.startswith(kind + dot)] if dot else []
        if not same:
            return nearest(name, self._sections)
        found = nearest(own, [section.removeprefix(kind + dot) for section in same])
        return kind + dot + found if found else None


def from_file(path: Path) -> Layer:
    """Read a TOML file: `[platform.local]` tables become `platform.local.<field>` keys.

    Raises:
        UserError: If it cannot be read, is not TOML, or has a value outside its tables, which is nobody's.
    """
    import tomllib  # not needed where there is no file

    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise UserError(f"settings file {str(path)!r} cannot be read: it is nested too deeply") from None
    except (OSError, ValueError) as exc:  # TOML's own error, and an integer of more digits than Python reads
        raise UserError(f"settings file {str(path)!r} cannot be read: {exc}") from exc
    for key, value in tables.items():
        if not isinstance(value, dict):
            raise UserError(f"settings file {str(path)!r}: {key!r} stands in no table; write it below [core]")
    return Layer(str(path), dict(_flatten(tables)))


def from_environment(environ: Mapping[str, str] | None = None) -> Layer:
    """Read `SEBSX_STORE` (core) and `SEBSX_<SECTION>__<NAME>__<FIELD>` variables.

    Hyphens in a name are underscores there; names are matched to sections by `SettingsReader` after
    `match_environment` has put the hyphens back.
    """
    environ = os.environ if environ is None else environ
    return Layer(
        "environment",
        {name: value for name, value in environ.items() if name.startswith(ENVIRONMENT_PREFIX)},
    )


def match_environment(layer: Layer, sections: Iterable[Section]) -> Layer:
    """Return the environment layer with variable names replaced by `section.field` keys.

    Only variables that name a known section and field are taken: `SEBSX_` is a prefix other programs
    may use too. Those of a known section with an unknown field are kept, so that the typo is told.
    """
    values: dict[str, Any] = {}
    for section in sections:
        prefix = environment_prefix(section.name)
        for name, value in layer.values.items():
            field = name.removeprefix(prefix).lower()
            if name.startswith(prefix) and (field in section.fields or section.name != "core"):
                values[f"{section.name}.{field}"] = value
    return Layer(layer.source, values)


def misspelt_variables(layer: Layer, sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Return the variables that name no setting and nearly one, each with the name that it nearly is.

    `SEBSX_` is a prefix other programs may use too: what is like nothing of ours is theirs.
    """
    known = [variable(section.name, field) for section in sections for field in section.fields]
    prefixes = tuple(environment_prefix(section.name) for section in sections if section.name != "core")
    # A wrong field of a known section is told as a setting that is not known.
    doubtful = [name for name in layer.values if name not in known and not name.startswith(prefixes)]
    found = [(name, difflib.get_close_matches(name, known, n=1, cutoff=_ALMOST)) for name in doubtful]
    return [(name, close[0]) for name, close in found if close]


def variable(section: str, field: str) -> str:
    """Return the environment variable of a setting: `SEBSX_PLATFORM__LOCAL__KEEP_ALIVE_S`."""
    return environment_prefix(section) + field.upper()


def environment_prefix(section: str) -> str:
    """Return the start of the variables of a section: `SEBSX_PLATFORM__LOCAL__`, `SEBSX_` for core."""
    if section == "core":
        return ENVIRONMENT_PREFIX
    return ENVIRONMENT_PREFIX + section.replace(".", "__").replace("-", "_").upper() + "__"


def from_assignments(
    assignments: Iterable[str], source: str, in_play: Sequence[Section], others: Sequence[Section] = ()
) -> Layer:
    """Read `key=value` words; a short key goes to the one section in play that has such a field, or to all platforms.

    Args:
        assignments: The words.
        source: What they are called in errors.
        in_play: Sections that a short key may belong to.
        others: Further ones, to say whose a key is that belongs to none of those.

    Raises:
        UserError: If a word has no `=`, or its key fits no section or several.
    """
    values: dict[str, Any] = {}
    for word in assignments:
        key, equals, value = word.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UserError(f"{source} {word!r}: write KEY=VALUE")
        values |= dict.fromkeys(_full_keys(key, source, in_play, others), value)
    return Layer(source, values)


def public(value: Any) -> dict[str, Any]:
    """Return a settings object as a JSON-able mapping without its secrets, to be stored with a run."""
    return {
        field.name: _plain(getattr(value, field.name))
        for field in dataclasses.fields(value)
        if not field.metadata.get("secret")
    }


def secrets(value: Any) -> list[str]:
    """Return the names of the secrets of a settings object that were set; their values are stored nowhere."""
    return [
        field.name
        for field in dataclasses.fields(value)
        if field.metadata.get("secret") and getattr(value, field.name) not in (None, "", (), {})
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _flatten(tables: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield `section.field` pairs; tables nest to two levels (`platform.local`, but `core`), deeper ones are values."""
    for key, value in tables.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and name.count(".") < (1 if name.startswith("core.") else 2):
            yield from _flatten(value, f"{name}.")
        else:
            yield name, value


def _checked(value: Any, hint: Any, field: dataclasses.Field[Any], full: str, source: str) -> Any:
    try:
        parsed = parse_quantity(value, hint, field.name, share=field.metadata.get("share", False))
        _check_range(parsed, hint, field)
    except (ValueError, TypeError) as exc:
        shown = "a secret" if field.metadata.get("secret") else repr(value)
        if source == COMMAND_LINE:
            raise UserError(f"{field.metadata.get('positional') or option_name(field)} {shown}: {exc}") from exc
        raise UserError(f"{full} from {source} is {shown}: {exc}") from exc
    return parsed


def _check_range(value: Any, hint: Any, field: dataclasses.Field[Any]) -> None:
    items = value if isinstance(value, tuple) else (value,)
    minimum, maximum, choices = (field.metadata.get(key) for key in ("minimum", "maximum", "choices"))
    if maximum is None and is_count(field.name, hint):
        maximum = _MOST
    for item in items:
        if minimum is not None and item is not None and item < minimum:
            raise ValueError(f"must be at least {minimum}")
        if maximum is not None and item is not None and item > maximum:
            raise ValueError(f"must be at most {maximum}")
        if choices and item not in choices:
            if isinstance(value, tuple) and (written := with_commas(str(item), choices)):
                raise ValueError(f"write {written}")
            raise ValueError(f"{f'{item!r} ' if len(items) > 1 else ''}{one_of(str(item), choices)}")


def one_of(word: str, choices: Sequence[str]) -> str:
    """Return that a word must be one of some, with the nearest of them."""
    advice = nearest(word, choices)
    if advice and len(choices) > _FEW:
        return f"did you mean {advice!r}?"
    return f"must be one of {', '.join(choices)}" + (f"; did you mean {advice!r}?" if advice else "")


def _build(section: Section, values: dict[str, Any], *, typed: bool) -> Any:
    try:
        return section.cls(**values)
    except ValueError as exc:  # several fields together, checked in __post_init__
        text = with_options(str(exc), section.fields)
        raise UserError(text if typed else f"settings of {section.name}: {str(exc).replace('`', '')}") from exc


def _full_keys(key: str, source: str, in_play: Sequence[Section], others: Sequence[Section]) -> list[str]:
    """Return the settings that a key means: one, or that of every platform which has it."""
    if "." in key:
        return [key]
    takers = [section.name for section in in_play if key in section.fields]
    if len(takers) == 1 or (takers and all(name.startswith("platform.") for name in takers)):
        return [f"{name}.{key}" for name in takers]
    if takers:
        raise UserError(f"{source} {key!r} fits several: write one of {', '.join(f'{name}.{key}' for name in takers)}")
    if owners := [section.name for section in others if key in section.fields]:
        raise UserError(f"{source} {key!r} is a setting of {', '.join(owners)}, and none of them is used here")
    raise UnknownNameError(
        "setting", key, [field for section in in_play for field in section.fields], "sebsx config show"
    )
