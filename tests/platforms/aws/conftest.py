"""One emulated account for all tests of the platforms `aws` and `aws-arm`, empty at the beginning of each."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sebsx.model import Scalar
from sebsx.testing.contexts import RUN, context_for
from sebsx.testing.fakes import MemoryLedger
from sebsx_aws.backend import AwsPlatform
from sebsx_aws.settings import AwsSettings
from tests.emulated_aws import EmulatedAccount
from tests.support import Cli


@pytest.fixture(scope="session")
def one_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedAccount]:
    """The account of the session."""
    with EmulatedAccount(tmp_path_factory.mktemp("account")) as opened:
        yield opened


@pytest.fixture
def account(one_account: EmulatedAccount, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> EmulatedAccount:
    """The account, empty; clients of this process find it and nothing else."""
    one_account.reset()
    for name, value in one_account.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    return one_account


@pytest.fixture
def cloud(sebsx: Cli, account: EmulatedAccount) -> Cli:
    """The command line with the credentials of the account, which comes empty."""
    others = {name: value for name, value in sebsx.environment.items() if not name.startswith("AWS_")}
    sebsx.environment = {**others, **account.environment}
    return sebsx


def made(
    folder: Path,
    cls: type[AwsPlatform] = AwsPlatform,
    *,
    ledger: MemoryLedger | None = None,
    options: Mapping[str, Scalar] | None = None,
    **settings: object,
) -> AwsPlatform:
    """Return a platform of a run that was resumed, not opened; `options` are what functions get by default."""
    if options:
        offered = tuple(replace(item, default=options.get(item.name, item.default)) for item in cls.options)
        cls = type(cls.__name__, (cls,), {"options": offered})
    context = context_for(
        cls, folder / f"{RUN}.4711" / cls.name, ledger=ledger or MemoryLedger(), attempt=secrets.token_hex(3)
    )
    return cls(AwsSettings(**settings), context)  # type: ignore[arg-type]
