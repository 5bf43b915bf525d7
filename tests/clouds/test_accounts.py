"""What every platform in an account does alike: it ends, deletes by kind, undoes, and says what it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from sebsx.clouds import adopted, made, tags, targets
from sebsx.clouds.accounts import AccountPlatform, AccountSettings, CloudAccount, ResourceKind
from sebsx.clouds.failures import ProviderErrors
from sebsx.clouds.refusals import passing_over
from sebsx.clouds.shipped import Shipped
from sebsx.errors import CredentialsError, PlatformError, UnsupportedError, UserError
from sebsx.model import Deployment, FunctionConfig, Reply, Resource, Status, Target
from sebsx.testing.contexts import context_for
from sebsx.testing.fakes import FakePlatform, MemoryLedger


class Ending:
    """Remembers what was asked of it; fails at the first."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def delete_all(self) -> None:
        self.asked.append("delete")
        raise PlatformError("in use")

    def close(self) -> None:
        self.asked.append("close")


def test_connections_are_closed_whatever_comes_of_deleting() -> None:
    ending = Ending()
    with pytest.raises(PlatformError):
        made.end(ending, ending)
    made.end(None, ending)
    assert ending.asked == ["delete", "close", "close"]


def test_kind_that_is_not_made_here_cannot_be_deleted() -> None:
    assert made.by_kind({"bucket": 1}, "bucket", "b") == 1
    with pytest.raises(UnsupportedError, match="'q' is of kind 'queue'"):
        made.by_kind({"bucket": 1}, "queue", "q")


@pytest.mark.parametrize(
    ("effective", "wanted"),
    [
        ({"adopted": "copy"}, ["delete"]),
        ({"adopted": "in place", "memory-change": "f@128"}, ["f@128"]),
        ({"adopted": "as it is"}, []),
    ],
)
def test_what_was_done_to_a_function_is_undone(effective: dict[str, str], wanted: list[str]) -> None:
    done: list[str] = []
    ledger = MemoryLedger()
    with ledger.creating("memory-change", "f@128"):
        pass
    deployment: Any = SimpleNamespace(effective=effective)
    adopted.undo(deployment, ledger, delete=lambda _: done.append("delete"), put_back=done.append)
    assert done == wanted
    assert (ledger.open == {}) == (wanted == ["f@128"])


@dataclass(frozen=True)
class Settings:
    region: str = "here"
    python: str = "3.12"
    nodejs: str = "22"


def test_settings_lead_to_where_a_resource_is() -> None:
    assert tags.in_region(Settings(), Resource("k", "n", platform="p", run_id="", region="there")).region == "there"
    assert tags.in_region(Settings(), Resource("k", "n", platform="p", run_id="")).region == "here"


def test_target_is_what_settings_name_and_nothing_else(tmp_path: Path) -> None:
    platform: Any = FakePlatform(Settings(), context_for(FakePlatform, tmp_path))  # type: ignore[arg-type]
    own = platform.architectures[0]
    assert targets.target_of(platform, "python", own) == Target(
        "python", "3.12", architecture=own, binaries="manylinux_2_28"
    )
    assert targets.target_of(platform, "nodejs", own) == Target("nodejs", "22", architecture=own)
    for language, architecture in (("cobol", own), ("python", "riscv")):
        with pytest.raises(UnsupportedError):
            targets.target_of(platform, language, architecture)


class Hills(CloudAccount):
    """An account of an imagined provider, whose things are in a dictionary."""

    errors = ProviderErrors(gone=lambda exc: isinstance(exc, KeyError))

    def __init__(self, settings: AccountSettings) -> None:
        self.things: dict[str, dict[str, str]] = {}
        self.said: list[str] = []
        self.refuses = False

    def prove(self) -> None:
        self.said.append("prove")
        if self.refuses:
            raise CredentialsError("nobody is known")

    def close(self) -> None:
        self.said.append("close")

    def noted(self, name: str, made: str) -> str:
        return name


def make_table(account: Hills, name: str, more: Any) -> str:
    account.things[name] = dict(more)
    return f"123456789012/{name}"


