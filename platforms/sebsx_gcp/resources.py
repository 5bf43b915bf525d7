"""What a run makes in a project beside functions: made when first needed, labelled, written down, and deleted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sebsx.clouds import labels
from sebsx.clouds import tags as our_tags
from sebsx.clouds.made import Made, by_kind
from sebsx.contracts.naming import NamingRule
from sebsx.system.lazy import require
from sebsx_gcp.clients import GcpClients, explained
from sebsx_gcp.functions import GcpFunctions
from sebsx_gcp.storage import GcsStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.model import Resource

# Buckets are the strictest (Cloud Storage, "Bucket names").
_NAME = NamingRule(longest=63, shortest=3)
# Firestore has no labels: every table is a document here that holds our tags, with its items below it.
_PLACE, _TABLES, _ITEMS = "sebsx/all", "tables", "items"
_PAGE = 300  # documents in one request; Firestore takes 500 writes


class GcpResources:
    """The shared resources of one run.

    Args:
        clients: The account.
        context: Says what they are called, what each is tagged with, and where it is written down before it is made.
    """

    def __init__(self, clients: GcpClients, context: PlatformContext) -> None:
        self._clients = clients
        self._made = Made(context.ledger, partial(delete, clients), clients.region)
        self._tags = dict(context.tags)
        self.name = context.name("shared", _NAME)

    def bucket(self) -> str:
        """Return the name of the run's bucket."""
        return self._once("bucket", self._make_bucket)

    def table(self) -> str:
        """Return the name of the run's table, which exists when this returns."""
        return self._once("table", self._make_table)

    def delete_all(self) -> None:
        """Delete what was made; one that cannot be stays in the ledger, for whoever cleans up."""
        self._made.delete_all()

    def _once(self, kind: str, make: Callable[[], str]) -> str:
        with explained(f"create of {kind} {self.name!r}"):
            return self._made.once(kind, self.name, make)

    def _make_bucket(self) -> str:
        bucket = self._clients.storage.bucket(self.name)
        bucket.labels = labels.encode(self._tags)
        bucket.iam_configuration.uniform_bucket_level_access_enabled = True
        bucket.soft_delete_policy.retention_duration_seconds = 0  # else deleted objects are kept and billed for a week
        errors = require("google.api_core.exceptions", extra="gcp")
        try:
            self._clients.storage.create_bucket(bucket, location=self._clients.region)
        except errors.Conflict:  # no other has this name: the answer to an earlier attempt was lost on its way
            self._clients.storage.get_bucket(self.name)
        return self.name

    def _make_table(self) -> str:
        fields = {key: {"string_value": value} for key, value in self._tags.items()}
        write = {"update": {"name": table_path(self._clients, self.name), "fields": fields}}
        _commit(self._clients, [write])
        return self.name


def delete(clients: GcpClients, kind: str, name: str) -> None:
    """Delete one resource by its kind and name. Harmless when it is gone.

    Raises:
        PlatformError: If it exists and cannot be deleted.
    """
    delete_one = by_kind(_DELETE, kind, name)
    with explained(f"delete of {kind} {name!r}"):
        delete_one(clients, name)


def tagged(clients: GcpClients, platform: str) -> Iterator[Resource]:
    """Yield every resource that the platform made in project and region, by our tags, whatever run it was for."""
    for function in GcpFunctions(clients).all():
        tags = labels.decode(function.labels)
        if our_tags.are_ours(tags, platform):
            name = function.name.rpartition("/")[2]
            yield our_tags.resource("function", name, tags, region=clients.region, provider_id=name)
    with explained("search for resources with our labels"):
        for bucket in clients.storage.list_buckets(prefix="sebsx-"):
            tags = labels.decode(bucket.labels)
            if our_tags.are_ours(tags, platform):
                yield our_tags.resource("bucket", bucket.name, tags, region=clients.region, provider_id=bucket.name)
        for document in _query(clients, f"{clients.documents}/{_PLACE}", _TABLES):
            tags = {key: value.string_value for key, value in document.fields.items()}
            if our_tags.are_ours(tags, platform):
                name = document.name.rpartition("/")[2]
                yield our_tags.resource("table", name, tags, region=clients.region, provider_id=name)


def _delete_function(clients: GcpClients, name: str) -> None:
    GcpFunctions(clients).delete(name)


def _delete_bucket(clients: GcpClients, name: str) -> None:
    errors = require("google.api_core.exceptions", extra="gcp")
    try:
        GcsStorage(clients.storage, name).delete("")
        clients.storage.bucket(name).delete()
    except errors.NotFound:
        return


def _delete_table(clients: GcpClients, name: str) -> None:
    """Delete the items, page by page, and the document at last: a table that is half gone is still found."""
    place = table_path(clients, name)
    while found := [document.name for document in _query(clients, place, _ITEMS, limit=_PAGE)]:
        _commit(clients, [{"delete": item} for item in found])
    _commit(clients, [{"delete": place}])


_DELETE: dict[str, Callable[[GcpClients, str], None]] = {
    "function": _delete_function,
    "bucket": _delete_bucket,
    "table": _delete_table,
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
