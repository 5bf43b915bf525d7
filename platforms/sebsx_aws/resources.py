"""What a run makes in an account beside functions: made when first needed, tagged, written down, and deleted."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds import dynamodb, s3
from sebsx.clouds import tags as our_tags
from sebsx.clouds.images import remove_image
from sebsx.clouds.made import Made, by_kind
from sebsx.clouds.s3 import code_of, create_once, listed
from sebsx.clouds.waiting import settled
from sebsx.contracts.naming import NamingRule
from sebsx_aws.clients import GONE, Clients, clean, explained, without_account
from sebsx_aws.images import engine, push_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Package, Resource

logger = logging.getLogger(__name__)

_ROLE_PATH = "/sebsx/"
_TAG_DIGITS = 32  # of the content hash of a package
_BUSY = frozenset({"ResourceConflictException", "ResourceInUseException", "OperationAborted", "DeleteConflict"})
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


# One name for all of them: buckets are the strictest (S3 user guide, "Bucket naming rules").
_NAME = NamingRule(longest=63, shortest=3)


class Resources:
    """The shared resources of one run on one platform.

    Args:
        clients: The account.
        context: Says what they are called, what each is tagged with, and where it is written down before it is made.
    """

    def __init__(self, clients: Clients, context: PlatformContext) -> None:
        self._clients = clients
        self._ledger = context.ledger
        self._made = Made(context.ledger, partial(delete, clients), clients.region)
        self._name = context.name("shared", _NAME)
        self._tags = dict(context.tags)
        self._images: dict[str, str] = {}  # content hash of a package -> URI

    def role(self) -> str:
        """Return the ARN of the execution role: it may log, and use this run's bucket, table and queue."""
        return self._once("role", self._make_role)

    def bucket(self) -> str:
        """Return the name of the bucket."""
        return self._once("bucket", self._make_bucket)

    def table(self) -> str:
        """Return the name of the table, which exists when this returns."""
        return self._once("table", self._make_table)

    def queue(self) -> str:
        """Return the URL of the queue that takes the results of asynchronous invocations."""
        return self._once("queue", self._make_queue)

    def queue_arn(self) -> str:
        """Return the ARN of the queue."""
        wanted = {"QueueUrl": self.queue(), "AttributeNames": ["QueueArn"]}
        with explained(f"read of queue {self._name!r}"):
            return str(self._clients.sqs.get_queue_attributes(**wanted)["Attributes"]["QueueArn"])

    def image(self, package: Package, base: str, handler: str) -> str:
        """Return the URI by digest of the image of a package, built and pushed once; see `push_image`.

        On the engine nothing of it is left.
        """
        key = package.content_hash
        if key not in self._images:
            logger.info("building and pushing the image of %r", package.benchmark)
            with engine() as client:
                repository = self._once("repository", self._make_repository)
                tag = key[:_TAG_DIGITS]
                try:
                    with self._ledger.creating("image", f"{self._name}:{tag}"):
                        self._images[key] = push_image(client, self._clients, repository, tag, package, base, handler)
                finally:
                    self._made.delete("image", f"{self._name}:{tag}")
        return self._images[key]

    @property
    def name(self) -> str:
        """The name that bucket, table and queue have or would have."""
        return self._name

    def delete_all(self) -> None:
        """Delete what was made; one that cannot be stays in the ledger, for whoever cleans up."""
        self._made.delete_all()

    def _once(self, kind: str, make: Callable[[], str]) -> str:
        with explained(f"create of {kind} {self._name!r}"):
            return self._made.once(kind, self._name, make, self._known_as)

    def _known_as(self, made: str) -> str:
        return without_account(made) if made.startswith("arn:") else self._name

    def _make_role(self) -> str:
        iam, region = self._clients.iam, self._clients.region
        wanted = {"RoleName": self._name, "Path": _ROLE_PATH, "Tags": listed(self._tags)}
        create = partial(iam.create_role, AssumeRolePolicyDocument=json.dumps(_TRUST), **wanted)
        made = create_once(create, "EntityAlreadyExists") or iam.get_role(RoleName=self._name)
        arn = str(made["Role"]["Arn"])
        partition, account = arn.split(":")[1], arn.split(":")[4]
        place = f"{region}:{account}"
        statements = [
            _allow(
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                f"arn:{partition}:logs:{place}:log-group:/aws/lambda/sebsx-*",
            ),
            _allow(["s3:GetObject", "s3:PutObject"], f"arn:{partition}:s3:::{self._name}/*"),
            _allow(["s3:ListBucket"], f"arn:{partition}:s3:::{self._name}"),
            _allow(
                [f"dynamodb:{action}" for action in ("GetItem", "PutItem", "Query", "DeleteItem")],
                f"arn:{partition}:dynamodb:{place}:table/{self._name}",
            ),
            _allow(["sqs:SendMessage"], f"arn:{partition}:sqs:{place}:{self._name}"),
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=self._name, PolicyName="sebsx", PolicyDocument=policy)
        iam.get_waiter("role_exists").wait(RoleName=self._name)
        return arn

    def _make_bucket(self) -> str:
        s3.make_bucket(self._clients.s3, self._name, self._clients.region)
        self._clients.s3.put_bucket_tagging(Bucket=self._name, Tagging={"TagSet": listed(self._tags)})
        return self._name

    def _make_table(self) -> str:
        dynamodb.make_table(self._clients.dynamodb, self._name, Tags=listed(self._tags))
        return self._name

    def _make_queue(self) -> str:
        return str(self._clients.sqs.create_queue(QueueName=self._name, tags=self._tags)["QueueUrl"])

    def _make_repository(self) -> str:
        ecr, name = self._clients.ecr, self._name
        create = partial(ecr.create_repository, repositoryName=name, tags=listed(self._tags))
        if made := create_once(create, "RepositoryAlreadyExistsException"):
            return str(made["repository"]["repositoryUri"])
        return str(ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryUri"])


def delete(clients: Clients, kind: str, name: str) -> None:
    """Delete one resource by its kind and name. Harmless when it is gone.

    Raises:
        PlatformError: If it exists and cannot be deleted.
    """
    delete_one = by_kind(_DELETE, kind, name)
    from botocore.exceptions import ClientError

    what = f"delete of {kind} {name!r}"
    with explained(what):
        try:
            settled(lambda: delete_one(clients, name), _is_busy, what, told=clean)
        except ClientError as exc:
            if code_of(exc) not in GONE:
                raise


def tagged(clients: Clients, platform: str) -> Iterator[Resource]:
    """Yield every resource that a platform made in the account and region, by our tags, whatever run it was for."""
    with explained("search for resources with our tags"):
        filters = [{"Key": our_tags.RUN_TAG}, {"Key": our_tags.PLATFORM_TAG, "Values": [platform]}]
        pages = clients.tagging.get_paginator("get_resources").paginate(TagFilters=filters)
        for item in (item for page in pages for item in page["ResourceTagMappingList"]):
            tags = {tag["Key"]: tag["Value"] for tag in item["Tags"]}
            if found := _kind_of(item["ResourceARN"]):
                arn = without_account(item["ResourceARN"])
                yield our_tags.resource(*found, tags, region=clients.region, provider_id=arn)
        for page in clients.iam.get_paginator("list_roles").paginate(PathPrefix=_ROLE_PATH):  # not in that search
            for role in page["Roles"]:
                with suppress(KeyError):
                    tags = {
                        tag["Key"]: tag["Value"]
                        for tag in clients.iam.list_role_tags(RoleName=role["RoleName"])["Tags"]
                    }
                    if our_tags.are_ours(tags, platform):
                        arn = without_account(role["Arn"])
                        yield our_tags.resource("role", role["RoleName"], tags, provider_id=arn)


_KINDS = (
    (":function:", "function"), (":log-group:", "log-group"), (":s3:::", "bucket"), (":table/", "table"),
    (":repository/", "repository"), (":sqs:", "queue"),
)  # fmt: skip


def _kind_of(arn: str) -> tuple[str, str] | None:
    """Return kind and name of what an ARN names, None where we make no such thing."""
    for mark, kind in _KINDS:
        if mark in arn:
            name = arn.rpartition(":")[2] if kind == "queue" else arn.partition(mark)[2]
            return kind, name.removesuffix(":*").partition(":")[0]
    return None


def _delete_function(clients: Clients, name: str) -> None:
    clients.functions.delete_function(FunctionName=name)


def _delete_log_group(clients: Clients, name: str) -> None:
    clients.logs.delete_log_group(logGroupName=name)


def _delete_role(clients: Clients, name: str) -> None:
    iam = clients.iam
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _delete_bucket(clients: Clients, name: str) -> None:
    s3.delete_bucket(clients.s3, name, explained)


def _delete_table(clients: Clients, name: str) -> None:
    clients.dynamodb.delete_table(TableName=name)


def _delete_queue(clients: Clients, name: str) -> None:
    clients.sqs.delete_queue(QueueUrl=clients.sqs.get_queue_url(QueueName=name)["QueueUrl"])


def _delete_repository(clients: Clients, name: str) -> None:
    clients.ecr.delete_repository(repositoryName=name, force=True)


def _delete_image(_clients: Clients, name: str) -> None:
    """Remove what a build or push that was cut short left on the engine of this machine."""
    with engine() as client:
        remove_image(client, name)


_DELETE: dict[str, Callable[[Clients, str], None]] = {
    "function": _delete_function,
    "log-group": _delete_log_group,
    "role": _delete_role,
    "bucket": _delete_bucket,
    "table": _delete_table,
    "queue": _delete_queue,
    "repository": _delete_repository,
    "image": _delete_image,
}


def _is_busy(exc: Exception) -> bool:
    """Tell whether something is still being made or changed, and can be deleted in a moment."""
    return code_of(exc) in _BUSY


def _allow(actions: list[str], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}
