"""What is made in an account: how each kind of resource is made, deleted and found."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sebsx.clouds import dynamodb, s3
from sebsx.clouds import tags as our_tags
from sebsx.clouds.accounts import ResourceKind
from sebsx.clouds.pages import each_page
from sebsx.clouds.registries import IMAGE
from sebsx.clouds.s3 import create_once, listed
from sebsx_aws.errors import ERRORS, without_account
from sebsx_aws.images import delete_image
from sebsx_aws.policy import policy_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sebsx.model import Resource
    from sebsx_aws.clients import Clients

FUNCTION, LOG_GROUP, ROLE, BUCKET, TABLE, QUEUE, REPOSITORY = (
    "function", "log-group", "role", "bucket", "table", "queue", "repository",
)  # fmt: skip
_ROLE_PATH = "/sebsx/"


def _make_role(clients: Clients, name: str, tags: Mapping[str, str]) -> str:
    """Make the execution role: it may log, and use this run's bucket, table and queue."""
    iam, region = clients.iam, clients.region
    wanted = {"RoleName": name, "Path": _ROLE_PATH, "Tags": listed(tags)}
    create = partial(iam.create_role, AssumeRolePolicyDocument=policy_text("trust"), **wanted)
    made = create_once(create, "EntityAlreadyExists") or iam.get_role(RoleName=name)
    arn = str(made["Role"]["Arn"])
    _, partition, _, _, account, *_ = arn.split(":")
    policy = policy_text("function", partition=partition, region=region, account=account, name=name)
    iam.put_role_policy(RoleName=name, PolicyName="sebsx", PolicyDocument=policy)
    iam.get_waiter("role_exists").wait(RoleName=name)
    return arn


def _delete_role(clients: Clients, name: str) -> None:
    iam = clients.iam
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _make_bucket(clients: Clients, name: str, tags: Mapping[str, str]) -> str:
    s3.make_bucket(clients.s3, name, clients.region)
    clients.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": listed(tags)})
    return name


def _delete_bucket(clients: Clients, name: str) -> None:
    s3.delete_bucket(clients.s3, name, ERRORS.explained)


def _make_table(clients: Clients, name: str, tags: Mapping[str, str]) -> str:
    dynamodb.make_table(clients.dynamodb, name, Tags=listed(tags))
    return name


def _make_queue(clients: Clients, name: str, tags: Mapping[str, str]) -> str:
    """Make the queue that takes the results of asynchronous invocations, and return its URL."""
    return str(clients.sqs.create_queue(QueueName=name, tags=dict(tags))["QueueUrl"])


def _delete_queue(clients: Clients, name: str) -> None:
    clients.sqs.delete_queue(QueueUrl=clients.sqs.get_queue_url(QueueName=name)["QueueUrl"])


def _make_repository(clients: Clients, name: str, tags: Mapping[str, str]) -> str:
    """Make the repository of images, and return its URI."""
    ecr = clients.ecr
    create = partial(ecr.create_repository, repositoryName=name, tags=listed(tags))
    if made := create_once(create, "RepositoryAlreadyExistsException"):
        return str(made["repository"]["repositoryUri"])
    return str(ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryUri"])


KINDS = {
    FUNCTION: ResourceKind(delete=lambda clients, name: clients.functions.delete_function(FunctionName=name)),
    LOG_GROUP: ResourceKind(delete=lambda clients, name: clients.logs.delete_log_group(logGroupName=name)),
    ROLE: ResourceKind(make=_make_role, delete=_delete_role),
    BUCKET: ResourceKind(make=_make_bucket, delete=_delete_bucket),
    TABLE: ResourceKind(make=_make_table, delete=lambda clients, name: clients.dynamodb.delete_table(TableName=name)),
    QUEUE: ResourceKind(make=_make_queue, delete=_delete_queue),
    REPOSITORY: ResourceKind(
        make=_make_repository,
        delete=lambda clients, name: clients.ecr.delete_repository(repositoryName=name, force=True),
    ),
    IMAGE: ResourceKind(delete=delete_image),
}


def tagged(clients: Clients, platform: str) -> Iterator[Resource]:
    """Yield every resource that a platform made in the account and region, by our tags, whatever run it was for."""
    filters = [{"Key": our_tags.RUN_TAG}, {"Key": our_tags.PLATFORM_TAG, "Values": [platform]}]
    what, pages = "search for resources", clients.tagging.get_paginator("get_resources").paginate(TagFilters=filters)
    for page in each_page(what, pages, lambda page: page.get("PaginationToken")):
        for item in page["ResourceTagMappingList"]:
            if found := _kind_of(item["ResourceARN"]):
                arn, tags = without_account(item["ResourceARN"]), _read_tags(item["Tags"])
                yield our_tags.resource(*found, tags, region=clients.region, provider_id=arn)
    pages = clients.iam.get_paginator("list_roles").paginate(PathPrefix=_ROLE_PATH)  # not in that search
    for page in each_page("search for roles", pages, lambda page: page.get("Marker")):
        for role in page["Roles"]:
            tags = _read_tags(clients.iam.list_role_tags(RoleName=role["RoleName"]).get("Tags", ()))
            if our_tags.are_ours(tags, platform):
                arn = without_account(role["Arn"])
                yield our_tags.resource(ROLE, role["RoleName"], tags, provider_id=arn)


def _read_tags(told: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in told}


_BY_MARK = (
    (":function:", FUNCTION), (":log-group:", LOG_GROUP), (":s3:::", BUCKET), (":table/", TABLE),
    (":repository/", REPOSITORY), (":sqs:", QUEUE),
)  # fmt: skip


def _kind_of(arn: str) -> tuple[str, str] | None:
    """Return kind and name of what an ARN names, None where we make no such thing."""
    for mark, kind in _BY_MARK:
        if mark in arn:
            name = arn.rpartition(":")[2] if kind == QUEUE else arn.partition(mark)[2]
            return kind, name.removesuffix(":*").partition(":")[0]
    return None
