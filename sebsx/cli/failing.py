"""Why invocations failed, as it is printed: the error, the traceback of the function, and what it had printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.cli.app import App
    from sebsx.contracts.runs import RunView
    from sebsx.reading.failures import Failure


def failure_text(failure: Failure) -> str:
    """Return an error with its traceback, what was printed before it, and where it came."""
    from sebsx.reading.units import many  # heavy

    heading = f"{failure.status.value}, {many(failure.count, 'invocation')} ({'; '.join(failure.where)})"
    printed = f"it had printed last:\n{failure.output.rstrip()}" if failure.output.strip() else ""
    return "\n".join(filter(None, (heading, failure.detail.rstrip() or failure.error, printed)))


def show_failures(app: App, views: Sequence[RunView]) -> None:
    """Print of the most frequent error of some runs that function code explains why it came; nothing without one."""
    from sebsx.reading.failures import failures  # heavy
    from sebsx.reading.units import many

    if app.console.json:
        return
    found = [(view, failure) for view in views for failure in failures(view) if failure.detail or failure.output]
    if not found:
        return
    view, failure = max(found, key=lambda each: each[1].count)
    more = f"\n({many(len(found) - 1, 'more error')}: sebsx show {view.run.id} --failures)" if len(found) > 1 else ""
    app.console.result(None, verbatim=f"\nwhy: {failure_text(failure)}{more}")
