"""A key-value table by the protocol of DynamoDB, at AWS or wherever a user has one: made as functions use it."""

from __future__ import annotations

from typing import Any

from sebsx.clouds.s3 import create_once

PARTITION_ATTRIBUTES = ("partition", "sort")


def make_table(database: Any, name: str, **more: Any) -> None:
    """Make a table that is paid for by the request, and return when it can be used.

    Args:
        database: The client of boto3.
        name: Of the table.
        more: Further words of the request, such as `Tags`.
    """
    partition, sort = PARTITION_ATTRIBUTES
    wanted = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": partition, "AttributeType": "S"},
            {"AttributeName": sort, "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ],
        **more,
    }
    made = create_once(lambda: database.create_table(**wanted), "ResourceInUseException")
    if made is None or made["TableDescription"]["TableStatus"] != "ACTIVE":
        database.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 2})
