"""What a provider's exceptions mean, in one table: refusals by their codes, all else by the class that is raised.

Classes are named, so that a table can be read and an exception be understood without the SDK at hand.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sebsx.clouds.images import one_line
from sebsx.clouds.refusals import Refusal, explain
from sebsx.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_NOTHING = re.compile(r"(?!)")


def _nothing(_exc: Any) -> str:
    return ""


def _never(_exc: Any) -> bool:
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderFailure:
    """What exceptions of a class mean where a provider refused nothing: nobody answered, or nobody may ask.

    Args:
        text: What is told: `{what}` is what was being done, `{said}` the words, `{kind}` the name of the class.
        error: What is raised.
        when: Whether it is meant by one of that class; None for all. Others are what a class above says.
    """

    text: str
    error: type[PlatformError] = PlatformError
    when: Callable[[Any], bool] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderErrors:
    """The errors of one provider; all that is left out is nothing.

    Args:
        code_of: Returns the provider's name of an error; empty for what is none of the provider's.
        words_of: Returns its words, as they came.
        refused: Full names of the classes of exceptions that refusals come as.
        refusals: What those mean; the first that covers one counts.
        failures: What exceptions of other classes mean, by the full name of the class. The class nearest to an
            exception counts, among these and those of refusals; what is named nowhere is left as it is.
        gone: Whether an exception says that there is no such thing, or no longer.
        busy: Whether one says that something is still being made or changed.
        secret: What must not be shown: numbers of accounts, keys, signatures.
    """

    code_of: Callable[[Any], str] = _nothing
    words_of: Callable[[Any], str] = str
    refused: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    failures: Mapping[str, ProviderFailure] = field(default_factory=dict)
    gone: Callable[[Any], bool] = _never
    busy: Callable[[Any], bool] = _never
    secret: re.Pattern[str] = _NOTHING

    def explained(self, what: str) -> AbstractContextManager[None]:
        """Return a context that turns what an SDK raises in it into an error of ours that says what to do.

        Args:
            what: What is being done, for the message: `create of function 'f'`.
        """
        return _Explained(self, what)

    def meaning(self, what: str, exc: BaseException) -> PlatformError | None:
        """Return the error of ours for an exception; None where the table does not name it."""
        for cls in type(exc).__mro__:
            name = f"{cls.__module__}.{cls.__qualname__}"
            if name in self.refused:
                return self.answered(what, self.code_of(exc), self.words_of(exc))
            failure = self.failures.get(name)
            if failure and (failure.when is None or failure.when(exc)):
                said = self.clean(self.words_of(exc))
                return failure.error(failure.text.format(what=what, said=said, kind=type(exc).__name__))
        return None

    def answered(self, what: str, code: str, words: str) -> PlatformError:
        """Return what a refusal means, by its code and words.

        Args:
            what: What was being done.
            code: The provider's name of the error, or the HTTP status.
            words: What it said.
        """
        return explain(what, code, self.clean(words) or "no reason was given", self.refusals)

    def is_gone(self, exc: BaseException) -> bool:
        """Tell whether an exception, or what ours came from, says that there is no such thing, or no longer."""
        return any(map(self.gone, _with_cause(exc)))

    def is_busy(self, exc: BaseException) -> bool:
        """Tell whether an exception, or what ours came from, says that something is still being made or changed."""
        return any(map(self.busy, _with_cause(exc)))

    def clean(self, text: str) -> str:
        """Return words of the provider in one line, fit to be shown."""
        return self.secret.sub("***", one_line(text))


def _with_cause(exc: BaseException) -> list[BaseException]:
    """Return an exception, and the provider's that it was made of if it is one of ours."""
    return [exc, exc.__cause__] if isinstance(exc, PlatformError) and exc.__cause__ else [exc]


EXPLAINED = ProviderErrors()
"""Of an API that raises errors of ours by itself."""


class _Explained(AbstractContextManager[None]):
    def __init__(self, errors: ProviderErrors, what: str) -> None:
        self._errors = errors
        self._what = what

    def __exit__(self, _type: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None) -> None:
        if exc is not None and (error := self._errors.meaning(self._what, exc)) is not None:
            raise error from exc
