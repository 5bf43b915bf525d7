"""Settings of the platforms `aws` and `aws-arm`."""

from __future__ import annotations

from dataclasses import dataclass

from sebsx.settings import setting

TRIGGERS = ("sdk", "url", "async")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PACKAGES = ("auto", "zip", "s3", "image")


@dataclass(frozen=True)
class AwsSettings:
    """Where functions are made, as whom, and what they get beside memory and time-out."""

    profile: str = setting("", help="profile of the AWS configuration files; none for the default credential chain")
    region: str = setting("", help="region, e.g. us-east-1; none for the one of profile or environment")
    endpoint_url: str = setting("", help="another endpoint for every service; none for AWS's own, or AWS_ENDPOINT_URL")
    role: str = setting(
        "", help="ARN of an execution role that exists; none to make one with least privilege", secret=True
    )
    trigger: str = setting("sdk", help="sdk: Invoke; url: signed function URL; async: with a queue", choices=TRIGGERS)
    python: str = setting("3.12", help="version of the managed Python runtime", choices=PYTHONS)
    package: str = setting("auto", help="auto: zip, through S3 where it is large; or demand one", choices=PACKAGES)
    base_image: str = setting(
        "public.ecr.aws/lambda/python:{version}", help="image that packages of kind `image` are built from"
    )
    ephemeral_mib: int = setting(512, help="size of /tmp in MiB, 512 to 10240", minimum=512, maximum=10240)
    snapstart: bool = setting(False, help="start from a snapshot of a published version")
    provisioned_concurrency: int = setting(0, help="sandboxes kept initialised; 0 for none", minimum=0)
    reserved_concurrency: int = setting(0, help="most invocations at once per function; 0 for the account's", minimum=0)
    log_format: str = setting("text", help="format of the platform's log lines", choices=("text", "json"))
    ttl_h: float = setting(
        24.0, help="hours after which `sebsx clean` on any machine may delete what is left", minimum=0.1
    )

    def __post_init__(self) -> None:
        if self.snapstart and self.provisioned_concurrency:
            raise ValueError("snapstart and provisioned_concurrency exclude each other on Lambda")
        if self.snapstart and (self.ephemeral_mib > 512 or self.package == "image"):
            raise ValueError("snapstart needs a zip package and ephemeral_mib of 512")
        if self.snapstart and self.python in ("3.10", "3.11"):
            raise ValueError("snapstart needs python 3.12 or later")
