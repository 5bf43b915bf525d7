from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from sebsx.errors import StoreError, UnknownNameError, UserError
from sebsx.model import (
    CellStatus,
    Kind,
    Package,
    ResourceState,
    RunStatus,
    StartType,
    Status,
    Target,
    content_hash,
)
from sebsx.model.metrics import Metric
from sebsx.store import Store, current_owner, open_store
from tests.store.conftest import METRICS, RUN, Begun, add_deployment, make_cell, make_invocation, make_run

OTHER = "01BX5ZZKBKACTAV9WEVGEMMVRZ"  # sorts after RUN


def test_a_run_reads_back_as_it_was_started(store: Store) -> None:
    run = make_run(campaign="night", environment=content_hash({"cpu_model": "EPYC"}))
    store.start_run(run, {"cpu_model": "EPYC"}, ())
    view = store.view(RUN)
    assert view.run == run
    assert view.environment == {"cpu_model": "EPYC"}


def test_runs_in_one_environment_share_its_row(store: Store) -> None:
    for run_id in (RUN, OTHER):
        store.start_run(make_run(run_id), {"cpu_model": "EPYC"}, ())
    assert len({run.environment for run in store.runs()}) == 1


def test_runs_are_listed_newest_first_and_limited(store: Store) -> None:
    for run_id in (OTHER, RUN):  # the clock was ahead when the first of them began
        store.start_run(make_run(run_id), {}, ())
    assert [run.id for run in store.runs()] == [RUN, OTHER]
    assert [run.id for run in store.runs(limit=1)] == [RUN]
    assert store.view("last").run.id == RUN


def test_run_is_found_by_unique_prefix_in_any_case(store: Store) -> None:
    for run_id in (RUN, OTHER):
        store.start_run(make_run(run_id), {}, ())
    assert store.view("01bx").run.id == OTHER


def test_ambiguous_prefix_names_the_candidates(store: Store) -> None:
    for run_id in (RUN, OTHER):
        store.start_run(make_run(run_id), {}, ())
    with pytest.raises(UserError, match=f"not unique.*{OTHER}, {RUN}"):
        store.view("01")


@pytest.mark.parametrize("name", ["02", "", "%", "_"])
def test_unknown_run_tells_where_to_look(begun: Begun, name: str) -> None:
    with pytest.raises(UserError, match="sebsx runs"):
        begun.store.view(name)


def test_last_of_an_empty_store_tells_how_to_begin(store: Store) -> None:
    with pytest.raises(UserError, match="sebsx run benchmark"):
        store.view("last")


def test_a_baseline_names_a_run_until_it_is_moved_or_removed(store: Store) -> None:
    for run_id in (RUN, OTHER):
        store.start_run(make_run(run_id), {}, ())
    assert store.set_baseline("main", RUN).run == RUN
    assert store.view("main").run.id == RUN
    assert store.set_baseline("main", "last").run == OTHER
    assert [(baseline.name, baseline.run) for baseline in store.baselines()] == [("main", OTHER)]
    assert store.view("main").run.id == OTHER
    assert store.remove_baseline("main").run == OTHER
    assert store.baselines() == []
    with pytest.raises(UserError, match="sebsx runs"):
        store.view("main")


@pytest.mark.parametrize("name", ["last", "01", "", "a b"])
def test_a_baseline_cannot_be_named_like_something_else(begun: Begun, name: str) -> None:
    with pytest.raises(UserError, match="invalid name"):
        begun.store.set_baseline(name, RUN)
    assert begun.store.baselines() == []


def test_finishing_a_run_returns_it_closed(begun: Begun) -> None:
    before = datetime.now(UTC)
    run = begun.store.finish_run(RUN, RunStatus.FAILED, "quota reached")
    assert (run.status, run.error) == (RunStatus.FAILED, "quota reached")
    assert run.finished_at is not None
    assert before <= run.finished_at <= datetime.now(UTC)
    assert begun.store.view(RUN).run == run


