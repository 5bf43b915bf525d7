"""The exception tree of sebsx, and the exit code that each branch stands for.

    SebsxError                  anything sebsx raises on purpose
    ├── UserError               exit 2: wrong name, setting, option or file
    │   ├── UnknownNameError    a name nobody registered; carries the nearest ones
    │   └── PackagingError      function code or requirements cannot be packaged
    ├── PluginError             exit 3: a plugin is broken or missing
    │   └── MissingDependencyError   an optional package is not installed
    ├── PlatformError           exit 4: the platform failed
    │   ├── CredentialsError    no, wrong or expired credentials
    │   ├── DeployError         a deployment could not be made
    │   ├── QuotaError          a limit of the platform or the account is reached
    │   └── UnsupportedError    the platform cannot do what was asked; a result, where a design asks for it
    ├── StoreError              exit 5: results cannot be read or written
    ├── UnsuccessfulError       exit 6: the run was carried out, and nothing or almost nothing in it worked
    └── ThresholdError          exit 1: the run ended, but a threshold the user set was crossed
        └── LimitReachedError   a budget, or a limit of invocations or time, stopped it

Anything else is a fault of sebsx itself: a traceback, and exit 70.

A message says what failed, on what, and what to do: lower case, no full stop, values with `!r`.
A failed *invocation* is a result with a status, never one of these.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EXIT_OK = 0
EXIT_THRESHOLD = 1
EXIT_USAGE = 2
EXIT_PLUGIN = 3
EXIT_PLATFORM = 4
EXIT_STORE = 5
EXIT_UNSUCCESSFUL = 6
EXIT_INTERNAL = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130

_BEGINNING = 2  # letters of a name that are taken for its beginning
_NEAREST = 3
_CLOSE = 0.6  # likeness from which on a name may be meant
_CLOSE_FROM_ELSEWHERE = 0.7  # the same for a name that begins with another letter
_ALIKE = 0.05  # names so much less like than the best are told beside it
_BETWEEN = re.compile(r"[;,|\s]+")  # what people put between the words of a list
_FEW = 8  # names that are told whole


class SebsxError(Exception):
    """Anything sebsx raises on purpose; the CLI prints its message in one line."""

    exit_code = EXIT_USAGE


class UserError(SebsxError):
    """What the user gave cannot be used: a name, a setting, an option, a file."""


class UnknownNameError(UserError):
    """A name that nobody registered; the message suggests the nearest, or tells all where they are few.

    Args:
        kind: What it should name: `size`, `platform`.
        name: As it was given.
        known: The names there are.
        hint: Command or option that says more.
        of: Whose it would be: `benchmark 'sleep'`.
        meant: Names that are surely meant, such as `nodejs` by `javascript`; they stand for the nearest.
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], hint: str = "", *, of: str = "", meant: Iterable[str] = ()
    ) -> None:
        self.name = name
        known = list(known)
        found = list(meant) or list(filter(None, [with_commas(name, known)])) or nearest_names(name, known)
        self.nearest = found[0] if found else None
        place = f" of {of}" if of else ""
        advice = _advice(found, known)
        more = f" ({hint})" if hint and hint not in advice else ""
        super().__init__(f"{kind} {name!r}{place} is not known{advice}{more}")


class PackagingError(UserError):
    """Function code or its requirements cannot be made into a package."""


class PluginError(SebsxError):
    """A plugin is broken, missing or breaks its contract."""

    exit_code = EXIT_PLUGIN


class MissingDependencyError(PluginError):
    """An optional package is needed and not installed; the message names the extra."""


class PlatformError(SebsxError):
    """The platform failed in a way that ends the run."""

    exit_code = EXIT_PLATFORM


class CredentialsError(PlatformError):
    """Credentials are missing, wrong or expired."""


class DeployError(PlatformError):
    """A deployment could not be created or changed."""


class QuotaError(PlatformError):
    """A limit of the platform or of the account is reached."""


class UnsupportedError(PlatformError):
    """The platform cannot do what was asked."""


class StoreError(SebsxError):
    """Results cannot be read or written."""

    exit_code = EXIT_STORE


class UnsuccessfulError(SebsxError):
    """A run was carried out to its end, and nothing or almost nothing in it worked."""

    exit_code = EXIT_UNSUCCESSFUL


class ThresholdError(SebsxError):
    """The work was done, and a threshold that the user set was crossed."""

    exit_code = EXIT_THRESHOLD


class LimitReachedError(ThresholdError):
    """A run came to the limit of money, invocations or time that the user set; what it measured is kept."""


def with_commas(text: str, known: Iterable[str]) -> str | None:
    """Return a list of known names with commas between them, if it has something else there: `cold;warm`."""
    words, names = list(filter(None, _BETWEEN.split(text))), set(known)
    return ",".join(words) if len(words) > 1 and names.issuperset(words) else None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to `name`, or None if nothing is close."""
    return next(iter(nearest_names(name, known)), None)


def nearest_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that may be meant by `name`, the closest first: one, or up to three that are alike.

    Neither case nor the dashes of an option count, and a beginning stands for the names that begin so.
    """
    names = {word.lower().lstrip("-"): word for word in sorted(known, reverse=True)}
    typed = name.lower().lstrip("-")
    if not typed:
        return []
    if typed in names:
        return [names[typed]]
    if len(typed) >= _BEGINNING and (begun := [word for low, word in sorted(names.items()) if low.startswith(typed)]):
        return begun[:_NEAREST]
    close = difflib.get_close_matches(typed, names, n=_NEAREST, cutoff=_CLOSE)
    likeness = {word: difflib.SequenceMatcher(None, word, typed).ratio() for word in close}
    close = [word for word in close if word[0] == typed[0] or likeness[word] >= _CLOSE_FROM_ELSEWHERE]
    ordered = sorted(close, key=lambda word: (-likeness[word], word))
    return [names[word] for word in ordered if likeness[word] >= likeness[ordered[0]] - _ALIKE]


def _advice(found: Sequence[str], known: Sequence[str]) -> str:
    if found:
        words = [repr(word) for word in found]
        return f"; did you mean {' or '.join(filter(None, [', '.join(words[:-1]), words[-1]]))}?"
    return f"; there are {', '.join(map(str, known))}" if 1 < len(known) <= _FEW else ""
