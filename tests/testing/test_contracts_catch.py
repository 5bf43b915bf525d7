"""The contracts are worth something only if they fail: each test breaks one promise and sees it caught."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sebsx.clouds import tags
from sebsx.contracts import benchmarks
from sebsx.contracts.analyzers import Analyzer, Column, Finding, Report, Table
from sebsx.contracts.platforms import PlatformContext
from sebsx.model import Between, Capability, Status
from sebsx.model.options import VCPU
from sebsx.settings import setting
from sebsx.testing import mutations
from sebsx.testing.contexts import RUN, context_for
from sebsx.testing.contracts import (
    AnalyzerContract,
    BenchmarkContract,
    CollectorContract,
    ExperimentContract,
    LanguageContract,
    PlatformContract,
    StorageContract,
    metadata,
    trying,
)
from sebsx.testing.fakes import FakePlatform, FakeSettings, Fault, MemoryLedger
from sebsx.testing.handlers import FolderStorage, HandlerError, run_handler
from sebsx.testing.invoking import invoke
from sebsx.testing.runs import store_runs


class Sloppy(FakePlatform):
    """Opens a file when it is made."""

    def __init__(self, settings: FakeSettings, context: PlatformContext) -> None:
        super().__init__(settings, context)
        Path(__file__).read_text(encoding="utf-8")


class Sticky(FakePlatform):
    def force_cold(self, deployment):
        pass


class Forgetful(FakePlatform):
    def teardown(self, deployment):
        self._packages.pop(deployment.id, None)


class AdoptsNothing(FakePlatform):
    capabilities = FakePlatform.capabilities | {Capability.ADOPT}


class Overstated(FakePlatform):
    capabilities = FakePlatform.capabilities - {Capability.RECORDS}


class Patient(FakePlatform):
    def status_of(self, reply):
        return Status.OK if reply.http_status == 504 else super().status_of(reply)


class Backdated(FakePlatform):
    """Says that it answered sooner than the function took."""

    def invoke(self, deployment, payload, timeout_s):
        reply = super().invoke(deployment, payload, timeout_s)
        reply.done_s = reply.sent_s
        reply.first_byte_s = None
        return reply


class Misnamed(FakePlatform):
    """Calls what it makes by the name of its folder."""

    def deploy(self, package, config):
        with self.ledger.creating("role", f"role-{self.workdir.parent.name}"):
            return super().deploy(package, config)


class Mistagged(FakePlatform):
    """Takes the name of its folder for the run."""

    def orphans(self):
        made = {**self.context.tags, "sebsx-run": self.workdir.parent.name}
        return [tags.resource("function", name, made) for name in self._packages]


class Untagged(FakePlatform):
    """Has something beside its functions that carries no tag."""

    def deploy(self, package, config):
        with self.ledger.creating("role", "role"):
            return super().deploy(package, config)

    def orphans(self):
        return [tags.resource("function", name, self.context.tags) for name in self._packages]


class Tagged(FakePlatform):
    """Tells of all it has, as a provider does."""

    one_at_a_time = True

    def orphans(self):
        return [tags.resource("function", name, self.context.tags) for name in self._packages]


class Deaf(FakePlatform):
    def _deployment(self, config):
        return super()._deployment(replace(config, options={}))


class Greedy(FakePlatform):
    def offered(self, config):
        return config


class Mismeasured(FakePlatform):
    options = (replace(VCPU.offered(Between(1, 2)), unit="GHz"),)


BROKEN_PLATFORMS = [
    (Misnamed, "test_all_that_is_made_is_the_runs_and_says_so"),
    (Mistagged, "test_all_that_is_made_is_the_runs_and_says_so"),
    (Untagged, "test_all_that_is_made_is_the_runs_and_says_so"),
    (Deaf, "test_options_asked_for_are_effective"),
    (Mismeasured, "test_offers_are_declared_as_what_they_are"),
    (Greedy, "test_what_is_offered_can_be_had_and_nothing_more"),
    (Sloppy, "test_construction_does_no_io"),
    (Sticky, "test_forced_cold_start_meets_a_new_sandbox"),
    (Forgetful, "test_teardown_twice_is_harmless_and_leaves_nothing"),
    (Overstated, "test_declared_capabilities_are_implemented"),
    (AdoptsNothing, "test_declared_capabilities_are_implemented"),
    (Patient, "test_timeout_ends_the_invocation"),
    (Backdated, "test_times_of_function_and_driver_agree"),
]


@pytest.fixture
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> FakePlatform:
    cls = getattr(request, "param", FakePlatform)
    context = context_for(cls, tmp_path / f"{RUN}.4711" / cls.name, ledger=MemoryLedger(), attempt="b2c4d6")
    return cls(FakeSettings(), context)


@pytest.fixture
def deploy(platform: FakePlatform, echo_package: Any) -> Any:

    return lambda **changes: platform.deploy(echo_package, trying.config(platform, **changes))


@pytest.mark.parametrize(("platform", "test"), BROKEN_PLATFORMS, indirect=["platform"])
def test_broken_platform_is_caught(platform, test, tmp_path, deploy, echo_package):
    known = {
        "platform": platform,
        "live": platform,
        "deploy": deploy,
        "tmp_path": tmp_path,
        "echo_package": echo_package,
        "ledger": platform.ledger,
    }
    method = getattr(PlatformContract(), test)
    names = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    with pytest.raises(AssertionError):
        method(**{name: known[name] for name in names})


class TestTagged(PlatformContract):
    @pytest.fixture
    def platform(self, context_for):
        return Tagged(FakeSettings(), context_for(Tagged))


def test_platform_without_an_account_is_skipped_with_its_reason(tmp_path):
    from sebsx.model import Problem

    class Cloud(FakePlatform):
        def check(self):
            return [Problem("no credentials", advice="log in")]

    with (
        pytest.raises(pytest.skip.Exception, match="no credentials"),
        trying.opened(Cloud(FakeSettings(), context_for(Cloud, tmp_path))),
    ):
        pass


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.THROTTLED, Status.THROTTLED),
        (Fault.LOST, Status.TIMEOUT),
        (Fault.REFUSED, Status.PLATFORM_ERROR),
        (Fault.OUT_OF_MEMORY, Status.OUT_OF_MEMORY),
    ],
)
def test_fake_platform_fails_as_told_and_then_goes_on(platform, deploy, fault, status):
    deployment = deploy()
    platform.faults = [None, fault]
    answers = [invoke(platform, deployment, {"value": number}) for number in range(3)]
    assert [answer.status for answer in answers] == [Status.OK, status, Status.OK]
    assert answers[2].output == {"result": 2}


def test_lost_answer_still_ran_and_refused_one_did_not(platform, deploy):
    deployment = deploy()
    platform.faults = [Fault.LOST, Fault.REFUSED, Fault.THROTTLED]
    for _ in range(3):
        invoke(platform, deployment, {"value": 1})
    assert platform.invocations == 1


def test_garbled_answer_has_no_envelope(platform, deploy):
    platform.faults = [Fault.GARBLED]
    answer = invoke(platform, deploy(), {"value": 1})
    assert answer.reply.http_status == 200
    assert answer.envelope is None


def test_late_records_appear_after_the_polls_asked_for(tmp_path, echo_package):

    late = FakePlatform(FakeSettings(record_delay_polls=2), context_for(FakePlatform, tmp_path))
    deployment = late.deploy(echo_package, trying.config(late))
    request_id = invoke(late, deployment, {"value": 1}).reply.request_id
    found = [len(late.records(deployment, [request_id])) for _ in range(4)]
    assert found == [0, 0, 1, 1]


def driver(folder: Path, check: str, manifest: str = "") -> benchmarks.Benchmark:
    (folder / "python").mkdir(parents=True)
    (folder / "benchmark.toml").write_text(
        manifest or 'name = "b"\nversion = "1"\nsummary = "s"\ncategory = "c"\nsource = "o"\nlicence = "l"\n'
    )
    (folder / "benchmark.py").write_text(
        f"FIELDS = {tuple(OUTPUT)}\ndef check(payload, output, storage):\n    {check}\n"
    )
    return benchmarks.load(folder)


GUARDS_ONE_VALUE = (
    "whole = isinstance(output, dict) and None not in map(output.get, FIELDS); "
    "return None if whole and output['count'] == 3 else 'no'"
)
OUTPUT = {"count": 3, "words": ["a"], "sha256": "ab"}


@pytest.mark.parametrize(
    "check",
    ["return None", "return None if output.get('count') == 3 else 'wrong'", GUARDS_ONE_VALUE, "return 'always wrong'"],
)
def test_benchmark_with_a_lenient_check_is_caught(tmp_path, check):
    contract, benchmark = BenchmarkContract(), driver(tmp_path / "b", check)
    with pytest.raises(AssertionError):
        contract.test_output_of_a_bare_interpreter_is_right_and_a_wrong_one_is_caught(benchmark, {}, OUTPUT, None)


def test_benchmark_that_guards_every_field_passes(tmp_path):
    benchmark = driver(tmp_path / "b", f"return None if output == {OUTPUT!r} else 'wrong'")
    contract = BenchmarkContract()
    contract.test_output_of_a_bare_interpreter_is_right_and_a_wrong_one_is_caught(benchmark, {}, OUTPUT, None)


@pytest.mark.slow
def test_field_that_is_unguarded_in_another_language_is_caught(tmp_path, sebsx_registry, sebsx_packager):
    guarded = "return None if isinstance(output, dict) and output.get('count') == 3 else 'wrong'"
    manifest = 'name = "b"\nversion = "1"\nsummary = "s"\n[languages.python]\n[languages.nodejs]\n'
    (tmp_path / "b" / "nodejs").mkdir(parents=True)
    benchmark = driver(tmp_path / "b", guarded, manifest)
    (benchmark.root / "python" / "function.py").write_text("def handler(event, context):\n    return {'count': 3}\n")
    (benchmark.root / "nodejs" / "function.js").write_text(
        "exports.handler = async () => ({count: 3, unguarded: 1});\n"
    )
    with pytest.raises(AssertionError, match="nodejs: check does not miss 'unguarded'"):
        BenchmarkContract().test_output_is_right_in_each_language_with_the_default_memory(
            benchmark, sebsx_registry, sebsx_packager, tmp_path
        )


def test_incomplete_manifest_is_caught(tmp_path):
    benchmark = driver(tmp_path / "b", "return None", 'name = "b"\nversion = "1"\nsummary = "s"\n')
    with pytest.raises(AssertionError, match="'source' is missing"):
        BenchmarkContract().test_manifest_is_complete(benchmark)


@pytest.mark.parametrize("line", ["jinja2", "jinja2>=3", "jinja2==3.*", "git+https://example.org/x.git"])
def test_requirement_that_is_not_pinned_is_caught(tmp_path, line):
    benchmark = driver(tmp_path / "b", "return None")
    (tmp_path / "b" / "python" / "requirements.txt").write_text(f"six==1.17.0\n{line}\n")
    with pytest.raises(AssertionError):
        BenchmarkContract().test_requirements_are_pinned(benchmark)


def test_pins_with_markers_extras_and_comments_pass(tmp_path):
    benchmark = driver(tmp_path / "b", "return None")
    text = "# why\n-r requirements-more.txt\nuvicorn[standard]==0.30.1  # here\nsix==1.17.0; python_version < '3.12'\n"
    (tmp_path / "b" / "python" / "requirements.txt").write_text(text)
    BenchmarkContract().test_requirements_are_pinned(benchmark)


def test_mutations_differ_from_the_value_and_keep_its_type():
    output = {"flag": True, "n": 0, "x": 1.5, "s": "a", "l": [], "d": {"k": 1}, "none": None}
    for field, value in output.items():
        found = [broken[field] for broken in mutations.changed(output, field)]
        assert found
        assert value not in found
        assert value is None or all(isinstance(other, type(value)) for other in found)
    assert output == {"flag": True, "n": 0, "x": 1.5, "s": "a", "l": [], "d": {"k": 1}, "none": None}


class Named(Analyzer[Any]):
    name = "named"
    summary = "s"

    def __init__(self, report: Report) -> None:
        self.report = report

    def analyze(self, runs, settings):
        return self.report


@pytest.mark.parametrize(
    "report",
    [
        Report("", tables=(Table("t", columns=(), rows=()),)),
        Report("r", tables=(Table("t", columns=(Column("a", "A"),), rows=({"b": 1},)),)),
        Report("r", tables=(Table("t", columns=(Column("a", "A"),), rows=({"a": float("nan")},)),)),
        Report("r", tables=(Table("t", columns=(Column("a", "A"),), rows=({"a": object()},)),)),
        Report("r", tables=(Table("t", columns=(Column("a", "A", unit="furlongs"),), rows=()),)),
        Report("r", tables=(Table("t", columns=(), rows=()), Table("t", columns=(), rows=()))),
        Report("r", tables=(), findings=(Finding("nothing to show"),)),
    ],
    ids=["title", "column", "nan", "type", "unit", "name", "empty"],
)
def test_report_that_cannot_be_shown_is_caught(report):
    with pytest.raises(AssertionError):
        AnalyzerContract().test_report_of_a_finished_run_can_be_shown(Named(report), {"finished": None}, None)


def test_analyzer_silent_about_an_empty_run_is_caught():
    with pytest.raises(AssertionError, match="no finding"):
        AnalyzerContract().test_run_with_little_in_it_is_said_to_be_so(
            Named(Report("r")), {"empty": None}, None, "empty"
        )


class Hasty(Named):
    """Takes every group of invocations for one that ended."""

    def analyze(self, runs, settings):
        spent = [each.end_s - each.begin_s for view in runs for each in view.executions()]
        return Report(
            "r",
            tables=(Table("t", columns=(Column("n", "n", unit="count"),), rows=({"n": len(spent)},)),),
            findings=(Finding("f"),),
        )


def test_analyzer_that_cannot_read_a_group_that_never_ended_is_caught(tmp_path):
    for runs in store_runs(tmp_path / "runs.db", "hasty"):
        with pytest.raises(TypeError):
            AnalyzerContract().test_run_with_little_in_it_is_said_to_be_so(
                Hasty(Report("r")), runs, None, "interrupted"
            )


@dataclass
class Thawed:
    a: int = setting(1, help="h")


@dataclass(frozen=True)
class Unexplained:
    a: int = 1


@pytest.mark.parametrize("cls", [Thawed, Unexplained, dict])
def test_settings_that_are_not_frozen_or_explained_are_caught(cls):
    with pytest.raises(AssertionError):
        metadata.check_settings(cls)


@pytest.mark.parametrize(("name", "summary"), [("Aws", "s"), ("a_b", "s"), ("", "s"), ("a", ""), ("a", "b\nc")])
def test_bad_name_or_summary_is_caught(name, summary):
    with pytest.raises(AssertionError):
        metadata.check_words(type("Plugin", (), {"name": name, "summary": summary}))


def test_storage_that_deletes_too_much_is_caught(tmp_path):
    class Greedy(FolderStorage):
        def delete(self, prefix):
            super().delete(prefix.rstrip("/"))

    with pytest.raises(AssertionError):
        StorageContract().test_delete_takes_the_prefix_and_nothing_else(Greedy(tmp_path / "objects"))


def test_collector_that_returns_what_it_did_not_register_is_caught(sebsx_registry, tmp_path):
    from sebsx.contracts.collectors import Collector
    from sebsx.model.metrics import Metric

    class Loose(Collector):
        name, summary, metrics = "loose", "s", (Metric("loose.a_s", "s", meaning="m"),)

        def source(self, language):
            return b"def begin(call): pass\ndef end(state, call): return {'loose.b_s': 1.0}\n"

    with pytest.raises(AssertionError, match=r"not registered: loose\.b_s"):
        CollectorContract().test_python_code_runs_alone_and_returns_registered_metrics(
            Loose(), sebsx_registry, tmp_path
        )


def test_experiment_that_sends_while_it_plans_is_caught(platform, echo_package):
    from sebsx.contracts.experiments import Experiment

    class Eager(Experiment[Any]):
        name, summary = "eager", "s"

        def plan(self, scene, settings):
            platform.invoke(platform.deploy(echo_package, trying.config(platform)), b"{}", 1.0)

        def run(self, session, settings):
            pass

    with pytest.raises(AssertionError):
        ExperimentContract().test_plan_sends_nothing_and_deploys_nothing(Eager(), None, None, platform)


def test_language_that_hides_files_of_the_function_is_caught():
    class Rude:
        def runtime_files(self):
            return {"function.py": b""}

    with pytest.raises(AssertionError, match="may hide a file"):
        LanguageContract().test_runtime_files_stay_in_a_folder_of_their_own(Rude())


def unpacked(folder: Path, code: str) -> Path:
    folder.mkdir()
    (folder / "function.py").write_text(code)
    (folder / "sebsx.json").write_text('{"handler": "function.handler"}')
    return folder


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sebsx\ndef handler(event, context): return {}", "No module named 'sebsx'"),
        ("import pytest\ndef handler(event, context): return {}", "No module named 'pytest'"),
        ("def handler(event, context): raise ValueError('by intent')", "by intent"),
        ("def handler(event, context): return object()", "not JSON serializable"),
        ("def handler(event, context): return float('nan')", "not JSON compliant"),
        ("def handler(event, context): raise SystemExit(3)", "ended with 3"),
        ("def other(event, context): return {}", "handler"),
    ],
)
def test_handler_runs_in_a_bare_interpreter_and_its_failure_is_told(tmp_path, code, message):
    with pytest.raises(HandlerError, match=message):
        run_handler(unpacked(tmp_path / "package", code), {}, tmp_path / "storage")


def test_handler_that_prints_still_answers(tmp_path):
    code = "def handler(event, context):\n    print('{', end='')\n    return event"
    assert run_handler(unpacked(tmp_path / "package", code), {"a": 1}, tmp_path / "storage") == {"a": 1}
