"""A model to try `sebsx predict arm` with: an x86 machine and an ARM that qemu emulates on it.

What ships is the campaign it learns from, as text: the preset `medium`. It is fitted when it is first asked for, and
again for another version of scikit-learn or other rows. Emulation is another processor to predict, and says nothing of
ARM's speed.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from sebsx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.resources.abc import Traversable

    from sebsx_arm_prediction.dataset import Dataset

logger = logging.getLogger(__name__)

NAME = "example"
_PROFILES = "example_profiles.csv"
_SHA256 = "profiles_sha256"  # on its card: of the rows that it was fitted to
_TREES = 20


def profiles() -> Dataset:
    """Return the campaign that the example learns from."""
    from sebsx_arm_prediction.files import read_files

    with as_file(_rows()) as path:
        return read_files([path])


def load(tell: Callable[[str], object] = logger.info) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the card and the estimators of the example.

    It is fitted and stored now if it is not there, is damaged or of another scikit-learn, or was fitted to other rows.

    Args:
        tell: Is told what takes a while.
    """
    from sebsx_arm_prediction import learning, registry
    from sebsx_arm_prediction.models import Effort
    from sebsx_arm_prediction.pairs import pair

    sha256 = hashlib.sha256(_rows().read_bytes()).hexdigest()
    if NAME in registry.names():
        with suppress(UserError):
            card, estimators = registry.load(registry.find(NAME))
            if card.get(_SHA256) == sha256:
                return card, estimators
    tell("fitting the model 'example' to the rows that ship with sebsx, once: some 15 s")
    card, estimators = learning.to_parts(learning.train(pair(profiles()), effort=Effort(trees=_TREES)))
    return registry.load(registry.save(NAME, {**card, _SHA256: sha256}, estimators))


def _rows() -> Traversable:
    return files("sebsx_arm_prediction") / _PROFILES
