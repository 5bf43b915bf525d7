"""`sebsx aws`: what only AWS needs."""

from __future__ import annotations

import json

import click

from sebsx_aws.policy import deployer_policy


@click.group("aws")
def aws_group() -> None:
    """Set up an AWS account for sebsx."""


@aws_group.command("policy")
@click.option(
    "--partition", type=click.Choice(["aws", "aws-cn", "aws-us-gov"]), default="aws", help="Which AWS [default: aws]."
)
def policy_command(partition: str) -> None:
    """Print the IAM policy that sebsx needs: only resources whose name starts with `sebsx-`.

    \b
      sebsx aws policy > policy.json
      aws iam create-policy --policy-name sebsx --policy-document file://policy.json
    """  # noqa: D301  # \\b keeps click from folding the lines
    click.echo(json.dumps(deployer_policy(partition), indent=2))
