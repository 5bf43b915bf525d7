"""What a plan says of packages that no zip file takes: which engines, with which models, go as container images."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.system.homes import expanded
from sebsx_dnn_inference import models, zoo
from sebsx_dnn_inference.serving import STORAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sebsx.contracts.platforms import Platform
    from sebsx.model import Cell
    from sebsx_dnn_inference.engines import InferenceEngine

_WEIGHT_BYTES = 4


def said(
    cells: Iterable[Cell],
    names: Sequence[str],
    engines: Mapping[str, type[InferenceEngine]],
    platforms: Mapping[str, Platform[Any]],
) -> Iterator[str]:
    """Yield for each platform what is too large for a zip there and goes as an image, as far as sizes are known.

    Args:
        cells: Of the plan.
        names: Models as they were asked for.
        engines: By name.
        platforms: By name.
    """
    large: dict[str, dict[str, int]] = defaultdict(dict)
    for cell in cells:
        factors = cell.factors
        engine, most = engines[factors["optimizer"]], platforms[factors["platform"]].zip_bytes
        asked = {} if cell.provision is None else dict(cell.provision.options_offered)
        if most is None or asked.get("package") or cell.unsupported is not None or not engine.installed_bytes:
            continue
        size = engine.installed_bytes
        if factors["model_source"] != STORAGE:
            size += round(engine.weight_share * _model_bytes(names, factors["model"]))
        if size > most:
            large[factors["platform"]][f"{engine.name} with {factors['model']}"] = size
    for platform, found in large.items():
        most_mb = (platforms[platform].zip_bytes or 0) / 1e6
        which = ", ".join(f"{name} ({size / 1e6:.0f} MB)" for name, size in found.items())
        yield (
            f"a zip on {platform} holds {most_mb:.0f} MB; a Docker engine on this machine builds container images of "
            f"what is about as large or larger: {which}"
        )


def _model_bytes(names: Sequence[str], name: str) -> int:
    recipe = zoo.RECIPES.get(name)
    if recipe is not None:
        return _WEIGHT_BYTES * recipe.parameters
    path = Path(expanded(models.given(names, name)))
    return path.stat().st_size if path.is_file() else 0