def test_a_cell_is_created_once_and_taken_up_again(begun: Begun) -> None:
    begun.store.design.finish_cell(begun.cell, CellStatus.FAILED, "too many failures", "boom")
    failed = begun.store.view(RUN).cells()[0]
    assert (failed.status, failed.stop_reason, failed.error) == (CellStatus.FAILED, "too many failures", "boom")
    assert begun.store.design.add_cell(RUN, make_cell("cold", invocations=20)) == begun.cell
    again = begun.store.view(RUN).cells()[0]
    assert (again.status, again.stop_reason, again.error, again.wanted) == (CellStatus.RUNNING, None, None, 20)


def test_cells_keep_the_order_of_the_design_and_of_their_factors(begun: Begun) -> None:
    for memory in (512, 256):
        begun.store.design.add_cell(RUN, make_cell("warm", memory_mib=memory))
    cells = begun.store.view(RUN).cells()
    assert [cell.position for cell in cells] == [0, 1, 2]
    assert [cell.factors.get("memory_mib") for cell in cells] == [None, 512, 256]
    assert list(cells[1].factors) == ["platform", "benchmark", "start", "parameters", "memory_mib"]
    assert cells[1].hash == make_cell("warm", memory_mib=512).hash


def test_deployment_stores_what_the_platform_reports_beside_what_was_asked(begun: Begun) -> None:
    stored = begun.store.view(RUN).deployments()[0]
    assert stored.memory_mib == 256
    assert stored.requested["memory_mib"] == 128
    assert stored.timeout_s == 10.0
    assert stored.effective == {"memory_mib": 256, "cgroup": "v2"}
    assert (stored.provider_id, stored.region, stored.deploy_s) == ("fn-1", "", 0.5)


def test_values_of_the_functions_environment_are_not_stored(begun: Begun, tmp_path: Path) -> None:
    assert begun.store.view(RUN).deployments()[0].requested["environment"] == ["API_TOKEN"]
    begun.store.snapshot(tmp_path / "copy.sqlite")
    assert b"do-not-store" not in (tmp_path / "copy.sqlite").read_bytes()


def test_package_figures_are_stored_with_the_deployment(begun: Begun) -> None:
    package = Package(
        path=Path("p.zip"), sha256="aa", bytes=10, unpacked_bytes=20, content_hash="bb",
        target=Target("python", "3.11", architecture="x86_64"),
        benchmark="sleep", benchmark_version="1", build_s=1.5, cached=False,
    )  # fmt: skip
    add_deployment(begun.store, RUN, package=package)
    stored = begun.store.view(RUN).deployments()[1]
    assert (stored.package_sha256, stored.package_bytes, stored.package_unpacked_bytes) == ("aa", 10, 20)
    assert (stored.package_content_hash, stored.package_cached, stored.build_s) == ("bb", False, 1.5)


def test_unsupported_deployment_is_a_result(begun: Begun) -> None:
    add_deployment(begun.store, RUN, deployment=None, status="unsupported", error="no arm64 here")
    stored = begun.store.view(RUN).deployments()[1]
    assert (stored.status, stored.error, stored.memory_mib) == ("unsupported", "no arm64 here", 128)


def test_updating_a_deployment_changes_only_what_is_given(begun: Begun) -> None:
    begun.store.design.update_deployment(begun.deployment, effective={"memory_mib": 512}, memory_mib=512)
    stored = begun.store.view(RUN).deployments()[0]
    assert (stored.memory_mib, stored.effective, stored.status) == (512, {"memory_mib": 512}, "ready")


def test_an_invocation_reads_back_with_every_figure_and_sample(begun: Begun) -> None:
    full = make_invocation(
        1, function_started_s=5.0, function_finished_s=5.5, function_duration_s=0.5, provider_duration_s=0.6,
        provider_init_s=0.1, provider_billed_s=0.7, provider_max_memory_bytes=3 * 2**30, bytes_in=2**33, bytes_out=7,
        cost_usd=2.1e-7, samples={"process.cpu_s": 0.25, "phase.compute_s": 0.125},
    )  # fmt: skip
    begun.add(full)
    (stored,) = begun.store.view(RUN).invocations()
    for name in full.__slots__:
        assert getattr(stored, name) == getattr(full, name), name
    assert (stored.deployment_id, stored.cell_id) == (begun.deployment, begun.cell)
    assert stored.latency_s == 0.25


