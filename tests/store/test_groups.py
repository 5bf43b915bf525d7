"""Groups of invocations, phases of load and the machines that send, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sebsx.errors import StoreError
from sebsx.model import CellStatus, Client, Execution, Kind, PhaseStatus, RunStatus, Status
from sebsx.store import current_owner
from tests.store.conftest import RUN, Begun, make_cell, make_invocation


def test_execution_reads_back_with_its_invocations(begun: Begun) -> None:
    groups = begun.store.groups
    begin = Execution(kind="workflow", begin_s=1000.0, round=3)
    row = groups.begin_execution(RUN, begin, deployment_id=begun.deployment, cell_id=begun.cell)
    begun.add(
        make_invocation(1, execution=row, state="split"),
        make_invocation(2, execution=row, state="map", parent=1),
    )
    groups.finish_execution(row, replace(begin, end_s=1002.5, figures={"process.cpu_s": 0.75}))
    view = begun.store.view(RUN)
    [stored] = view.executions()
    assert (stored.id, stored.sequence, stored.cell_id, stored.deployment_id) == (row, 1, begun.cell, begun.deployment)
    assert (stored.kind, stored.purpose, stored.status, stored.round) == ("workflow", Kind.MEASURED, Status.OK, 3)
    assert (stored.duration_s, stored.figures) == (2.5, {"process.cpu_s": 0.75})
    assert [(each.execution, each.parent, each.state) for each in view.invocations()] == [
        (row, None, "split"), (row, 1, "map"),
    ]  # fmt: skip
    [wide] = view.rows("executions")
    assert (wide["duration_s"], wide["invocations"], wide["start_wanted"]) == (2.5, 2, "cold")
    assert [each["execution_id"] for each in view.rows("invocations", ["execution_id"])] == [row, row]


def test_execution_that_never_ended_has_no_duration(begun: Begun) -> None:
    begun.store.groups.begin_execution(RUN, Execution(kind="message", begin_s=1.0, status=Status.TIMEOUT, error="lost"))
    [stored] = begun.store.view(RUN).executions()
    assert (stored.duration_s, stored.status, stored.error) == (None, Status.TIMEOUT, "lost")


def test_execution_that_was_cut_short_counts_nowhere_once_its_run_is_resumed(begun: Begun) -> None:
    groups = begun.store.groups
    begin = Execution(kind="workflow", begin_s=1000.0, status=Status.PLATFORM_ERROR, error="it did not end")
    whole, cut = (groups.begin_execution(RUN, begin, cell_id=begun.cell) for _ in range(2))
    closed = begun.store.design.add_cell(RUN, make_cell("warm"))
    groups.begin_execution(RUN, begin, cell_id=closed)
    begun.store.design.finish_cell(closed, CellStatus.FAILED, "too many failures")
    begun.add(
        make_invocation(1, execution=whole),
        make_invocation(2, execution=cut, kind=Kind.WARMUP),
        make_invocation(3, execution=cut),
        make_invocation(4),
    )
    groups.finish_execution(whole, replace(begin, end_s=1002.5, status=Status.OK, error=None))
    begun.store.finish_run(RUN, RunStatus.INTERRUPTED)
    begun.store.resume_run(RUN, current_owner())
    view = begun.store.view(RUN)
    assert [each.purpose for each in view.executions()] == [Kind.MEASURED, Kind.BROKEN_OFF, Kind.MEASURED]
    assert [each.kind for each in view.invocations()] == [
        Kind.MEASURED, Kind.WARMUP, Kind.BROKEN_OFF, Kind.MEASURED,
    ]  # fmt: skip
    assert list(view.execution_frame()["sequence"]) == [1, 3]


def test_executions_are_numbered_through_their_run(begun: Begun) -> None:
    other = Begun(begun.store, RUN[:-1] + "W")
    for run in (RUN, RUN, other.run_id):
        begun.store.groups.begin_execution(run, Execution(kind="message", begin_s=1.0))
    assert [each.sequence for each in begun.store.view(RUN).executions()] == [1, 2]
    assert [each.sequence for each in begun.store.view(other.run_id).executions()] == [1]


def test_figure_of_an_execution_must_be_registered(begun: Begun) -> None:
    with pytest.raises(StoreError, match=r"nobody\.registered_s"):
        begun.store.groups.begin_execution(
            RUN, Execution(kind="message", begin_s=1.0, figures={"nobody.registered_s": 1.0})
        )
    assert begun.store.view(RUN).executions() == []


def test_client_reads_back_with_its_clock(begun: Begun) -> None:
    row = begun.store.groups.add_client(
        RUN, Client(host="load-2", facts={"cpus": 4}, offset_s=-0.003, offset_error_s=0.001)
    )
    begun.add(make_invocation(1, client=row, attempts=2, accepted_s=1000.125, polls=3), make_invocation(2))
    view = begun.store.view(RUN)
    [client] = view.clients()
    assert (client.id, client.host, client.facts) == (row, "load-2", {"cpus": 4})
    assert (client.offset_s, client.offset_error_s) == (-0.003, 0.001)
    assert [(each.client, each.attempts, each.accepted_s, each.polls) for each in view.invocations()] == [
        (row, 2, 1000.125, 3), (None, 1, None, 0),
    ]  # fmt: skip


def test_broken_off_phase_is_kept_and_counts_nowhere(begun: Begun) -> None:
    groups = begun.store.groups
    groups.begin_phase(RUN, begun.cell, begun.deployment, 0, 990.0)
    begun.add(make_invocation(1, kind=Kind.WARMUP), *(make_invocation(number) for number in (2, 3)))
    second = groups.begin_phase(RUN, begun.cell, begun.deployment, 1, 2000.0)
    begun.add(*(make_invocation(number, batch=1) for number in (4, 5, 6)))
    groups.finish_phase(second, 2010.0)
    view = begun.store.view(RUN)
    assert [each.kind for each in view.invocations()] == [Kind.WARMUP, *[Kind.BROKEN_OFF] * 2, *[Kind.MEASURED] * 3]
    assert [row["sequence"] for row in view.rows("measured")] == [4, 5, 6]
    assert list(view.frame()["sequence"]) == [4, 5, 6]
    assert [(each.attempt, each.status, each.end_s) for each in view.phases()] == [
        (1, PhaseStatus.BROKEN_OFF, None), (2, PhaseStatus.FINISHED, 2010.0),
    ]  # fmt: skip


def test_finished_phase_stays_when_another_begins(begun: Begun) -> None:
    groups = begun.store.groups
    groups.finish_phase(groups.begin_phase(RUN, begun.cell, begun.deployment, 0, 990.0), 1000.0)
    begun.add(make_invocation(1))
    groups.begin_phase(RUN, begun.cell, begun.deployment, 1, 2000.0)
    assert [each.kind for each in begun.store.view(RUN).invocations()] == [Kind.MEASURED]
