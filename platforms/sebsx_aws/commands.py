"""`sebsx aws`: what only AWS needs."""

from __future__ import annotations

import json

import click

from sebsx.cli.app import App, Group, command
from sebsx_aws.policy import deployer_policy


@click.group("aws", cls=Group)
def aws_group() -> None:
    """Set up an AWS account for sebsx."""


@command("policy")
@click.option(
    "--partition", type=click.Choice(["aws", "aws-cn", "aws-us-gov"]), default="aws", help="Which AWS [default: aws]."
)
def policy_command(app: App, partition: str) -> None:
    """Print the IAM policy that sebsx needs: only resources whose name starts with `sebsx-`.

    \b
      sebsx aws policy > policy.json
      aws iam create-policy --policy-name sebsx --policy-document file://policy.json
    """  # noqa: D301  # \\b keeps click from folding the lines
    policy = deployer_policy(partition)
    app.console.result(policy, text=json.dumps(policy, indent=2))


aws_group.add_command(policy_command)
