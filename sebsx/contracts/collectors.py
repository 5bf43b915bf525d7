"""The contract of a collector: what is measured inside the function, around each call of the handler.

A collector ships one file per language into the package as `sebsx_collectors/<name><suffix>`. In Python
the module imports the standard library and `sebsx_runtime` only, runs on 3.9, and defines

    def begin(call) -> object: ...               # just before the handler
    def end(state, call) -> dict[str, float]: ...   # just after it: metric -> value; absent is not zero
    def facts() -> dict[str, object]: ...        # once per sandbox: CPU model, kernel, ...  (optional)

`call` is the same object in both: `call.number` counts the calls of the sandbox from 1, and `call.concurrent` is the
most other calls that the process served at the same time, so far. A platform may run several calls in one process,
each in a thread of its own: state belongs in what `begin` returns, not in the module, and a figure of the whole
process is a call's own only where `call.concurrent` is 0 in `end`. Leave it out otherwise. A collector that sets
`call.marks` to a list in `begin` finds the phases of the call there (Python).

In Node.js it is a CommonJS module that exports functions of the same names. `<name>` is the collector's name with `-`
as `_`. A value of `end` may be a JSON object instead of a number: a series of the invocation, stored as text of a
`run_value` together with the invocation's `sequence`. Each collector says what it costs, as `<name>.overhead_s`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.model.metrics import Metric


class Collector(ABC):
    """Code measured around each call inside the function. Stateless; `__init__` takes nothing.

    Class attributes:
        name: What a user types after `--collect`.
        summary: One line, with its own overhead.
        default: Whether it is used when the user names none.
        metrics: What `end` returns; registered together with the collector.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    default: ClassVar[bool] = False
    metrics: ClassVar[Sequence[Metric]] = ()

    @abstractmethod
    def source(self, language: str) -> bytes | None:
        """Return the code to ship for a language, or None where there is none for it."""
