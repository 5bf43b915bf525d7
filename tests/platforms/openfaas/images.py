"""Images that are unpacked into a folder, from which the emulated gateway "pulls" them: no engine, no registry."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from sebsx.clouds.registries import PushedImages
from sebsx.model import Package
from sebsx.testing.handlers import unpack
from sebsx_openfaas.functions import FOLDER
from tests.emulated_openfaas import EmulatedOpenFaas


def unpack_images(gateway: EmulatedOpenFaas, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gateway pull what is "pushed" in this process."""

    def of(
        self: PushedImages, package: Package, recipe: Sequence[str] = (), more: Mapping[str, bytes] | None = None
    ) -> tuple[str, str]:
        digest = hashlib.sha256(package.content_hash.encode()).hexdigest()
        name = f"registry.example/sebsx:{digest[:12]}"
        if name not in gateway.images:
            root = unpack(package, folder / "images" / digest[:12])
            gateway.images[name] = (root, variables_of(recipe, root))
        return name, f"sha256:{digest}"

    monkeypatch.setattr(PushedImages, "of", of)


def variables_of(recipe: Sequence[str], root: Path) -> dict[str, str]:
    """Return the variables of an image by its recipe, with the folder and the interpreter of this machine."""
    words = [word for line in recipe if line.startswith("ENV ") for word in shlex.split(line)[1:]]
    found = dict(word.split("=", 1) for word in words)
    process = found["fprocess"].replace(FOLDER, str(root)).replace("python3 ", f"{shlex.quote(sys.executable)} ")
    return {**found, "fprocess": process}