@pytest.mark.slow
def test_invocations_stream_in_order_over_many_pages(begun: Begun) -> None:
    numbers = list(range(1, 2502))
    begun.add(*(make_invocation(number, samples={"process.cpu_s": float(number)}) for number in reversed(numbers)))
    found = list(begun.store.view(RUN).invocations())
    assert [item.sequence for item in found] == numbers
    assert all(item.samples == {"process.cpu_s": float(item.sequence)} for item in found)


def test_invocations_are_filtered_by_cell_kind_and_status(begun: Begun) -> None:
    begun.add(make_invocation(1), make_invocation(2, kind=Kind.WARMUP), make_invocation(3, status=Status.TIMEOUT))
    other = begun.store.design.add_cell(RUN, make_cell("warm"))
    begun.store.add_invocations(RUN, begun.deployment, other, [make_invocation(4)])
    view = begun.store.view(RUN)
    assert [item.sequence for item in view.invocations(cell_id=other)] == [4]
    assert [item.sequence for item in view.invocations(kind=Kind.WARMUP)] == [2]
    assert [item.sequence for item in view.invocations(status=Status.OK, kind=Kind.MEASURED)] == [1, 4]


def test_columns_give_derived_stored_and_sampled_values(begun: Begun) -> None:
    begun.add(
        make_invocation(1, bytes_out=100, samples={"process.cpu_s": 0.5}),
        make_invocation(2, start_type=StartType.WARM, client_connected_s=None),
    )
    view = begun.store.view(RUN)
    assert view.column("client.latency_s") == [0.25, 0.25]
    assert view.column("client.response_s") == [0.75, 0.75]
    assert view.column("client.connect_s") == [0.0625]
    assert view.column("client.first_byte_s", start_type=StartType.WARM) == [0.1875]
    assert view.column("process.cpu_s") == [0.5]
    assert view.column("bytes_out") == [100.0, 0.0]
    assert view.column("provider.init_s") == []


@pytest.mark.parametrize("name", ["process.cpu", "request_id", "cell_id"])
def test_unknown_column_is_refused(begun: Begun, name: str) -> None:
    with pytest.raises(UnknownNameError):
        begun.store.view(RUN).column(name)


def test_unregistered_metric_is_refused_and_the_batch_left_out(begun: Begun) -> None:
    with pytest.raises(StoreError, match=r"'gpu\.load' is not registered.*sebsx_register_metrics"):
        begun.add(make_invocation(1), make_invocation(2, samples={"gpu.load": 1.0}))
    assert list(begun.store.view(RUN).invocations()) == []


def test_member_of_a_family_is_registered_when_first_used(begun: Begun) -> None:
    begun.add(make_invocation(1, samples={"phase.compute_s": 0.5}))
    assert begun.store.view(RUN).metrics()["phase.compute_s"].unit == "s"
    assert begun.store.view(RUN).column("phase.compute_s") == [0.5]


def test_a_family_does_not_swallow_other_units(begun: Begun) -> None:
    with pytest.raises(StoreError, match=r"'phase\.read_bytes' is not registered"):
        begun.add(make_invocation(1, samples={"phase.read_bytes": 1.0}))


def test_metric_registered_by_a_batch_that_failed_is_registered_again(begun: Begun) -> None:
    with pytest.raises(StoreError):
        begun.add(make_invocation(1, samples={"phase.a_s": 1.0, "gpu.load": 1.0}))
    begun.add(make_invocation(1, samples={"phase.a_s": 1.0}))
    assert begun.store.view(RUN).column("phase.a_s") == [1.0]


def test_metric_in_another_unit_is_refused(begun: Begun) -> None:
    with pytest.raises(StoreError, match=r"'process.cpu_s' is stored in 's' and now comes in 'ms'"):
        begun.store.start_run(make_run(OTHER), {}, [Metric("process.cpu_s", "ms")])
    assert [run.id for run in begun.store.runs()] == [RUN]


