"""The permissions that sebsx and its functions need in an account, and nothing beyond: as IAM takes them, in files."""

from __future__ import annotations

import json
from importlib.resources import files
from string import Template
from typing import Any


def deployer_policy(partition: str = "aws") -> dict[str, Any]:
    """Return an IAM policy for the user or role that runs sebsx: only resources whose name starts with `sebsx-`.

    Args:
        partition: `aws`, `aws-cn` or `aws-us-gov`.
    """
    policy: dict[str, Any] = json.loads(policy_text("deployer", partition=partition))
    return policy


def policy_text(policy: str, **words: str) -> str:
    """Return a policy document as IAM takes it.

    Args:
        policy: `deployer`; `function`, what a run's functions may do; `trust`, who may act as their role.
        words: Partition, region, account and name of what the run shares, as far as the document has them.
    """
    return Template((files("sebsx_aws") / "policies" / f"{policy}.json").read_text("utf-8")).substitute(words)
