"""Cosmos DB behind `context.table`, over HTTP, by the standard library alone."""

import base64
import hashlib
import hmac
import json
from email.utils import formatdate
from urllib.parse import quote, urlsplit

import sebsx_wrapper_http as shared
from sebsx_wrapper_http import check

VERSION = "2018-12-31"
QUERY = "SELECT c.id, c.item FROM c WHERE c.partition = @partition"
MORE = "x-ms-continuation"


class CosmosService(shared.HttpService):
    """One account of Cosmos DB.

    Args:
        origin: Scheme and host.
        key: Of the account, base64.
    """

    def __init__(self, origin, key):
        super().__init__("", origin)
        self._key = base64.b64decode(key)

    def _sign(self, method, path, query, headers, link):
        date = formatdate(usegmt=True)
        said = "%s\ndocs\n%s\n%s\n\n" % (method.lower(), link, date.lower())
        proof = base64.b64encode(hmac.new(self._key, said.encode(), hashlib.sha256).digest()).decode()
        told = quote("type=master&ver=1.0&sig=" + proof, safe="")
        return {**headers, "authorization": told, "x-ms-date": date, "x-ms-version": VERSION}


class CosmosTable:
    """Items of the run's container by partition and sort key.

    Keys are written as hexadecimal digits, which keep their order: not every letter may be in an id. An item is kept as
    text, for numbers of Cosmos DB have no more than 53 bits.
    """

    def __init__(self, url, key):
        parts = urlsplit(url)
        self._path = parts.path
        self._service = CosmosService("%s://%s" % (parts.scheme, parts.netloc), key)

    def put(self, partition, sort, item):
        document = {"id": _hex(sort), "partition": _hex(partition), "item": json.dumps(item)}
        self._ask("POST", partition, "", document, {"x-ms-documentdb-is-upsert": "true"})

    def get(self, partition, sort):
        found = self._ask("GET", partition, "/" + _hex(sort), missing=404)
        return None if found is None else json.loads(found["item"])

    def query(self, partition):
        headers = {"x-ms-documentdb-isquery": "true", "content-type": "application/query+json"}
        wanted = {"query": QUERY, "parameters": [{"name": "@partition", "value": _hex(partition)}]}
        found = []
        while True:
            found += self._ask("POST", partition, "", wanted, headers)["Documents"]
            more = self._service.answered.get(MORE)
            if not more:
                return [json.loads(each["item"]) for each in sorted(found, key=lambda each: each["id"])]
            headers[MORE] = more

    def delete(self, partition, sort):
        self._ask("DELETE", partition, "/" + _hex(sort), missing=404)

    def _ask(self, method, partition, document, body=None, headers=None, missing=None):
        told = {"x-ms-documentdb-partitionkey": json.dumps([_hex(partition)]), **(headers or {})}
        data = b"" if body is None else json.dumps(body).encode()
        if data:
            told.setdefault("content-type", "application/json")
        link = (self._path + ("/docs" + document if document else "")).lstrip("/")  # of the parent, for a whole feed
        status, answer = self._service.ask(method, self._path + "/docs" + document, "", data, told, link=link)
        if status == missing:
            return None
        check(status, answer, "%s of the table" % method)
        return json.loads(answer) if answer else None


def _hex(text):
    return text.encode().hex()
