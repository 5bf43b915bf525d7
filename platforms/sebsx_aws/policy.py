"""The permissions that sebsx needs in an account, and nothing beyond."""

from __future__ import annotations

from typing import Any

_PREFIX = "sebsx-"


def deployer_policy(partition: str = "aws") -> dict[str, Any]:
    """Return an IAM policy for the user or role that runs sebsx: only resources whose name starts with `sebsx-`.

    Args:
        partition: `aws`, `aws-cn` or `aws-us-gov`.
    """
    start = f"arn:{partition}"
    named = {
        "lambda": ([f"{start}:lambda:*:*:function:{_PREFIX}*"], _LAMBDA),
        "logs": ([f"{start}:logs:*:*:log-group:/aws/lambda/{_PREFIX}*"], _LOGS),
        "iam": ([f"{start}:iam::*:role/sebsx/{_PREFIX}*"], _IAM),
        "s3": ([f"{start}:s3:::{_PREFIX}*"], _S3),
        "dynamodb": ([f"{start}:dynamodb:*:*:table/{_PREFIX}*"], _DYNAMODB),
        "sqs": ([f"{start}:sqs:*:*:{_PREFIX}*"], _SQS),
        "ecr": ([f"{start}:ecr:*:*:repository/{_PREFIX}*"], _ECR),
    }
    statements = [
        {"Sid": f"Sebsx{service.title()}", "Effect": "Allow", "Action": [f"{service}:{action}" for action in actions],
         "Resource": resources}
        for service, (resources, actions) in named.items()
    ]  # fmt: skip
    everywhere = ["tag:GetResources", "iam:ListRoles", "ecr:GetAuthorizationToken", "logs:DescribeLogGroups"]
    statements.append({"Sid": "SebsxSearch", "Effect": "Allow", "Action": everywhere, "Resource": ["*"]})
    return {"Version": "2012-10-17", "Statement": statements}


_LAMBDA = (
    "CreateFunction", "DeleteFunction", "GetFunction", "GetFunctionConfiguration", "UpdateFunctionConfiguration",
    "UpdateFunctionCode", "InvokeFunction", "InvokeFunctionUrl", "TagResource", "ListTags", "PublishVersion",
    "CreateAlias", "UpdateAlias", "DeleteAlias", "CreateFunctionUrlConfig", "DeleteFunctionUrlConfig",
    "PutFunctionConcurrency", "PutProvisionedConcurrencyConfig", "GetProvisionedConcurrencyConfig",
    "DeleteProvisionedConcurrencyConfig", "PutFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig",
)  # fmt: skip
_LOGS = ("CreateLogGroup", "DeleteLogGroup", "PutRetentionPolicy", "TagResource", "FilterLogEvents")
_IAM = (
    "CreateRole", "DeleteRole", "GetRole", "PassRole", "PutRolePolicy", "DeleteRolePolicy", "ListRolePolicies",
    "TagRole", "ListRoleTags",
)  # fmt: skip
_S3 = (
    "CreateBucket", "DeleteBucket", "ListBucket", "PutObject", "GetObject", "DeleteObject", "PutBucketTagging",
    "GetBucketTagging",
)  # fmt: skip
_DYNAMODB = ("CreateTable", "DeleteTable", "DescribeTable", "TagResource", "GetItem", "PutItem", "Query", "DeleteItem")
_SQS = (
    "CreateQueue",
    "DeleteQueue",
    "GetQueueUrl",
    "GetQueueAttributes",
    "ReceiveMessage",
    "DeleteMessage",
    "TagQueue",
)
_ECR = (
    "CreateRepository", "DeleteRepository", "TagResource", "PutImage", "InitiateLayerUpload", "UploadLayerPart",
    "CompleteLayerUpload", "BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer",
    "DescribeImages", "DescribeRepositories", "GetRepositoryPolicy", "SetRepositoryPolicy",
)  # fmt: skip