def test_metrics_of_a_run_are_registered_in_two_statements(store: Store) -> None:
    statements: list[str] = []
    engine: Any = store._database._reader
    event.listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    store.start_run(make_run(), {}, METRICS)
    assert len([each for each in statements if "metric" in each.split()]) == 2
    store.start_run(make_run(OTHER), {}, METRICS)
    assert len([each for each in statements if "metric" in each.split()]) == 3


def test_sample_that_is_not_finite_is_left_out_with_a_warning(begun: Begun, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        begun.add(make_invocation(1, samples={"process.cpu_s": float("nan"), "phase.a_s": 1.0}))
    (stored,) = begun.store.view(RUN).invocations()
    assert stored.samples == {"phase.a_s": 1.0}
    assert "'process.cpu_s' came as nan" in caplog.text


def test_sample_that_is_no_number_is_refused(begun: Begun) -> None:
    samples: Any = {"process.cpu_s": "fast"}
    with pytest.raises(StoreError, match=r"'process.cpu_s' came as 'fast'"):
        begun.add(make_invocation(1, samples=samples))


def test_used_sequence_is_refused_and_the_batch_left_out(begun: Begun) -> None:
    begun.add(make_invocation(1))
    with pytest.raises(StoreError):
        begun.add(make_invocation(2), make_invocation(1))
    assert begun.store.next_sequence(RUN) == 2


def test_invocation_of_a_deployment_that_is_not_there_is_refused(begun: Begun) -> None:
    with pytest.raises(StoreError, match=r"(?i)foreign key"):
        begun.store.add_invocations(RUN, begun.deployment + 1, begun.cell, [make_invocation(1)])


def test_text_that_no_database_takes_is_escaped(begun: Begun) -> None:
    begun.add(make_invocation(1, error="a\0b \udcff é"))
    (stored,) = begun.store.view(RUN).invocations()
    assert stored.error == "a\\x00b \\udcff é"


def test_number_beyond_64_bits_is_refused_and_the_batch_left_out(begun: Begun) -> None:
    with pytest.raises(StoreError):
        begun.add(make_invocation(1), make_invocation(2, bytes_in=2**64))
    assert begun.store.counts(RUN) == {}


def test_writing_to_an_unknown_run_tells_where_to_look(begun: Begun) -> None:
    for name in (OTHER, "last", RUN[:5]):  # a beginning is enough to look at a run, never to write to one
        with pytest.raises(UserError, match="sebsx runs"):
            begun.store.design.add_cell(name, make_cell("warm"))


def test_counts_and_next_sequence(begun: Begun) -> None:
    assert begun.store.next_sequence(RUN) == 1
    begun.add(make_invocation(1), make_invocation(2), make_invocation(5, status=Status.TIMEOUT, kind=Kind.WARMUP))
    assert begun.store.next_sequence(RUN) == 6
    assert begun.store.counts(RUN, begun.cell) == {
        (Kind.MEASURED, Status.OK, StartType.COLD): 2,
        (Kind.WARMUP, Status.TIMEOUT, StartType.COLD): 1,
    }
    assert begun.store.counts(RUN, begun.cell + 1) == {}


def test_empty_batch_is_harmless(begun: Begun) -> None:
    begun.add()
    assert begun.store.counts(RUN) == {}


def test_a_sandbox_is_stored_once(begun: Begun) -> None:
    begun.store.design.add_sandbox(begun.deployment, "sb1", {"cpu_model": "EPYC"})
    begun.store.design.add_sandbox(begun.deployment, "sb1", {"cpu_model": "other"})
    (sandbox,) = begun.store.view(RUN).sandboxes()
    assert (sandbox.sandbox_id, sandbox.facts) == ("sb1", {"cpu_model": "EPYC"})


def test_values_of_run_deployment_and_cell_read_back(begun: Begun) -> None:
    begun.store.add_value(RUN, "cost_usd", 1.5)
    begun.store.add_value(RUN, "phase.convert_s", None, deployment_id=begun.deployment, text="skipped")
    first, second = begun.store.view(RUN).values()
    assert (first.metric, first.value, first.deployment_id) == ("cost_usd", 1.5, None)
    assert (second.metric, second.value, second.text) == ("phase.convert_s", None, "skipped")
    assert second.deployment_id == begun.deployment
    with pytest.raises(StoreError, match="not registered"):
        begun.store.add_value(RUN, "nobody.knows_s", 1.0)


def test_an_artifact_is_stored_once(begun: Begun, tmp_path: Path) -> None:
    for path in ("a.zip", "b.zip"):
        begun.store.artifacts.mention("ff" * 32, "package", 10, Path(path), {"cached": True})
    begun.store.snapshot(tmp_path / "copy.sqlite")
    connection = sqlite3.connect(tmp_path / "copy.sqlite")
    assert connection.execute("SELECT sha256, kind, bytes, path FROM artifact").fetchall() == [
        ("ff" * 32, "package", 10, "a.zip")
    ]
    connection.close()


def test_artifacts_of_a_run_are_those_of_its_deployments(begun: Begun) -> None:
    target = Target("python", "3.11", architecture="x86_64")
    package = Package(
        path=Path("a.zip"),
        sha256="aa" * 32,
        bytes=1,
        unpacked_bytes=1,
        content_hash="cc" * 32,
        target=target,
        benchmark="b",
        benchmark_version="1",
        build_s=0.1,
        cached=False,
    )
    for _ in range(2):
        add_deployment(begun.store, RUN, package=package)
    for digest in ("aa" * 32, "bb" * 32):
        begun.store.artifacts.mention(digest, "package", 10, Path("a.zip"), {"requirements": [digest]})
    assert begun.store.view(RUN).packages() == {"aa" * 32: {"requirements": ["aa" * 32]}}


def test_word_where_a_number_belongs_is_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with open_store(path) as store:
        begun = Begun(store)
        store.add_invocations(RUN, begun.deployment, begun.cell, [make_invocation(1)])
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE invocation SET client_sent_s = 'yesterday'")
        with pytest.raises(StoreError, match=f"run {RUN} is damaged: .*'yesterday'"):
            store.view(RUN).frame()


def test_resource_is_planned_before_and_created_after(begun: Begun) -> None:
    with begun.store.ledger(RUN, "local").creating("function", "f", "here") as creation:
        (planned,) = begun.store.resources()
        creation.provider_id = "arn:f"
    (created,) = begun.store.resources(RUN)
    assert (planned.state, planned.provider_id) == (ResourceState.PLANNED, None)
    assert (created.state, created.provider_id) == (ResourceState.CREATED, "arn:f")
    assert (created.kind, created.name, created.region, created.run_id) == ("function", "f", "here", RUN)
    assert created.tags == {"sebsx-run": RUN}


def test_resource_whose_creation_failed_stays_planned(begun: Begun) -> None:
    def create() -> None:
        with begun.store.ledger(RUN, "local").creating("function", "f") as creation:
            creation.provider_id = "arn:f"
            raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        create()
    (left,) = begun.store.resources()
    assert (left.state, left.provider_id) == (ResourceState.PLANNED, "arn:f")


def test_deleted_resource_is_out_of_the_list_and_can_be_created_again(begun: Begun) -> None:
    ledger = begun.store.ledger(RUN, "local")
    with ledger.creating("function", "f"):
        pass
    ledger.deleted("function", "f")
    ledger.deleted("function", "never-there")
    assert begun.store.resources() == []
    assert [item.name for item in begun.store.resources(states=[ResourceState.DELETED])] == ["f"]
    with ledger.creating("function", "f"):
        pass
    assert [item.state for item in begun.store.resources()] == [ResourceState.CREATED]


def test_ledger_of_one_platform_leaves_others_alone(begun: Begun) -> None:
    with begun.store.ledger(RUN, "local").creating("function", "f"):
        pass
    begun.store.ledger(RUN, "other").deleted("function", "f")
    assert len(begun.store.resources()) == 1


def test_state_of_a_resource_can_be_set(begun: Begun) -> None:
    with begun.store.ledger(RUN, "local").creating("function", "f") as creation:
        creation.provider_id = "arn:f"
    (resource,) = begun.store.resources()
    assert resource.id is not None
    begun.store.set_resource(resource.id, ResourceState.LOST)
    (lost,) = begun.store.resources(states=[ResourceState.LOST])
    assert lost.provider_id == "arn:f"


def test_running_run_of_a_dead_process_is_interrupted(store: Store) -> None:
    store.start_run(make_run(owner={**current_owner(), "process_started": "1"}), {}, ())
    assert store.view(RUN).status is RunStatus.INTERRUPTED
    assert store.runs()[0].status is RunStatus.INTERRUPTED


def test_run_of_a_living_process_cannot_be_resumed(begun: Begun) -> None:
    with pytest.raises(UserError, match="still being written by process"):
        begun.store.resume_run(RUN, current_owner())


def test_interrupted_run_can_be_resumed(store: Store) -> None:
    store.start_run(make_run(owner={**current_owner(), "process_started": "1"}), {}, ())
    store.resume_run(RUN, current_owner())
    assert store.view(RUN).status is RunStatus.RUNNING


def test_failed_run_is_running_again_after_resume(begun: Begun) -> None:
    begun.store.finish_run(RUN, RunStatus.FAILED, "boom")
    begun.store.resume_run(RUN, current_owner())
    run = begun.store.view(RUN).run
    assert (run.status, run.error, run.finished_at) == (RunStatus.RUNNING, None, None)


def test_run_on_another_host_lives_as_long_as_it_stores(store: Store) -> None:
    store.start_run(make_run(owner={**current_owner(), "host": "elsewhere"}), {}, ())
    assert store.view(RUN).status is RunStatus.RUNNING


def test_rows_of_the_view_are_wide_and_derived(begun: Begun) -> None:
    begun.add(make_invocation(1), make_invocation(2, status=Status.FUNCTION_ERROR, error="boom"))
    rows = list(begun.store.view(RUN).rows())
    assert [row["sequence"] for row in rows] == [1, 2]
    first = rows[0]
    assert (first["run"], first["platform"], first["benchmark"], first["memory_mib"]) == (RUN, "local", "sleep", 256)
    assert (first["client_latency_s"], first["client_response_s"], first["start_wanted"]) == (0.25, 0.75, "cold")
    assert first["sent_at"] == "1970-01-01T00:16:40.000Z"
    assert rows[1]["error"] == "boom"


@pytest.mark.parametrize(
    ("start", "kept"), [("cold", [1]), ("warm", [2]), ("burst", [1, 2, 3]), ("sequential", [1, 2, 3])]
)
def test_measured_keeps_the_start_the_cell_asked_for(begun: Begun, start: str, kept: list[int]) -> None:
    cell = begun.store.design.add_cell(RUN, make_cell(start, size="x"))
    starts = [StartType.COLD, StartType.WARM, StartType.UNKNOWN]
    good = [make_invocation(number, start_type=kind) for number, kind in enumerate(starts, 1)]
    bad = [make_invocation(8, kind=Kind.WARMUP), make_invocation(9, status=Status.WRONG_OUTPUT)]
    begun.store.add_invocations(RUN, begun.deployment, cell, [*good, *bad])
    assert [row["sequence"] for row in begun.store.view(RUN).rows("measured")] == kept


def test_unknown_view_is_refused(begun: Begun) -> None:
    with pytest.raises(UnknownNameError, match="measured"):
        begun.store.view(RUN).row_columns("mesured")


def test_two_stores_write_to_one_database(target: str | Path) -> None:
    with open_store(target) as first, open_store(target) as second:
        one, two = Begun(first, RUN), Begun(second, OTHER)
        for number in range(1, 6):
            one.add(make_invocation(number, samples={"phase.a_s": 1.0}))
            two.add(make_invocation(number, samples={"phase.b_s": 2.0}))
        assert first.view(OTHER).column("phase.b_s") == [2.0] * 5
        assert second.view(RUN).column("phase.a_s") == [1.0] * 5
        assert len(list(first.view(RUN).invocations())) == 5


def test_metric_registered_by_another_program_is_known(target: str | Path) -> None:
    with open_store(target) as first, open_store(target) as second:
        begun = Begun(first)
        second.start_run(make_run(OTHER), {}, [Metric("gpu.load", "1")])
        begun.add(make_invocation(1, samples={"gpu.load": 0.5}))
        assert first.view(RUN).column("gpu.load") == [0.5]


def test_snapshot_is_one_portable_file_with_everything(begun: Begun, tmp_path: Path) -> None:
    begun.add(*(make_invocation(number, samples={"process.cpu_s": 0.5}) for number in range(1, 12)))
    begun.store.design.add_sandbox(begun.deployment, "sb1", {"cpu_model": "EPYC"})
    copy = tmp_path / "copy.sqlite"
    begun.store.snapshot(copy)
    connection = sqlite3.connect(copy)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()
    before = copy.read_bytes()
    with open_store(copy) as opened:
        original, copied = begun.store.view(RUN), opened.view(RUN)
        assert list(copied.invocations()) == list(original.invocations())
        assert (copied.cells(), copied.deployments()) == (original.cells(), original.deployments())
        assert (copied.sandboxes(), copied.run) == (original.sandboxes(), original.run)
        assert list(copied.rows()) == list(original.rows())
    assert copy.read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.sqlite"]


def test_snapshot_can_be_written_on(begun: Begun, tmp_path: Path) -> None:
    begun.add(make_invocation(1))
    begun.store.snapshot(tmp_path / "copy.sqlite")
    with open_store(tmp_path / "copy.sqlite") as copy:
        copy.add_invocations(RUN, begun.deployment, begun.cell, [make_invocation(2)])
        assert copy.next_sequence(RUN) == 3


def test_snapshot_does_not_overwrite(begun: Begun, tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    with pytest.raises(UserError, match="something else"):
        begun.store.snapshot(precious)
    assert precious.read_text() == "mine"


def test_snapshot_into_a_missing_folder_says_so(begun: Begun, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing' does not exist"):
        begun.store.snapshot(tmp_path / "missing" / "copy.sqlite")


def test_stored_times_are_utc_whatever_the_zone_given(store: Store) -> None:
    moment = datetime.fromisoformat("2026-01-02T05:04:05.000007+02:00")
    store.start_run(make_run(started_at=moment), {}, ())
    assert store.view(RUN).run.started_at.isoformat() == "2026-01-02T03:04:05.000007+00:00"


def test_settings_that_are_not_plain_json_are_stored_as_text(store: Store) -> None:
    store.start_run(replace(make_run(), settings={"folder": Path("a/b")}), {"path": Path("c")}, ())
    assert json.loads(json.dumps(store.view(RUN).run.settings)) == {"folder": "a/b"}
    assert store.view(RUN).environment == {"path": "c"}


def test_what_is_written_together_is_one_transaction(begun: Begun) -> None:
    with open_store(location_of(begun)) as other:
        with begun.store.together():
            begun.store.add_value(begun.run_id, "process.cpu_s", 0.5)
            begun.store.design.add_sandbox(begun.deployment, "s1", {"python": "3.11"})
            assert [value.value for value in begun.store.view(begun.run_id).values()] == [0.5]
            assert not other.view(begun.run_id).values()
        assert [value.value for value in other.view(begun.run_id).values()] == [0.5]


def test_nothing_of_what_is_written_together_stays_when_some_fails(begun: Begun) -> None:
    with pytest.raises(StoreError, match="never"), begun.store.together():
        begun.store.design.add_sandbox(begun.deployment, "s1", {})
        begun.store.add_value(begun.run_id, "process.cpu_s", 0.5)
        begun.store.add_value(begun.run_id, "never.registered_s", 0.5)

    assert not begun.store.view(begun.run_id).values()
    begun.add(make_invocation(1, samples={"process.cpu_s": 0.25}))
    assert begun.store.view(begun.run_id).column("process.cpu_s") == [0.25]


def test_nothing_is_begun_where_nothing_is_written_together(begun: Begun) -> None:
    with open_store(location_of(begun)) as other, begun.store.together(), begun.store.together():
        other.add_value(begun.run_id, "process.cpu_s", 0.5)


def location_of(begun: Begun) -> str:
    return begun.store._database.target
