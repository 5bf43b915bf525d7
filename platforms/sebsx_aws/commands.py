"""`sebsx aws policy`: what only AWS needs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.commands import Command
from sebsx.settings import setting
from sebsx_aws.policy import deployer_policy

if TYPE_CHECKING:
    from sebsx.contracts.commands import Services


@dataclass(frozen=True)
class PolicySettings:
    """For which AWS."""

    partition: str = setting("aws", help="which AWS", choices=("aws", "aws-cn", "aws-us-gov"))


class PolicyCommand(Command[PolicySettings]):
    """Prints the permissions that sebsx needs in an account."""

    name = "aws-policy"
    summary = "print the IAM policy that sebsx needs: only resources whose name starts with `sebsx-`"
    words = "aws policy"
    details = (
        "  sebsx aws policy > policy.json\n"
        "  aws iam create-policy --policy-name sebsx --policy-document file://policy.json"
    )
    Settings: ClassVar[type[Any]] = PolicySettings

    def run(self, services: Services, settings: PolicySettings) -> None:
        """Print it."""
        policy = deployer_policy(settings.partition)
        services.output.result(policy, text=json.dumps(policy, indent=2))
