"""What is made in a project: how each kind of resource is made, deleted and found."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds import labels
from sebsx.clouds.accounts import ResourceKind
from sebsx.clouds.pages import each_page
from sebsx.system.lazy import require
from sebsx_gcp.clients import pages_of
from sebsx_gcp.functions import GcpFunctions
from sebsx_gcp.storage import GcsStorage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sebsx_gcp.clients import GcpClients

FUNCTION, BUCKET, TABLE = "function", "bucket", "table"
# Firestore has no labels: every table is a document here that holds our tags, with its items below it.
_PLACE, _TABLES, _ITEMS = "sebsx/all", "tables", "items"
_PAGE = 300  # documents in one request; Firestore takes 500 writes


def _functions(clients: GcpClients) -> Iterator[tuple[str, dict[str, str]]]:
    for function in GcpFunctions(clients).all():
        yield function.name.rpartition("/")[2], labels.decode(function.labels)


def _delete_function(clients: GcpClients, name: str) -> None:
    GcpFunctions(clients).delete(name)


def _make_bucket(clients: GcpClients, name: str, tags: Mapping[str, str]) -> str:
    bucket = clients.storage.bucket(name)
    bucket.labels = labels.encode(tags)
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.soft_delete_policy.retention_duration_seconds = 0  # else deleted objects are kept and billed for a week
    errors = require("google.api_core.exceptions", extra="gcp")
    try:
        clients.storage.create_bucket(bucket, location=clients.region)
    except errors.Conflict:  # no other has this name: the answer to an earlier attempt was lost on its way
        clients.storage.get_bucket(name)
    return name


def _delete_bucket(clients: GcpClients, name: str) -> None:
    GcsStorage(clients.storage, name).delete("")
    clients.storage.bucket(name).delete()


def _buckets(clients: GcpClients) -> Iterator[tuple[str, dict[str, str]]]:
    pages = pages_of("search for buckets", clients.storage.list_buckets(prefix="sebsx-"))
    return ((bucket.name, labels.decode(bucket.labels)) for page in pages for bucket in page)


def _make_table(clients: GcpClients, name: str, tags: Mapping[str, str]) -> str:
    fields = {key: {"string_value": value} for key, value in tags.items()}
    _commit(clients, [{"update": {"name": table_path(clients, name), "fields": fields}}])
    return name


def _delete_table(clients: GcpClients, name: str) -> None:
    """Delete the items, page by page, and the document at last: a table that is half gone is still found."""
    place = table_path(clients, name)
    pages = iter(partial(_query, clients, place, _ITEMS, limit=_PAGE), [])  # until none is left
    for page in each_page("delete of items", pages, lambda page: tuple(item.name for item in page)):
        _commit(clients, [{"delete": item.name} for item in page])
    _commit(clients, [{"delete": place}])


def _tables(clients: GcpClients) -> Iterator[tuple[str, dict[str, str]]]:
    for document in _query(clients, f"{clients.documents}/{_PLACE}", _TABLES):
        yield document.name.rpartition("/")[2], {key: value.string_value for key, value in document.fields.items()}


KINDS = {
    FUNCTION: ResourceKind(delete=_delete_function, found=_functions),
    BUCKET: ResourceKind(make=_make_bucket, delete=_delete_bucket, found=_buckets),
    TABLE: ResourceKind(make=_make_table, delete=_delete_table, found=_tables),
}


def table_path(clients: GcpClients, name: str) -> str:
    """Return the full name of the document that stands for a table."""
    return f"{clients.documents}/{_PLACE}/{_TABLES}/{name}"


def _commit(clients: GcpClients, writes: list[dict[str, Any]]) -> None:
    database = clients.documents.removesuffix("/documents")
    clients.firestore.commit(request={"database": database, "writes": writes}, retry=clients.retry())


def _query(clients: GcpClients, parent: str, collection: str, limit: int = 0) -> list[Any]:
    """Return the documents of a collection."""
    query: dict[str, Any] = {"from_": [{"collection_id": collection}]}
    if limit:
        query["limit"] = limit
    found = clients.firestore.run_query(request={"parent": parent, "structured_query": query}, retry=clients.retry())
    return [answer.document for answer in found if answer.document.name]
