"""What a provider's refusals mean to a person: which error it is, and what to do."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sebsx.errors import DeployError, PlatformError, SebsxError
from sebsx.model import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """One sort of refusal, known by the provider's code for it or by words in its message.

    Args:
        error: What is raised for it: `CredentialsError`, `QuotaError`, `UnsupportedError`, ...
        advice: What to do, lower case, no full stop.
        codes: The provider's names of it.
        words: Parts of its messages, where the code is one for many things.
    """

    error: type[PlatformError]
    advice: str
    codes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def covers(self, code: str, message: str) -> bool:
        """Tell whether a refusal is of this sort."""
        return code in self.codes or any(word in message for word in self.words)


def explain(what: str, code: str, message: str, known: Iterable[Refusal]) -> PlatformError:
    """Return the error for a refusal, with what to do if it is of a known sort; the first that covers it counts.

    Args:
        what: What was being done: `create of function 'f'`.
        code: The provider's name of the error; empty where it has none.
        message: Its words, fit to be shown.
        known: The sorts.
    """
    said = f"{what}: {message} ({code})" if code else f"{what}: {message}"
    for refusal in known:
        if refusal.covers(code, message):
            return refusal.error(f"{said}; {refusal.advice}")
    return DeployError(said)


class passing_over(AbstractContextManager[None]):  # noqa: N801  # read as a verb, like `contextlib.suppress`
    """A context that ends quietly where what is raised in it is of a sort: that something is gone, say.

    Args:
        is_harmless: Whether an exception is of that sort.
    """

    def __init__(self, is_harmless: Callable[[BaseException], bool]) -> None:
        self._is_harmless = is_harmless

    def __exit__(self, _type: type[BaseException] | None, exc: BaseException | None, _: TracebackType | None) -> bool:
        return exc is not None and self._is_harmless(exc)


def problems(look: Callable[[], object]) -> list[Problem]:
    """Return what stands in the way of a look at a provider, for `Platform.check`: the error and its advice."""
    try:
        look()
    except SebsxError as exc:
        message, _, advice = str(exc).partition("; ")
        return [Problem(message, advice=advice)]
    return []
