"""The contract of a platform, held against its real behaviour."""

from __future__ import annotations

import contextlib
import itertools
import math
import pickle
import re
import secrets
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts.platforms import Platform
from sebsx.contracts.senders import Ask, Done, HttpAnswer, HttpRequest
from sebsx.errors import UnsupportedError
from sebsx.model import (
    Between,
    Capability,
    Deployment,
    FunctionConfig,
    OneOf,
    Option,
    Problem,
    ProviderRecord,
    Scalar,
    Severity,
    StartType,
    Status,
    Target,
)
from sebsx.model.envelope import read_envelope
from sebsx.model.options import RESERVED, WELL_KNOWN
from sebsx.running.evidence import Starts
from sebsx.testing import contexts
from sebsx.testing.contracts import metadata
from sebsx.testing.contracts.quiet import recorded_io
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke, invoke_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Package

_RECORDS_WITHIN_S = 60.0
_RESUMED = ".4711"  # behind the id of a run, in the name of its folder
_ANSWERS_WITHIN_S = 10.0
_AT_ONCE = 4


class PlatformContract:
    """Every platform: override the fixture `platform` with a new instance that is not opened yet.

        @pytest.fixture
        def platform(self, context_for):
            return FlyPlatform(FlySettings(), context_for(FlyPlatform))

    Its context is that of a run that was resumed: its folder is not called as the run is.

    A platform whose `check()` finds an error (no account, no engine) is skipped with that reason; what it says of
    itself is checked all the same.
    """

    @pytest.fixture
    def context_for(self, tmp_path: Path, ledger: MemoryLedger) -> Callable[[type[Platform[Any]]], PlatformContext]:
        """Return a function that makes the context of a platform, with a ledger that remembers."""

        def context_for(cls: type[Platform[Any]]) -> PlatformContext:
            return contexts.context_for(
                cls, tmp_path / f"{contexts.RUN}{_RESUMED}" / cls.name, ledger=ledger, attempt=secrets.token_hex(3)
            )

        return context_for

    @pytest.fixture
    def platform(self, context_for: Callable[[type[Platform[Any]]], PlatformContext]) -> Platform[Any]:
        """Return the platform under test, not opened."""
        raise NotImplementedError("override the fixture 'platform'")

    @pytest.fixture
    def ledger(self) -> MemoryLedger:
        """Return what the platform writes down."""
        return MemoryLedger()

    @pytest.fixture
    def live(self, platform: Platform[Any]) -> Iterator[Platform[Any]]:
        """Return the platform opened."""
        with _opened(platform):
            yield platform

    @pytest.fixture
    def deploy(self, live: Platform[Any], echo_package: Package) -> Iterator[Callable[..., Deployment]]:
        """Return a function that deploys the echo function; what it deployed is torn down afterwards."""
        deployed: list[Deployment] = []

        def deploy(**changes: Any) -> Deployment:
            deployed.append(live.deploy(echo_package, _config(live, **changes)))
            return deployed[-1]

        yield deploy
        for deployment in deployed:
            live.teardown(deployment)

    # What it says of itself

    def test_metadata_is_complete(self, platform: Platform[Any]) -> None:
        cls = type(platform)
        metadata.check_words(cls)
        metadata.check_settings(cls.Settings)
        assert all(isinstance(capability, Capability) for capability in cls.capabilities)
        assert cls.architectures
        assert set(cls.architectures) <= {"x86_64", "arm64"}
        assert cls.timeout_s > 0
        assert cls.payload_bytes > 0

    def test_offers_are_declared_as_what_they_are(self, platform: Platform[Any]) -> None:
        for architecture in platform.architectures:
            offers = platform.offers(architecture)
            names = [option.name for option in offers.options]
            assert len(set(names)) == len(names), "an option is offered twice"
            assert not set(names) & RESERVED, "an option has the name of a factor that every run has"
            for option in offers.options:
                known = WELL_KNOWN.get(option.name, option)
                assert (option.kind, option.unit) == (known.kind, known.unit), f"{option.name} means something else"
                assert option.help
                assert option.default is None or option.fit(option.default) == option.default, option.name

    def test_what_is_offered_can_be_had_and_nothing_more(self, platform: Platform[Any]) -> None:
        offers = platform.offers(platform.architectures[0])
        smallest, largest = int(offers.memory_mib.smallest), int(offers.memory_mib.largest)
        for asked, given in ((1, smallest), (smallest, smallest), (largest, largest)):
            assert platform.offered(_config(platform, memory_mib=asked)).memory_mib == given
        with pytest.raises(UnsupportedError):
            platform.offered(_config(platform, memory_mib=largest + 1))
        with pytest.raises(UnsupportedError, match="no_such_option"):
            platform.offered(_config(platform, options={"no_such_option": 1}))
        for option in offers.options:
            if option.offer is not None and option.offer.largest != math.inf:
                beyond = "no such level" if option.kind in (str, bool) else float(option.offer.largest) + 1
                with pytest.raises(UnsupportedError, match=option.name):
                    platform.offered(_config(platform, options={option.name: beyond}))

    def test_construction_does_no_io(self, platform: Platform[Any], tmp_path: Path) -> None:
        missing = tmp_path / "never-made"
        context = replace(platform.context, workdir=missing)
        type(platform)(platform.settings, context)  # lets lazy imports happen
        with recorded_io() as events:
            type(platform)(platform.settings, context)
        assert events == []
        assert not missing.exists()

    def test_check_returns_problems_with_advice(self, platform: Platform[Any]) -> None:
        for problem in platform.check():
            assert isinstance(problem, Problem)
            assert problem.message
            assert problem.severity is Severity.WARNING or problem.advice, "an error says what to do"

    def test_target_is_for_the_architecture_asked_for(self, platform: Platform[Any]) -> None:
        for architecture in platform.architectures:
            target = platform.target("python", architecture)
            assert isinstance(target, Target)
            assert (target.language, target.architecture) == ("python", architecture)
            assert re.fullmatch(r"3\.\d+", target.version)

    def test_unknown_language_is_unsupported(self, platform: Platform[Any]) -> None:
        with pytest.raises(UnsupportedError):
            platform.target("no-such-language", platform.architectures[0])

    def test_declared_capabilities_are_implemented(self, platform: Platform[Any]) -> None:
        methods = {
            Capability.FORCE_COLD: "force_cold",
            Capability.RECORDS: "records",
            Capability.STORAGE: "storage",
            Capability.ADOPT: "adopt",
        }
        for capability, method in methods.items():
            overridden = getattr(type(platform), method) is not getattr(Platform, method)
            assert overridden == (capability in platform.capabilities), f"{capability} and {method}() disagree"

    # Deploying

    def test_deployment_reports_what_is_effective(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        deployment = deploy()
        assert deployment.id
        assert deployment.config.memory_mib == _memory(live)
        assert deployment.effective["memory_mib"] > 0
        assert deployment.effective["timeout_s"] > 0
        assert deployment.effective["architecture"] == live.architectures[0]

    def test_options_asked_for_are_effective(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        for option in live.offers(live.architectures[0]).options:
            levels = _levels(option)
            wanted = [{option.name: level} for level in levels if level != option.default]
            wanted = [options for options in wanted if _can_be_had(live, options)][:1]
            for options in wanted:
                try:
                    deployment = deploy(options=options)
                except UnsupportedError:  # what this machine or account cannot, it says
                    continue
                assert deployment.config.options == options
                assert deployment.effective.get(option.name) == options[option.name], f"{option.name} is not effective"
                live.teardown(deployment)

    def test_teardown_twice_is_harmless_and_leaves_nothing(
        self, platform: Platform[Any], echo_package: Package, ledger: MemoryLedger
    ) -> None:
        before = {(orphan.kind, orphan.name) for orphan in platform.orphans()}
        with _opened(platform):
            deployment = platform.deploy(echo_package, _config(platform))
            assert ledger.open, "deploy() wrote nothing into the ledger"
            assert invoke(platform, deployment, {"value": 1}).status is Status.OK
            platform.teardown(deployment)
            platform.teardown(deployment)
        assert {(orphan.kind, orphan.name) for orphan in platform.orphans()} <= before
        assert ledger.open == {}

    def test_all_that_is_made_is_the_runs_and_says_so(
        self, platform: Platform[Any], echo_package: Package, ledger: MemoryLedger
    ) -> None:
        before = {(orphan.kind, orphan.name) for orphan in platform.orphans()}
        context = platform.context
        with _opened(platform):
            deployment = platform.deploy(echo_package, _config(platform))
            made = set(ledger.open)
            found = [orphan for orphan in platform.orphans() if (orphan.kind, orphan.name) not in before]
            platform.teardown(deployment)
        for _, name in made:  # the folder of a process of a run is not its name, and no provider takes a dot everywhere
            assert _RESUMED not in name or name.startswith(str(context.workdir)), f"{name!r} is named by a folder"
        for orphan in found:  # those of a platform that tells of living runs as well
            assert orphan.run_id == context.run_id
            assert context.tags.items() <= orphan.tags.items()
        assert not found or made <= {(orphan.kind, orphan.name) for orphan in found}, "something carries no tag"

    def test_two_deployments_live_side_by_side(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        first, second = deploy(), deploy()
        assert first.id != second.id
        live.teardown(first)
        assert invoke(live, second, {"value": 2}).output == {"result": 2}

    # Invoking

    @pytest.mark.parametrize("value", [None, 0, "ü \u2028 \"'\\", [1.5, {"a": []}], "x" * 50_000])
    def test_output_comes_back_as_it_is(
        self, live: Platform[Any], deploy: Callable[..., Deployment], value: object
    ) -> None:
        answer = invoke(live, deploy(), {"do": "echo", "value": value})
        assert answer.status is Status.OK
        assert answer.output == {"result": value}

    def test_envelope_has_the_functions_figures(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        answer = invoke(live, deploy(), {"do": "sleep", "value": 0.05})
        assert answer.envelope is not None
        figures = answer.envelope["sebsx"]
        assert figures["v"] == 1
        assert figures["call"] >= 1
        assert figures["sandbox"]
        assert figures["duration_s"] >= 0.05
        assert figures["finished_s"] >= figures["started_s"] > 0
        assert all(isinstance(value, int | float) for value in figures["samples"].values())

    def test_phases_are_samples(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        answer = invoke(live, deploy(), {"do": "echo", "value": 1})
        assert answer.envelope is not None
        assert answer.envelope["sebsx"]["samples"]["phase.echo_s"] >= 0

    def test_error_of_the_function_is_a_result(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        deployment = deploy()
        answer = invoke(live, deployment, {"do": "raise", "value": "by intent"})
        assert answer.status is Status.FUNCTION_ERROR
        assert answer.envelope is not None
        assert answer.envelope["error"]["type"] == "ValueError"
        assert answer.envelope["error"]["message"] == "by intent"
        assert invoke(live, deployment, {"value": 1}).status is Status.OK

    def test_timeout_ends_the_invocation(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        deployment = deploy(timeout_s=1.0)
        assert invoke(live, deployment, {"do": "sleep", "value": 1.5}).status is Status.TIMEOUT
        assert invoke(live, deployment, {"value": 1}).status is Status.OK

    def test_calls_at_once_are_told_apart(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        """Of a burst onto a function without sandboxes none is warm: each caused a start, or waited for one."""
        deployment = deploy()
        if deployment.endpoint is None:
            pytest.skip(f"platform {live.name!r} takes one call after the other")
        answers = invoke_together(live, deployment, {"do": "sleep", "value": 0.3}, _AT_ONCE)
        answered = [(read_envelope(answer.reply.body), answer.reply) for answer in answers if answer.envelope]
        assert answered, [answer.reply for answer in answers]
        calls = sorted((envelope.sandbox_id or "", envelope.call or 0) for envelope, _ in answered)
        assert len(set(calls)) == len(calls), "two calls of a sandbox have one number"
        assert all(bool(envelope.facts) == (envelope.call == 1) for envelope, _ in answered)
        starts = Starts()
        for envelope, reply in sorted(answered, key=lambda answer: answer[1].sent_s):
            start, evidence = starts.of(envelope, reply)
            assert start is not StartType.WARM, evidence
            assert (start is StartType.WAITED) == (envelope.call != 1), evidence

    def test_calls_are_in_flight_together_or_said_not_to_be(
        self, live: Platform[Any], deploy: Callable[..., Deployment]
    ) -> None:
        deployment = deploy()
        if live.exchange(deployment) is None and deployment.endpoint is None:
            assert live.one_at_a_time, "calls by invoke() come one after the other: say one_at_a_time = True"
        if live.one_at_a_time:
            pytest.skip(f"platform {live.name!r} takes one call at a time")
        invoke(live, deployment, {"value": 1})
        answers = invoke_together(live, deployment, {"do": "sleep", "value": 1.0}, 3)
        assert [answer.status for answer in answers] == [Status.OK] * 3
        replies = [answer.reply for answer in answers]
        assert max(reply.sent_s for reply in replies) < min(reply.done_s for reply in replies)
        for reply in replies:
            assert reply.attempts == 1
            assert reply.intended_s <= reply.sent_s <= (reply.accepted_s or reply.sent_s) <= reply.done_s
            assert (reply.accepted_s is None) == (reply.polls == 0)

    def test_exchange_is_plain_data_that_takes_any_answer(
        self, live: Platform[Any], deploy: Callable[..., Deployment]
    ) -> None:
        deployment = deploy()
        exchange = live.exchange(deployment)
        if exchange is None:
            pytest.skip(f"platform {live.name!r} is called by one request")
        copy = pickle.loads(pickle.dumps(exchange))  # noqa: S301  # of our own making
        submission = exchange.submit(b"{}", "some-id")
        assert isinstance(submission, HttpRequest)
        assert copy.submit(b"{}", "some-id") == submission
        assert submission.url.startswith(("http://", "https://"))
        for status, body in itertools.product(
            (200, 202, 204, 303, 404, 500), (b"", b"{}", b"\xff<html>", b"[" * 10_000)
        ):
            for polls in (0, 3):
                answer = HttpAnswer(
                    request=submission, request_id="some-id", status=status, headers={}, body=body, polls=polls
                )
                assert isinstance(exchange.poll(answer), Ask | Done)

    # Capabilities

    def test_forced_cold_start_meets_a_new_sandbox(
        self, live: Platform[Any], deploy: Callable[..., Deployment]
    ) -> None:
        _needs(live, Capability.FORCE_COLD)
        deployment = deploy()
        seen = set()
        for _ in range(3):
            live.force_cold(deployment)
            answer = invoke(live, deployment, {"value": 1})
            assert answer.envelope is not None
            assert answer.envelope["sebsx"]["call"] == 1
            seen.add(answer.envelope["sebsx"]["sandbox"])
        assert len(seen) == 3

    def test_records_are_those_of_the_invocations(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        _needs(live, Capability.RECORDS)
        deployment = deploy()
        answers = [invoke(live, deployment, {"do": "sleep", "value": 0.02}) for _ in range(3)]
        wanted = [live.request_id_of(answer.reply) for answer in answers]
        assert len(set(wanted)) == 3
        found = records_of(live, deployment, wanted)
        first = [bool(answer.envelope and answer.envelope["sebsx"]["call"] == 1) for answer in answers]
        for (request_id, record), is_first in zip(((key, found[key]) for key in wanted), first, strict=True):
            assert record.request_id == request_id
            contrary = StartType.WARM if is_first else StartType.COLD
            assert record.start_type is not contrary, "the record contradicts what the function proved"
            assert record.duration_s is None or record.duration_s >= 0.02
            assert record.billed_s is None or record.billed_s > 0
            cost_usd = live.context.prices.cost_usd(live, deployment, record)
            assert cost_usd is None or cost_usd >= 0
        began = time.monotonic()
        assert live.records(deployment, ["no-such-request"]) == {}
        assert time.monotonic() - began < _ANSWERS_WITHIN_S, "records() waits; that is the core's affair"

    def test_storage_is_shared_by_driver_and_function(
        self, live: Platform[Any], deploy: Callable[..., Deployment]
    ) -> None:
        _needs(live, Capability.STORAGE)
        storage, prefix = live.storage(), f"contract-{uuid.uuid4().hex}/"
        storage.put(prefix + "in", b"\0abc")
        answer = invoke(live, deploy(), {"do": "storage", "from": prefix + "in", "to": prefix + "deep/out"})
        assert answer.output == {"result": 4}
        assert storage.get(prefix + "deep/out") == b"cba\0"
        assert list(storage.keys(prefix)) == [prefix + "deep/out", prefix + "in"]
        storage.delete(prefix)
        assert list(storage.keys(prefix)) == []
        with pytest.raises(KeyError):
            storage.get(prefix + "in")

    def test_table_keeps_items_by_partition_in_order(
        self, live: Platform[Any], deploy: Callable[..., Deployment]
    ) -> None:
        _needs(live, Capability.TABLE)
        live.table()
        answer = invoke(live, deploy(), {"do": "table", "value": f"contract-{uuid.uuid4().hex}"})
        assert answer.output == {
            "result": {"found": [["a", 2], ["b", 1], ["c", 1]], "a": 2, "c": None, "elsewhere": []}
        }

    def test_wrapper_hides_no_file_of_the_function(self, platform: Platform[Any]) -> None:
        for name, data in platform.wrapper_files("python").items():
            assert name.startswith("sebsx_wrapper"), f"{name!r} may hide a file of the function"
            compile(data, name, "exec")


@contextlib.contextmanager
def _opened(platform: Platform[Any]) -> Iterator[None]:
    errors = [problem for problem in platform.check() if problem.severity is Severity.ERROR]
    if errors:
        pytest.skip(f"platform {platform.name!r} cannot run here: {errors[0].message}")
    with platform:
        yield


def _memory(platform: Platform[Any], wanted_mib: int = 256) -> int:
    """Return the size offered for a request, the largest where that is less."""
    offer = platform.offers(platform.architectures[0]).memory_mib
    return int(offer.fit(wanted_mib) or offer.largest)


def _levels(option: Option) -> list[Scalar]:
    """Return levels that a test can try: cheap ones first."""
    if isinstance(option.offer, OneOf):
        return list(option.offer.values)
    if isinstance(option.offer, Between):
        return [value for value in (option.fit(option.offer.smallest + option.offer.step),) if value is not None]
    return ["by intent"] if option.kind is str else []


def _can_be_had(platform: Platform[Any], options: dict[str, Scalar]) -> bool:
    config = _config(platform)
    return platform.provision(config.memory_mib, options, config.architecture).unsupported is None


def _config(platform: Platform[Any], **changes: Any) -> FunctionConfig:
    values: dict[str, Any] = {
        "name": f"sebsx-contract-{uuid.uuid4().hex[:8]}",
        "memory_mib": _memory(platform),
        "timeout_s": 20.0,
        "architecture": platform.architectures[0],
    }
    return FunctionConfig(**values | changes)


def _needs(platform: Platform[Any], capability: Capability) -> None:
    if capability not in platform.capabilities:
        pytest.skip(f"platform {platform.name!r} does not declare {capability!r}")


def records_of(platform: Platform[Any], deployment: Deployment, request_ids: list[str]) -> dict[str, ProviderRecord]:
    """Return the records of all these invocations, waiting for them as a run does."""
    deadline = time.monotonic() + _RECORDS_WITHIN_S
    while True:
        found = dict(platform.records(deployment, request_ids))
        if len(found) == len(request_ids):
            return found
        assert time.monotonic() < deadline, f"{len(found)} of {len(request_ids)} records after {_RECORDS_WITHIN_S} s"
        time.sleep(0.1)
