"""Google's side of the context: Cloud Storage and Firestore over HTTP, by the standard library alone."""

import hashlib
import http.client
import json
import os
import time
from urllib.parse import quote

import sebsx_wrapper_http as shared
from sebsx_wrapper_http import check

METADATA = "metadata.google.internal"
TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105  # a path
SPARE_S = 60


class Token:
    """A token of the function's service account, asked for again before it ends."""

    def __init__(self):
        self._text, self._until_s = "", 0.0

    def read(self):
        if time.time() > self._until_s:
            connection = http.client.HTTPConnection(os.environ.get("GCE_METADATA_HOST") or METADATA, timeout=10)
            try:
                connection.request("GET", TOKEN, headers={"Metadata-Flavor": "Google"})
                response = connection.getresponse()
                status, data = response.status, response.read()
            finally:
                connection.close()
            check(status, data, "token")
            told = json.loads(data)
            self._text, self._until_s = told["access_token"], time.time() + told["expires_in"] - SPARE_S
        return self._text


token = Token()


class GoogleService(shared.HttpService):
    """One service of Google, with a token; emulators get none."""

    def _sign(self, method, path, query, headers):
        if not os.environ.get("SEBSX_ANONYMOUS"):
            headers["authorization"] = "Bearer " + token.read()
        return headers


class GcsObjects(shared.ObjectStorage):
    """Objects of the run's bucket."""

    def __init__(self, bucket):
        self._service = GoogleService("storage.googleapis.com", os.environ.get("SEBSX_STORAGE_URL"))
        self._bucket = bucket

    def _get(self, key):
        return self._service.ask("GET", "/storage/v1/b/%s/o/%s" % (self._bucket, quote(key, safe="")), "alt=media")

    def _put(self, key, body, headers):
        headers["content-type"] = "application/octet-stream"
        query = "uploadType=media&name=" + quote(key, safe="")
        return self._service.ask("POST", "/upload/storage/v1/b/%s/o" % self._bucket, query, body, headers)


class FirestoreTable:
    """Items of the run's table by partition and sort key.

    Each is a document. Its name is a digest of the partition and the sort key in hexadecimal digits,
    so that documents of a partition come in the order of their sort keys, without an index of our own.

    Args:
        place: Full name of the document that stands for the table.
    """

    def __init__(self, place):
        self._service = GoogleService("firestore.googleapis.com", os.environ.get("SEBSX_FIRESTORE_URL"))
        self._place = place
        self._documents = place[: place.index("/documents/")] + "/documents"

    def put(self, partition, sort, item):
        fields = {"partition": {"stringValue": partition}, "item": {"stringValue": json.dumps(item)}}
        self._write({"update": {"name": self._name(partition, sort), "fields": fields}})

    def get(self, partition, sort):
        (answer,) = self._ask(self._documents + ":batchGet", {"documents": [self._name(partition, sort)]})
        return _item(answer["found"]) if "found" in answer else None

    def query(self, partition):
        equal = {"field": {"fieldPath": "partition"}, "op": "EQUAL", "value": {"stringValue": partition}}
        query = {"from": [{"collectionId": "items"}], "where": {"fieldFilter": equal}}
        answers = self._ask(self._place + ":runQuery", {"structuredQuery": query})
        found = [answer["document"] for answer in answers if "document" in answer]
        return [_item(document) for document in sorted(found, key=lambda document: document["name"])]

    def delete(self, partition, sort):
        self._write({"delete": self._name(partition, sort)})

    def _name(self, partition, sort):
        digest = hashlib.sha256(partition.encode()).hexdigest()[:32]
        return "%s/items/%s-%s" % (self._place, digest, sort.encode().hex())

    def _write(self, write):
        self._ask(self._documents + ":commit", {"writes": [write]})

    def _ask(self, what, document):
        headers = {"content-type": "application/json"}
        path = "/v1/" + quote(what, safe="/:()")
        status, data = self._service.ask("POST", path, body=json.dumps(document).encode(), headers=headers)
        check(status, data, what.rpartition(":")[2])
        return json.loads(data)


def _item(document):
    return json.loads(document["fields"]["item"]["stringValue"])


def storage():
    """Return the client behind `context.storage`."""
    return GcsObjects(os.environ["SEBSX_BUCKET"])


def table():
    """Return the client behind `context.table`."""
    return FirestoreTable(os.environ["SEBSX_TABLE"])
