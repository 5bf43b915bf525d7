"""Settings of the platforms `aws` and `aws-arm`."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.clouds.accounts import AccountSettings
from sebsx.settings import setting

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
NODES = ("20", "22", "24")
UPLOADS = ("auto", "s3")


@dataclass(frozen=True)
class AwsSettings(AccountSettings):
    """Where functions are made, as whom and how; what each gets are its options."""

    profile: str = setting("", help="profile of the AWS configuration files; default: AWS's credential chain")
    region: str = setting("", help="region, e.g. us-east-1; default: that of profile or environment")
    endpoint_url: str = setting("", help="another endpoint for every service; default: AWS's own, or AWS_ENDPOINT_URL")
    role: str = setting(
        "", help="ARN of an execution role that exists; default: one is made with least privilege", secret=True
    )
    python: str = setting("3.12", help="version of the managed Python runtime", choices=PYTHONS)
    nodejs: str = setting("22", help="version of the managed Node.js runtime", choices=NODES)
    upload: str = setting(
        "auto", help="how a zip is uploaded; auto: in the request, or through S3 if it is large", choices=UPLOADS
    )
    base_image: str = setting(
        "public.ecr.aws/lambda/{language}:{version}", help="image that packages of kind `image` are built from"
    )
    log_format: str = setting("text", help="format of the platform's log lines", choices=("text", "json"))
