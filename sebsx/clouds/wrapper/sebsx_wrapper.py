"""AWS's side of the context: S3 for storage, DynamoDB for the table, by the standard library alone.

The SDK that Lambda brings costs a quarter of a second of every cold start; signing a request costs 50 us.
Source of the signature: AWS General Reference, "Signature Version 4 signing process".
"""

import hashlib
import hmac
import os
import time
from urllib.parse import quote

import sebsx_wrapper_http as shared
from sebsx_wrapper_http import check

UNSIGNED = "UNSIGNED-PAYLOAD"


class Service(shared.HttpService):
    """One service of AWS over a kept connection, with signed requests.

    Args:
        name: As the signature names it: `s3`, `dynamodb`.
        host: Host of the service where no endpoint is set.
        endpoint: URL of another endpoint, or None.
    """

    def __init__(self, name, host, endpoint):
        super().__init__(host, endpoint)
        self._name = name
        self._region = os.environ["AWS_REGION"]

    def _asks_again(self, status, data):
        return super()._asks_again(status, data) or b"Throughput" in data[:200]

    def _sign(self, method, path, query, headers, digest=UNSIGNED):
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        day = now[:8]
        headers["host"] = self._host
        headers["x-amz-date"] = now
        headers["x-amz-content-sha256"] = digest
        if os.environ.get("AWS_SESSION_TOKEN"):
            headers["x-amz-security-token"] = os.environ["AWS_SESSION_TOKEN"]
        names = sorted(headers)
        listed = ";".join(names)
        canonical = "\n".join(
            [method, path, query, "".join("%s:%s\n" % (name, headers[name]) for name in names), listed, digest]
        )
        scope = "%s/%s/%s/aws4_request" % (day, self._region, self._name)
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
        for part in (day, self._region, self._name, "aws4_request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = key.hex()
        headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
            os.environ["AWS_ACCESS_KEY_ID"],
            scope,
            listed,
            signature,
        )
        return headers


class S3Storage(shared.ObjectStorage):
    """Objects of the run's bucket."""

    def __init__(self, bucket):
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        host = "%s.s3.%s" % (bucket, domain())
        self._service = Service("s3", host, endpoint)
        self._prefix = "/%s/" % bucket if endpoint else "/"

    def _get(self, key):
        return self._service.ask("GET", self._path(key))

    def _put(self, key, body, headers):
        return self._service.ask("PUT", self._path(key), body=body, headers=headers)

    def _path(self, key):
        return self._prefix + quote(key, safe="/-_.~")


class DynamoTable:
    """Items of the run's table by partition and sort key."""

    def __init__(self, name):
        import json

        self._dumps, self._loads = json.dumps, json.loads
        self._name = name
        endpoint = os.environ.get("AWS_ENDPOINT_URL_DYNAMODB") or os.environ.get("AWS_ENDPOINT_URL")
        self._service = Service("dynamodb", "dynamodb." + domain(), endpoint)

    def put(self, partition, sort, item):
        self._ask("PutItem", {"Item": {**key(partition, sort), "item": {"S": self._dumps(item)}}})

    def get(self, partition, sort):
        found = self._ask("GetItem", {"Key": key(partition, sort), "ConsistentRead": True}).get("Item")
        return None if found is None else self._loads(found["item"]["S"])

    def query(self, partition):
        wanted = {
            "KeyConditionExpression": "#p = :p",
            "ExpressionAttributeNames": {"#p": "partition"},
            "ExpressionAttributeValues": {":p": {"S": partition}},
            "ConsistentRead": True,
        }
        found = []
        while True:
            page = self._ask("Query", wanted)
            found += [self._loads(item["item"]["S"]) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return found
            wanted["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def delete(self, partition, sort):
        self._ask("DeleteItem", {"Key": key(partition, sort)})

    def _ask(self, action, document):
        body = self._dumps({"TableName": self._name, **document}).encode()
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810." + action}
        digest = hashlib.sha256(body).hexdigest()
        status, data = self._service.ask("POST", "/", body=body, headers=headers, digest=digest)
        check(status, data, action)
        return self._loads(data)


def domain():
    """Return the region and the domain of AWS's services in it."""
    region = os.environ["AWS_REGION"]
    return region + (".amazonaws.com.cn" if region.startswith("cn-") else ".amazonaws.com")


def key(partition, sort):
    """Return the key of an item."""
    return {"partition": {"S": partition}, "sort": {"S": sort}}


def storage():
    """Return the client behind `context.storage`."""
    return S3Storage(os.environ["SEBSX_BUCKET"])


def table():
    """Return the client behind `context.table`."""
    return DynamoTable(os.environ["SEBSX_TABLE"])
