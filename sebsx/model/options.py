"""Options that mean the same wherever they are offered; a platform says what of each it has (`Option.offered`).

What only one platform knows, it names itself.
"""

from __future__ import annotations

from sebsx.model.factors import CORE_FACTORS
from sebsx.model.offers import Option

VCPU = Option(name="vcpu", kind=float, unit="vCPU", help="processors of a sandbox")
SANDBOX_CONCURRENCY = Option(
    name="sandbox_concurrency", kind=int, unit="invocations", help="invocations that one sandbox serves at once"
)
MIN_INSTANCES = Option(
    name="min_instances", kind=int, unit="instances", help="sandboxes kept initialised while nothing is called"
)
MAX_INSTANCES = Option(name="max_instances", kind=int, unit="instances", help="sandboxes at once; 0 for no limit")
TIER = Option(name="tier", kind=str, help="plan or tier that hosts and bills the function")
GPU = Option(name="gpu", kind=int, unit="GPU", help="graphics processors of a sandbox")
GPU_TYPE = Option(name="gpu_type", kind=str, help="kind of graphics processor")
PACKAGE = Option(name="package", kind=str, help="how the code is handed over: a zip file, a container image")
TRIGGER = Option(name="trigger", kind=str, help="what starts an invocation")
EPHEMERAL_MIB = Option(name="ephemeral_mib", kind=int, unit="MiB", help="temporary storage of a sandbox")

# Names that an option cannot have: levels that every cell or condition has.
RESERVED = frozenset(
    {factor.name for factor in CORE_FACTORS} | {"version", "run", "concurrency", "experiment", "campaign"}
)
WELL_KNOWN = {
    option.name: option
    for option in (
        VCPU, SANDBOX_CONCURRENCY, MIN_INSTANCES, MAX_INSTANCES, TIER, GPU, GPU_TYPE, PACKAGE, TRIGGER, EPHEMERAL_MIB,
    )
}  # fmt: skip
