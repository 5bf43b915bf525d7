"""A model to try `sebsx predict arm` with: an x86 machine and an ARM that qemu emulates on it.

What ships is the campaign it learns from, as text: the preset `medium` with shorter run times. It is fitted when it is
first asked for, and again for another version of scikit-learn. Emulation is another processor to predict, and says
nothing of ARM's speed.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from sebsx.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from sebsx_arm_prediction.dataset import Dataset

NAME = "example"
_PROFILES = "example_profiles.csv"
_TREES = 20


def profiles() -> Dataset:
    """Return the campaign that the example learns from."""
    from sebsx_arm_prediction.files import read_files

    with as_file(files("sebsx_arm_prediction") / _PROFILES) as path:
        return read_files([path])


def place() -> Path:
    """Return the folder of the example, fitted and stored now if it is not there or of another scikit-learn."""
    from sebsx_arm_prediction import learning, registry
    from sebsx_arm_prediction.models import Effort
    from sebsx_arm_prediction.pairs import pair

    if NAME in registry.names():
        found = registry.find(NAME)
        try:
            registry.load(found)
        except UserError:  # another version wrote it
            pass
        else:
            return found
    trained = learning.train(pair(profiles()), effort=Effort(trees=_TREES))
    return registry.save(NAME, *learning.to_parts(trained))
