"""An AWS account on this machine: moto for the control plane, sebsx's Runtime API and AWS's own client for the data.

    with EmulatedAccount(folder) as account:
        boto3.client("lambda", endpoint_url=account.url, region_name="us-east-1", ...)

`python -m tests.emulated_aws` starts one for people; the page docs/platforms/aws.md says what is real in it.
"""

from __future__ import annotations

from tests.emulated_aws.account import REGION, EmulatedAccount
from tests.faults import Fault

__all__ = ["REGION", "EmulatedAccount", "Fault"]
