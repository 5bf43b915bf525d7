"""The contract of a platform, held against its real behaviour."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.errors import UnsupportedError
from sebsx.model import (
    Capability,
    Deployment,
    StartType,
    Status,
)
from sebsx.testing import contexts
from sebsx.testing.contracts import trying
from sebsx.testing.contracts.platform_calls import PlatformCalls
from sebsx.testing.contracts.platform_words import PlatformWords
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sebsx.contracts.platforms import Platform, PlatformContext
    from sebsx.model import Package

_RESUMED = ".4711"  # behind the id of a run, in the name of its folder
_ANSWERS_WITHIN_S = 10.0


class PlatformContract(PlatformWords, PlatformCalls):
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
        with trying.opened(platform):
            yield platform

    @pytest.fixture
    def deploy(self, live: Platform[Any], echo_package: Package) -> Iterator[Callable[..., Deployment]]:
        """Return a function that deploys the echo function; what it deployed is torn down afterwards."""
        deployed: list[Deployment] = []

        def deploy(**changes: Any) -> Deployment:
            deployed.append(live.deploy(echo_package, trying.config(live, **changes)))
            return deployed[-1]

        yield deploy
        for deployment in deployed:
            live.teardown(deployment)

    # Deploying

    def test_deployment_reports_what_is_effective(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        deployment = deploy()
        assert deployment.id
        assert deployment.config.memory_mib == trying.memory(live)
        assert deployment.effective["memory_mib"] > 0
        assert deployment.effective["timeout_s"] > 0
        assert deployment.effective["architecture"] == live.architectures[0]

    def test_options_asked_for_are_effective(self, live: Platform[Any], deploy: Callable[..., Deployment]) -> None:
        for option in live.offers(live.architectures[0]).options:
            levels = trying.levels(option)
            wanted = [{option.name: level} for level in levels if level != option.default]
            wanted = [options for options in wanted if trying.can_be_had(live, options)][:1]
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
        with trying.opened(platform):
            deployment = platform.deploy(echo_package, trying.config(platform))
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
        with trying.opened(platform):
            deployment = platform.deploy(echo_package, trying.config(platform))
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

    # Capabilities

    def test_forced_cold_start_meets_a_new_sandbox(
        self, live: Platform[Any], deploy: Callable[..., Deployment]
    ) -> None:
        trying.needs(live, Capability.FORCE_COLD)
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
        trying.needs(live, Capability.RECORDS)
        deployment = deploy()
        answers = [invoke(live, deployment, {"do": "sleep", "value": 0.02}) for _ in range(3)]
        wanted = [live.request_id_of(answer.reply) for answer in answers]
        assert len(set(wanted)) == 3
        waited_s = {key: answer.reply.done_s - answer.reply.sent_s for key, answer in zip(wanted, answers, strict=True)}
        found = trying.records_of(live, deployment, wanted)
        first = [bool(answer.envelope and answer.envelope["sebsx"]["call"] == 1) for answer in answers]
        for (request_id, record), is_first in zip(((key, found[key]) for key in wanted), first, strict=True):
            assert record.request_id == request_id
            contrary = StartType.WARM if is_first else StartType.COLD
            assert record.start_type is not contrary, "the record contradicts what the function proved"
            assert record.duration_s is None or record.duration_s >= 0.02
            assert record.billed_s is None or record.billed_s > 0
            assert record.duration_s is None or record.duration_s <= waited_s[request_id], "longer than the call"
            assert record.init_s is None or record.init_s >= 0
            cost_usd = live.context.prices.cost_usd(live, deployment, record)
            assert cost_usd is None or cost_usd >= 0
        began = time.monotonic()
        assert live.records(deployment, ["no-such-request"]) == {}
        assert time.monotonic() - began < _ANSWERS_WITHIN_S, "records() waits; that is the core's affair"

    def test_storage_is_shared_by_driver_and_function(
        self, live: Platform[Any], deploy: Callable[..., Deployment]
    ) -> None:
        trying.needs(live, Capability.STORAGE)
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
        trying.needs(live, Capability.TABLE)
        live.table()
        answer = invoke(live, deploy(), {"do": "table", "value": f"contract-{uuid.uuid4().hex}"})
        assert answer.output == {
            "result": {"found": [["a", 2], ["b", 1], ["c", 1]], "a": 2, "c": None, "elsewhere": []}
        }
