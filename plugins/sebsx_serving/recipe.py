"""What was published of hybrid scaling, claim by claim."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.recipes import ExpectedCell, Recipe
from sebsx_serving.carried import BETTER_TAIL, FLAT_MEMORY, SLOWER_WHILE_GROWING
from sebsx_serving.loads import RAMP, USERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CLAIMS = (FLAT_MEMORY, BETTER_TAIL, SLOWER_WHILE_GROWING)


class HybridScaling(Recipe):
    """Three claims under two loads; 1 is a claim that holds."""

    name = "hybrid-scaling"
    summary = "flat memory, a better tail than pods, slower than bare while it grows: under users and a ramp"
    source = (
        "Ellore, Rethinking Serverless for Machine Learning Inference (MS thesis, Virginia Tech, 2023, "
        "hdl:10919/116068): load tests of hybrid scaling"
    )
    experiment = "serving-lab"
    settings: ClassVar[Mapping[str, Any]] = {"preset": "paper"}
    platforms = ("docker",)
    analyzer = "serving-lab"

    def expected(self) -> Sequence[ExpectedCell]:
        """Return each claim under each load."""
        return [
            ExpectedCell(table="claims", row={"load": load, "claim": claim}, column="holds", value=1.0, tolerance=0.0)
            for load, claim in product((USERS, RAMP), _CLAIMS)
        ]
