"""One emulated subscription for all tests of the platform `azure`, empty at the beginning of each."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.testing.contexts import RUN, context_for
from sebsx.testing.fakes import MemoryLedger
from sebsx_azure.backend import AzurePlatform
from sebsx_azure.settings import AzureSettings
from tests.emulated_azure import EmulatedSubscription
from tests.support import Cli


@pytest.fixture(scope="session")
def one_subscription(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedSubscription]:
    """The subscription of the session."""
    with EmulatedSubscription(tmp_path_factory.mktemp("subscription")) as opened:
        yield opened


@pytest.fixture
def subscription(one_subscription: EmulatedSubscription) -> Iterator[EmulatedSubscription]:
    """The subscription, empty; every request of the test and every answer must be as Azure's SDKs say."""
    one_subscription.reset()
    yield one_subscription
    assert one_subscription.violations == []


@pytest.fixture
def cloud(sebsx: Cli, subscription: EmulatedSubscription) -> Cli:
    """The command line with settings that lead to the subscription, which comes empty."""
    sebsx.environment |= subscription.environment
    return sebsx


def made(
    folder: Path, emulated: EmulatedSubscription, *, ledger: MemoryLedger | None = None, **settings: object
) -> AzurePlatform:
    """Return a platform of a run that was resumed, not opened."""
    context = context_for(
        AzurePlatform, folder / f"{RUN}.4711" / "azure", ledger=ledger or MemoryLedger(), attempt=secrets.token_hex(3)
    )
    wanted = {**emulated.settings, "python": "3.11", **settings}
    return AzurePlatform(AzureSettings(**wanted), context)  # type: ignore[arg-type]
