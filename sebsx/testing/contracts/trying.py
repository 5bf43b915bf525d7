"""How platforms are tried by their contract: opened, given sizes, and asked for records."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.model import (
    Between,
    Capability,
    Deployment,
    FunctionConfig,
    OneOf,
    Option,
    ProviderRecord,
    Scalar,
    Severity,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sebsx.contracts.platforms import Platform


_RECORDS_WITHIN_S = 60.0


@contextlib.contextmanager
def opened(platform: Platform[Any]) -> Iterator[None]:
    """Open a platform, or skip the test with the reason why it cannot be used here."""
    errors = [problem for problem in platform.check() if problem.severity is Severity.ERROR]
    if errors:
        pytest.skip(f"platform {platform.name!r} cannot run here: {errors[0].message}")
    with platform:
        yield


def memory(platform: Platform[Any], wanted_mib: int = 256) -> int:
    """Return the size offered for a request, the largest where that is less."""
    offer = platform.offers(platform.architectures[0]).memory_mib
    return int(offer.fit(wanted_mib) or offer.largest)


def levels(option: Option) -> list[Scalar]:
    """Return levels that a test can try: cheap ones first."""
    if isinstance(option.offer, OneOf):
        return list(option.offer.values)
    if isinstance(option.offer, Between):
        return [value for value in (option.fit(option.offer.smallest + option.offer.step),) if value is not None]
    return ["by intent"] if option.kind is str else []


def can_be_had(platform: Platform[Any], options: dict[str, Scalar]) -> bool:
    """Tell whether a function can be given these options together."""
    asked = config(platform)
    return platform.provision(asked.memory_mib, options, asked.architecture).unsupported is None


def config(platform: Platform[Any], **changes: Any) -> FunctionConfig:
    """Return a function that the platform offers, with a name of its own."""
    values: dict[str, Any] = {
        "name": f"sebsx-contract-{uuid.uuid4().hex[:8]}",
        "memory_mib": memory(platform),
        "timeout_s": 20.0,
        "architecture": platform.architectures[0],
    }
    return FunctionConfig(**values | changes)


def needs(platform: Platform[Any], capability: Capability) -> None:
    """Skip the test of a platform that does not declare a capability."""
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
