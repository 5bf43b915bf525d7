"""The stand-ins for providers, each opened and named to the command line in the same way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.emulated_aws import EmulatedAccount
from tests.emulated_azure import EmulatedSubscription
from tests.emulated_gcp import EmulatedProject
from tests.emulated_openfaas import EmulatedOpenFaas
from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.platforms.openfaas.images import unpack_images


@dataclass(frozen=True)
class Stand:
    """A stand-in: it has a `law`, an `environment` by which clients find it, and `reset`.

    Args:
        open: Opens one that keeps its things in a folder.
        apart: Returns the words by which so many calls at once meet as many sandboxes.
        prepare: Makes it ready for a test, in a folder of the test.
        slowness: How much longer idle times must be than elsewhere: deployments delay what is due meanwhile.
    """

    open: Callable[[Path], AbstractContextManager[Any]]
    apart: Callable[[int], tuple[str, ...]] = lambda _calls: ()
    prepare: Callable[[Any, Path, pytest.MonkeyPatch], None] = lambda *_: None
    slowness: float = 1.0


STANDS = {
    "aws": Stand(EmulatedAccount),
    "azure": Stand(EmulatedSubscription, slowness=2.5),
    "gcp": Stand(EmulatedProject),
    "openwhisk": Stand(EmulatedOpenWhisk),
    "openfaas": Stand(
        EmulatedOpenFaas,
        apart=lambda calls: ("--option", f"min_instances={calls}"),
        prepare=unpack_images,
    ),
}
