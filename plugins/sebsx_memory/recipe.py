"""What was published of merging the pages of containers that serve the same model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.recipes import ExpectedCell, Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SAVED = {"alexnet": 0.55, "resnet50": 0.21}
# The share depends on what else a container holds, which goes with the framework and its version.
_TOLERANCE = 0.1


class PageMerging(Recipe):
    """Sixteen containers of one model, whose pages are merged."""

    name = "page-merging"
    summary = "memory of 16 containers whose equal pages are merged, of that without: AlexNet, ResNet50"
    source = (
        "Qiu, Copik, Wang, Calotoiu, Hoefler, User-guided Page Merging for Memory Deduplication in Serverless Systems "
        "(IEEE BigData 2023, arXiv:2311.13588): memory of 16 concurrent containers"
    )
    experiment = "memory-sharing"
    settings: ClassVar[Mapping[str, Any]] = {
        "preset": "full",
        "models": "alexnet,resnet50",
        "replicas": "16",
        "strategies": "copy,ksm-madvise",
        "private": "238MiB",
    }
    platforms = ("local",)
    analyzer = "memory-sharing"

    def expected(self) -> Sequence[ExpectedCell]:
        """Return the memory saved of both models."""
        return [
            ExpectedCell(
                table="sharing",
                row={"model": model, "strategy": "ksm-madvise", "weights": "same", "replicas": "16"},
                column="saving",
                value=saved,
                tolerance=_TOLERANCE,
            )
            for model, saved in _SAVED.items()
        ]
