"""`sebsx records`: what a provider recorded of a run, after the run."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import click

from sebsx.cli.app import App, command
from sebsx.cli.options import names_runs
from sebsx.cli.values import Read, duration


@command("records")
@names_runs(many=False, metavar="[RUN]")
@click.option(
    "--wait", "wait_s", type=Read(duration, "time"), default="0s", help="How long to wait for what is missing."
)
def records_command(app: App, run: str | None, campaign: str | None, wait_s: float) -> None:
    """Fetch what a provider recorded too late for the run.

    That is billed time, memory and cost.

    \b
      sebsx records last             ask once
      sebsx records ID --wait 10m    ask until all are there

    Providers write their records minutes later and keep them for a while. What is missing is counted. Latencies
    need no records, nor do start types that functions proved themselves.
    """  # noqa: D301  # \\b keeps click from folding the lines
    from sebsx.cli.console import rows_table  # heavy
    from sebsx.reading.listing import chosen
    from sebsx.reading.units import many
    from sebsx.running.fetching import fetch

    with app.open_store() as store, app.console.progress() as observer:
        names = [run] if run else [] if campaign else ["last"]
        run_id = store.view(chosen(store, names, campaign)[-1]).run.id
        fetched = fetch(store, app.registry, app.reader(), run_id, wait_s, observer.step)
    rows = [asdict(item) for item in fetched]
    shown = [
        {"platform": item.platform, "function": item.function, "outcome": item.reason or f"{item.missing} missing"}
        for item in fetched
    ]
    outcomes = Counter((item["platform"], item["outcome"]) for item in shown)
    if len(outcomes) < 2:  # a table would repeat one sentence beside each name
        (((platform, outcome), n),) = outcomes.items() or ((("", ""), 0),)
        text = f"{platform}: {outcome} ({many(n, 'function')})" if n else "the run deployed nothing"
        app.console.result(rows, text=text)
        return
    columns = {key: key for key in ("platform", "function", "outcome")}
    app.console.result(rows, rows_table("", columns, shown, essential=("outcome",)))


COMMANDS = (records_command,)
