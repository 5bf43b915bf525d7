"""Buckets by the protocol of S3: one that an earlier attempt has made is taken, one of somebody else is not."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from sebsx.clouds.s3 import make_bucket


@pytest.fixture
def s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client to which the creation of a bucket is answered with an error."""
    client = boto3.client("s3", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")

    def create(**_words: str) -> None:
        raise ClientError({"Error": {"Code": request.param}}, "CreateBucket")

    monkeypatch.setattr(client, "create_bucket", create)
    return client


@pytest.mark.parametrize("s3", ["BucketAlreadyOwnedByYou"], indirect=True)
def test_bucket_of_an_attempt_whose_answer_was_lost_is_taken(s3: Any) -> None:
    with Stubber(s3) as stub:
        stub.add_response("head_bucket", {"ResponseMetadata": {"HTTPStatusCode": 200}})
        make_bucket(s3, "sebsx-mine", "eu-central-1")
        stub.assert_no_pending_responses()  # it was waited for


@pytest.mark.parametrize("s3", ["BucketAlreadyExists"], indirect=True)
def test_bucket_of_somebody_else_is_an_error(s3: Any) -> None:
    with pytest.raises(ClientError, match="BucketAlreadyExists"):
        make_bucket(s3, "sebsx-mine", "eu-central-1")
