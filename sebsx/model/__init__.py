"""The nouns of sebsx as frozen dataclasses: what is deployed, called, measured and stored.

Durations are seconds (float), sizes bytes (int), memory MiB where clouds ask for it, money USD. Points in time are
aware UTC datetimes, except inside an `Invocation` (`sebsx.model.invocations`).
"""

from sebsx.model.artifacts import Artifact
from sebsx.model.capabilities import Capability
from sebsx.model.executions import Client, Execution
from sebsx.model.factors import Factor, Factors, Role
from sebsx.model.functions import Adoption, Deployment, FunctionConfig, Manifest, Package, Target
from sebsx.model.hashing import content_hash
from sebsx.model.invocations import DROPPED, Invocation, Kind, ProviderRecord, Reply, StartType, Status
from sebsx.model.offers import Between, Offers, OneOf, Option, Provision, Scalar
from sebsx.model.problems import Problem, Severity
from sebsx.model.resources import Resource, ResourceState
from sebsx.model.runs import NOT_DEPLOYED, PLUGIN_FAILED, Cell, CellStatus, Design, PhaseStatus, Plan, Run, RunStatus

__all__ = [
    "DROPPED",
    "NOT_DEPLOYED",
    "PLUGIN_FAILED",
    "Adoption",
    "Artifact",
    "Between",
    "Capability",
    "Cell",
    "CellStatus",
    "Client",
    "Deployment",
    "Design",
    "Execution",
    "Factor",
    "Factors",
    "FunctionConfig",
    "Invocation",
    "Kind",
    "Manifest",
    "Offers",
    "OneOf",
    "Option",
    "Package",
    "PhaseStatus",
    "Plan",
    "Problem",
    "ProviderRecord",
    "Provision",
    "Reply",
    "Resource",
    "ResourceState",
    "Role",
    "Run",
    "RunStatus",
    "Scalar",
    "Severity",
    "StartType",
    "Status",
    "Target",
    "content_hash",
]
