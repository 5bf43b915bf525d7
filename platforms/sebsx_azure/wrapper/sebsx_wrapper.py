"""Azure's side of the context: Blob and Table storage over HTTP, by the standard library alone.

Both are reached by URLs that carry a signature, which is good for them alone.
"""

import json
import os
from urllib.parse import quote, urlsplit

import sebsx_wrapper_http as shared
from sebsx_wrapper_http import check

VERSION = "2021-12-02"
PIECE = 30000  # characters of a property: Azure takes 64 KiB of UTF-16
NEXT = (("x-ms-continuation-NextPartitionKey", "NextPartitionKey"), ("x-ms-continuation-NextRowKey", "NextRowKey"))


class AzureService(shared.HttpService):
    """One service of a storage account.

    Args:
        url: Of a container or a table, with the signature behind it.
    """

    def __init__(self, url):
        parts = urlsplit(url)
        super().__init__(parts.netloc, "%s://%s" % (parts.scheme, parts.netloc))
        self.path, self._signature = parts.path, parts.query

    def ask_signed(self, method, path, query="", body=b"", headers=None):
        """Send a request below the path of the URL, with its signature."""
        told = {"x-ms-version": VERSION, **(headers or {})}
        return self.ask(method, self.path + path, "&".join(filter(None, (query, self._signature))), body, told)


class BlobObjects(shared.ObjectStorage):
    """Objects of the run's container."""

    def __init__(self, url):
        self._service = AzureService(url)

    def _get(self, key):
        return self._service.ask_signed("GET", "/" + quote(key, safe="/"))

    def _put(self, key, body, headers):
        headers["x-ms-blob-type"] = "BlockBlob"
        return self._service.ask_signed("PUT", "/" + quote(key, safe="/"), "", body, headers)


class StorageTable:
    """Items of the run's table by partition and sort key.

    Keys are written as hexadecimal digits, which keep their order: Azure takes not every letter in them. An item is
    cut into pieces, since a property holds no more than 64 KiB.
    """

    def __init__(self, url):
        self._service = AzureService(url)

    def put(self, partition, sort, item):
        text = json.dumps(item)
        entity = {"p%03d" % (at // PIECE): text[at : at + PIECE] for at in range(0, len(text), PIECE)}
        self._ask("PUT", _key(partition, sort), "", json.dumps(entity).encode())

    def get(self, partition, sort):
        found = self._ask("GET", _key(partition, sort), missing=404)
        return None if found is None else _item(found)

    def query(self, partition):
        wanted = "$filter=" + quote("PartitionKey eq '%s'" % _hex(partition))
        more, found = "", []
        while True:
            found += self._ask("GET", "()", wanted + more)["value"]
            more = "".join(
                "&%s=%s" % (name, quote(self._service.answered[header], safe=""))
                for header, name in NEXT
                if self._service.answered.get(header)
            )
            if not more:
                return [_item(entity) for entity in sorted(found, key=lambda entity: entity["RowKey"])]

    def delete(self, partition, sort):
        self._ask("DELETE", _key(partition, sort), headers={"if-match": "*"}, missing=404)

    def _ask(self, method, path, query="", body=b"", headers=None, missing=None):
        told = {"accept": "application/json;odata=nometadata", "content-type": "application/json", **(headers or {})}
        status, data = self._service.ask_signed(method, path, query, body, told)
        if status == missing:
            return None
        check(status, data, "%s of the table" % method)
        return json.loads(data) if data else None


def _hex(text):
    return text.encode().hex()


def _key(partition, sort):
    return "(PartitionKey='%s',RowKey='%s')" % (_hex(partition), _hex(sort))


def _item(entity):
    return json.loads("".join(entity[name] for name in sorted(entity) if name[0] == "p" and name[1:].isdigit()))


def storage():
    """Return the client behind `context.storage`."""
    return BlobObjects(os.environ["SEBSX_CONTAINER_URL"])


def table():
    """Return the client behind `context.table`."""
    if "SEBSX_COSMOS_URL" in os.environ:
        from sebsx_wrapper_cosmos import CosmosTable  # in the package where it is asked for alone

        return CosmosTable(os.environ["SEBSX_COSMOS_URL"], os.environ["SEBSX_COSMOS_KEY"])
    return StorageTable(os.environ["SEBSX_TABLE_URL"])