class HillsPlatform(AccountPlatform[AccountSettings, Hills]):
    """Makes tables alone."""

    name = "hills"
    summary = "tables of an imagined provider"
    Settings = AccountSettings
    Account = Hills
    kinds: ClassVar[dict[str, ResourceKind[Any]]] = {
        "table": ResourceKind(
            make=make_table, delete=lambda account, name: account.things.pop(name),
            found=lambda account: list(account.things.items()),
        ),
    }  # fmt: skip
    ships = Shipped(package="sebsx.clouds")

    def deploy(self, package: Any, config: Any) -> Any:
        raise NotImplementedError

    def teardown(self, deployment: Any) -> None:
        raise NotImplementedError

    def denial(self, reply: Reply) -> str | None:
        return "no longer; log in again" if reply.http_status == 401 else None


def hills(folder: Path, ledger: MemoryLedger | None = None) -> HillsPlatform:
    return HillsPlatform(AccountSettings(), context_for(HillsPlatform, folder, ledger=ledger or MemoryLedger()))


def test_what_functions_share_is_made_once_found_by_its_tags_and_gone_at_the_end(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    platform = hills(tmp_path, ledger)
    with pytest.raises(PlatformError, match="is not open"):
        platform.table()
    with platform:
        platform.table()
        platform.table()
        assert platform.shared("table") == f"123456789012/{platform.shared_name}"
        platform.account.things["theirs"] = {"team": "ours"}
        (orphan,) = platform.orphans()
        assert (orphan.kind, orphan.name) == ("table", platform.shared_name)
        assert list(ledger.open) == [("table", platform.shared_name)]
    assert platform.account.things.keys() == {"theirs"}
    assert ledger.open == {}
    platform.remove(orphan)
    with pytest.raises(UnsupportedError, match="does not carry our tag"):
        platform.remove(Resource("table", "theirs", platform="hills", run_id="", tags={"team": "ours"}))
    assert platform.account.said[-1] == "close"


class PlacedPlatform(HillsPlatform):
    """Names tables by where they are."""

    def shared_as(self, kind: str) -> str:
        return f"valley/{kind}"


def test_what_functions_share_is_made_written_down_and_deleted_by_the_name_that_its_provider_wants(
    tmp_path: Path,
) -> None:
    ledger = MemoryLedger()
    with PlacedPlatform(AccountSettings(), context_for(PlacedPlatform, tmp_path, ledger=ledger)) as platform:
        assert platform.shared("table") == "123456789012/valley/table"
        assert list(ledger.open) == [("table", "valley/table")]
    assert (platform.account.things, ledger.open) == ({}, {})


def test_nobody_enters_without_proof_and_connections_are_closed_then(tmp_path: Path) -> None:
    platform = hills(tmp_path)
    platform.account.refuses = True
    with pytest.raises(CredentialsError), platform:
        pass
    assert platform.account.said == ["prove", "close"]


def test_refused_invocation_ends_the_run_at_the_next_batch_and_not_the_next_run(tmp_path: Path) -> None:
    config = FunctionConfig("f", memory_mib=128, timeout_s=1.0, architecture="x86_64")
    deployment = Deployment("f", config, effective={})
    reply = Reply("r", intended_s=0, sent_s=0, connected_s=0, first_byte_s=1, done_s=1, http_status=401, headers={},
                  body=b"who  are\nyou", bytes_out=0)  # fmt: skip
    platform = hills(tmp_path)
    with platform:
        assert platform.signed(deployment, b"") == {}
        assert platform.status_of(reply) is Status.PLATFORM_ERROR
        assert platform.error_of(reply) == "who are you"
        with pytest.raises(CredentialsError, match="invocations are refused: no longer; log in again"):
            platform.signed(deployment, b"")
    with platform:
        assert platform.signed(deployment, b"") == {}


def test_parts_of_an_address_are_read_or_refused() -> None:
    form = re.compile(r"(?P<name>[a-z]+)(:(?P<version>[0-9]+))?")
    assert adopted.parts_of("f:7", "no", form) == {"name": "f", "version": "7"}
    assert adopted.parts_of("f", "no", form) == {"name": "f", "version": ""}
    with pytest.raises(UserError, match="write NAME"):
        adopted.parts_of("F", "write NAME", form)


def test_only_what_is_harmless_is_passed_over() -> None:
    with passing_over(lambda exc: isinstance(exc, KeyError)):
        raise KeyError
    with pytest.raises(ValueError, match="other"), passing_over(lambda exc: isinstance(exc, KeyError)):
        raise ValueError("other")
