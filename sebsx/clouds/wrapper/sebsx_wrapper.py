"""AWS's side of the context: S3 for storage, DynamoDB for the table, by the standard library alone.

The SDK that Lambda brings costs a quarter of a second of every cold start; signing a request costs 50 us.
Source of the signature: AWS General Reference, "Signature Version 4 signing process".
"""

import hashlib
import hmac
import http.client
import os
import time
from urllib.parse import quote, urlsplit

TIMEOUT_S = 60
ATTEMPTS = 4
UNSIGNED = "UNSIGNED-PAYLOAD"


class Service:
    """One service of AWS over a kept connection, with signed requests.

    Args:
        name: As the signature names it: `s3`, `dynamodb`.
        host: Host of the service where no endpoint is set.
        endpoint: URL of another endpoint, or None.
    """

    def __init__(self, name, host, endpoint):
        self._name = name
        self._region = os.environ["AWS_REGION"]
        parts = urlsplit(endpoint or "https://" + host)
        self._host = parts.netloc
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = None

    def ask(self, method, path, query="", body=b"", headers=None, digest=UNSIGNED):
        """Send a signed request and return (status, body); tries again where AWS asks for it."""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(0.05 * 2**attempt)
                if hasattr(body, "seek"):
                    body.seek(0)
            try:
                if self._connection is None:
                    self._connection = self._kind(self._host, timeout=TIMEOUT_S)
                signed = self._sign(method, path, query, dict(headers or {}), digest)
                self._connection.request(method, path + ("?" + query if query else ""), body, signed)
                response = self._connection.getresponse()
                data = response.read()
            except (OSError, http.client.HTTPException):
                self._close()
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            if response.status < 500 and response.status != 429 and b"Throughput" not in data[:200]:
                break
        return response.status, data

    def _close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _sign(self, method, path, query, headers, digest):
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


class S3Storage:
    """Objects of the run's bucket."""

    def __init__(self, bucket):
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        host = "%s.s3.%s" % (bucket, domain())
        self._service = Service("s3", host, endpoint)
        self._prefix = "/%s/" % bucket if endpoint else "/"

    def download(self, key):
        status, data = self._service.ask("GET", self._path(key))
        if status == 404:
            raise LookupError("storage holds no object %r" % (key,))
        check(status, data, "read of %r" % (key,))
        return data

    def upload(self, key, data):
        headers = {"content-length": str(len(data))}
        check(*self._service.ask("PUT", self._path(key), body=data, headers=headers), "write of %r" % (key,))

    def download_file(self, key, path):
        with open(path, "wb") as file:
            file.write(self.download(key))

    def upload_file(self, key, path):
        with open(path, "rb") as file:
            headers = {"content-length": str(os.fstat(file.fileno()).st_size)}
            check(*self._service.ask("PUT", self._path(key), body=file, headers=headers), "write of %r" % (key,))

    def _path(self, key):
        if not key or any(part in ("", ".", "..") for part in key.split("/")) or "\0" in key:
            raise ValueError("storage key %r cannot be used" % (key,))
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


def check(status, data, what):
    """Raise what AWS said when it refused."""
    if not 200 <= status < 300:
        raise OSError("%s failed with %d: %s" % (what, status, data[:300].decode("utf-8", "replace")))


def storage():
    """Return the client behind `context.storage`."""
    return S3Storage(os.environ["SEBSX_BUCKET"])


def table():
    """Return the client behind `context.table`."""
    return DynamoTable(os.environ["SEBSX_TABLE"])
