"""What platforms on servers of the user's own share: object storage, a table and prices of the user's choice.

The storage speaks S3 (MinIO, Ceph, Garage, ...), the table DynamoDB (ScyllaDB Alternator, Dynalite, ...): functions use
them by the same clients as at AWS.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from sebsx.clouds import dynamodb, s3, shipped
from sebsx.clouds.certificates import text_of
from sebsx.clouds.images import one_line
from sebsx.clouds.made import Made
from sebsx.clouds.refusals import problems
from sebsx.clouds.tags import are_ours, check_ours, resource
from sebsx.clouds.targets import target_of
from sebsx.contracts.naming import NamingRule
from sebsx.contracts.platforms import Platform
from sebsx.contracts.prices import OwnPrices
from sebsx.errors import CredentialsError, PlatformError, UnsupportedError
from sebsx.model import Capability
from sebsx.settings import setting
from sebsx.system.homes import expanded
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sebsx.contracts.platforms import PlatformContext
    from sebsx.contracts.prices import Billing
    from sebsx.contracts.storage import Storage
    from sebsx.model import Deployment, Problem, Reply, Resource, Scalar, Status, Target

logger = logging.getLogger(__name__)

BUCKET, TABLE = "bucket", "table"
TRUSTED = "SEBSX_TRUSTED"
"""The variable by which functions have the certificate of storage and table, as PEM."""
_GONE = s3.GONE | {"ResourceNotFoundException"}
_REFUSED = frozenset({401, 403})
_NAME = NamingRule(longest=63, shortest=3)  # of buckets, which are stricter than tables


@dataclass(frozen=True, kw_only=True)
class SelfHostedSettings:
    """Where storage and table are, and what the user's own servers cost."""

    certificate: str = setting("", help="file with the server's self-signed certificate, as PEM, to trust it")
    answer_s: float = setting(
        20.0, help="longest time until server, storage or table answers a request, in seconds", minimum=0.1
    )
    storage_url: str = setting("", help="URL of an S3-compatible object storage; default: none")
    storage_url_inside: str = setting("", help="its URL for functions; default: the same")
    table_url: str = setting("", help="URL of a DynamoDB-compatible database; default: none")
    table_url_inside: str = setting("", help="its URL for functions; default: the same")
    store_region: str = setting("us-east-1", help="region that storage and table are signed for")
    store_certificate: str = setting(
        "", help="file with the self-signed certificate of storage and table, as PEM, for driver and functions"
    )
    access_key: str = setting("", help="access key of storage and table", secret=True)
    secret_key: str = setting("", help="secret key of storage and table", secret=True)
    price_per_gb_s_usd: float | None = setting(None, help="your price of a GiB-second; default: no cost", minimum=0)
    price_per_request_usd: float | None = setting(None, help="your price of one invocation", minimum=0)
    ttl_h: float = setting(
        24.0, help="hours after which `sebsx clean` on any machine may delete what is left", minimum=0.1
    )


S = TypeVar("S", bound=SelfHostedSettings)


class SelfHostedPlatform(Platform[S]):
    """A platform on servers of the user's own.

    Whoever derives from it opens and closes it by `super()`, and hands on kinds of resources that it does not know.
    """

    settings: S
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.FORCE_COLD, Capability.RECORDS, Capability.STORAGE, Capability.TABLE, Capability.ADOPT,
            Capability.CHANGE,
        }
    )  # fmt: skip

    def __init__(self, settings: S, context: PlatformContext) -> None:
        super().__init__(settings, context)
        self._refusal: CredentialsError | None = None
        self._made: Made | None = None
        self._clients: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._refusal = None
        self._made = Made(self.ledger, self._delete, self.settings.store_region)
        return self

    def __exit__(self, *_exc: object) -> None:
        made, self._made = self._made, None
        try:
            if made is not None:
                made.delete_all()
        finally:
            self._close()

    @abstractmethod
    def credentials_advice(self) -> str:
        """Return what to do where the server takes the credentials no more."""

    @cached_property
    def store_name(self) -> str:
        """The name that bucket and table of the run have or would have."""
        return self.context.name("shared", _NAME)

    @property
    def certificates(self) -> str:
        """What is in the file that the settings name."""
        return text_of(self.settings.certificate)

    def billing(self, options: Mapping[str, Scalar]) -> Billing:
        """Return the user's own prices, where there are any."""
        gb_s_usd, invocation_usd = self.settings.price_per_gb_s_usd, self.settings.price_per_request_usd
        own = None if gb_s_usd is None else OwnPrices(gb_s_usd=gb_s_usd, invocation_usd=invocation_usd or 0.0)
        return replace(super().billing(options), own=own)

    def target(self, language: str, architecture: str) -> Target:
        """Return the version of the language that the settings name."""
        return target_of(self, language, architecture)

    def signed(self, deployment: Deployment, payload: bytes) -> Mapping[str, str]:
        """Return nothing, as long as the credentials are taken.

        Raises:
            CredentialsError: If an invocation was refused for them.
        """
        if self._refusal is not None:
            raise self._refusal
        return {}

    def refuses(self, reply: Reply) -> bool:
        """Tell whether an answer to an invocation says that the credentials are taken no more."""
        return reply.http_status in _REFUSED

    def status_of(self, reply: Reply) -> Status:
        """Remember that credentials are taken no more: what was sent is stored, then the run ends."""
        if self.refuses(reply):
            self._refusal = CredentialsError(
                f"invocations are refused with HTTP {reply.http_status}; {self.credentials_advice()}"
            )
        return super().status_of(reply)

    def storage(self) -> Storage:
        """Return the run's bucket, made when this is first asked for."""
        client = self._client("s3", self.settings.storage_url, "storage_url", "object storage")
        name = self.store_name
        with explained(f"create of bucket {name!r}"):
            self._opened.once(BUCKET, name, self._make_bucket)
        return s3.S3Storage(client, name, explained)

    def table(self) -> None:
        """Make the run's table."""
        client = self._client("dynamodb", self.settings.table_url, "table_url", "key-value table")
        name = self.store_name

        def make() -> str:
            dynamodb.make_table(client, name)
            return name

        with explained(f"create of table {name!r}"):
            self._opened.once(TABLE, name, make)

    def wrapper_files(self, language: str) -> Mapping[str, bytes]:
        """Return the clients of storage and table."""
        return shipped.wrapper_files(language)

    def store_environment(self) -> dict[str, str]:
        """Return the variables by which functions find storage and table; empty where the user gave neither."""
        settings = self.settings
        urls = {
            "AWS_ENDPOINT_URL_S3": settings.storage_url_inside or settings.storage_url,
            "AWS_ENDPOINT_URL_DYNAMODB": settings.table_url_inside or settings.table_url,
        }
        found = {name: url for name, url in urls.items() if url}
        if not found:
            return {}
        return found | {
            "AWS_REGION": settings.store_region,
            "AWS_ACCESS_KEY_ID": settings.access_key,
            "AWS_SECRET_ACCESS_KEY": settings.secret_key,
            "SEBSX_BUCKET": self.store_name,
            "SEBSX_TABLE": self.store_name,
            **({TRUSTED: text_of(settings.store_certificate)} if settings.store_certificate else {}),
        }

    def store_problems(self) -> Iterator[Problem]:
        """Yield what is wrong with storage and table, as far as the user gave them."""
        asked = (
            ("s3", self.settings.storage_url, "storage_url", "list_buckets"),
            ("dynamodb", self.settings.table_url, "table_url", "list_tables"),
        )
        for service, url, name, question in asked:
            if not url:
                continue
            yield from problems(partial(self._try, service, url, name, question))

    def _try(self, service: str, url: str, name: str, question: str) -> None:
        with explained(f"check of {name}"):
            getattr(self._client(service, url, name, name), question)()

    def store_orphans(self) -> Iterator[Resource]:
        """Yield buckets with our tags. Tables carry none in most databases of this kind: only the ledger knows them."""
        if not self.settings.storage_url:
            return
        client = self._client("s3", self.settings.storage_url, "storage_url", "object storage")
        with explained("search for buckets with our tags"):
            for bucket in client.list_buckets().get("Buckets", ()):
                tags = _tags_of(client, bucket["Name"])
                if are_ours(tags, self.name):
                    yield resource(BUCKET, bucket["Name"], tags, region=self.settings.store_region)

    def remove(self, resource: Resource) -> None:
        """Delete a bucket or a table; one whose tags are known and not ours is refused."""
        check_ours(resource, self.name)
        try:
            self._delete(resource.kind, resource.name)
        finally:
            if self._made is None:
                self._close()

    def _delete(self, kind: str, name: str) -> None:
        """Delete a resource by its kind and name. Harmless when it is gone; override it for kinds of your own."""
        self._delete_store(kind, name)

    def _delete_store(self, kind: str, name: str) -> None:
        if kind not in (BUCKET, TABLE):
            raise UnsupportedError(f"resource {name!r} is of kind {kind!r}, which this platform does not make")
        with explained(f"delete of {kind} {name!r}"):
            try:
                if kind == BUCKET:
                    client = self._client("s3", self.settings.storage_url, "storage_url", "object storage")
                    s3.delete_bucket(client, name, _as_it_is)
                else:
                    client = self._client("dynamodb", self.settings.table_url, "table_url", "key-value table")
                    client.delete_table(TableName=name)
            except require("botocore.exceptions", extra="aws").ClientError as exc:
                if s3.code_of(exc) not in _GONE:
                    raise

    def _make_bucket(self) -> str:
        client, name = self._clients["s3"], self.store_name
        s3.make_bucket(client, name, self.settings.store_region)
        try:
            client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": s3.listed(self.context.tags)})
        except client.exceptions.ClientError as exc:
            logger.info("bucket %r carries no tags: %s", name, s3.code_of(exc))
        return name

    def _client(self, service: str, url: str, name: str, what: str) -> Any:
        """Return the client of boto3 for a service of the user's.

        Raises:
            UnsupportedError: If the user gave none.
        """
        if not url:
            raise UnsupportedError(f"platform {self.name!r} has no {what}; give one with --set {name}=https://...")
        if service not in self._clients:
            config = require("botocore.config", extra="aws").Config(
                connect_timeout=min(10.0, self.settings.answer_s),
                read_timeout=self.settings.answer_s,
                retries={"mode": "standard", "total_max_attempts": 3},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            self._clients[service] = _session().client(
                service,
                endpoint_url=url,
                region_name=self.settings.store_region,
                aws_access_key_id=self.settings.access_key,
                aws_secret_access_key=self.settings.secret_key,
                config=config,
                verify=str(expanded(certificate)) if (certificate := self.settings.store_certificate) else None,
            )
        return self._clients[service]

    def _close(self) -> None:
        """Close every connection. A second call is harmless."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    @property
    def _opened(self) -> Made:
        if self._made is None:
            raise PlatformError(f"platform {self.name!r} is not open; use it in a `with` block")
        return self._made


def paged(ask: Any, size: int) -> Iterator[Any]:
    """Yield the items of a listing, page by page.

    Args:
        ask: Returns the items of a page, by how many come before it; fewer than a page are the last.
        size: Most items of a page.
    """
    skip = 0
    while True:
        items = ask(skip)
        yield from items
        if len(items) < size:
            return
        skip += len(items)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what boto3 raises in the body into an error of ours that says what to do.

    Args:
        what: What was being done, for the message: `create of bucket 'b'`.
    """
    exceptions = require("botocore.exceptions", extra="aws")
    try:
        yield
    except exceptions.ClientError as exc:
        code = s3.code_of(exc)
        if code in {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "UnrecognizedClientException"}:
            raise CredentialsError(f"{what} is refused ({code}); set access_key and secret_key") from exc
        raise PlatformError(f"{what} failed: {one_line(str(exc))}") from exc
    except exceptions.BotoCoreError as exc:
        if isinstance(exc, exceptions.SSLError):
            raise PlatformError(
                f"{what}: its certificate is not trusted; name the file of a self-signed one with "
                "--set store_certificate=..."
            ) from exc
        raise PlatformError(f"{what} failed: {one_line(str(exc))}; is its URL right and the network up?") from exc


@cache
def _session() -> Any:
    """Return what makes clients: descriptions of services are read once."""
    for noisy in ("boto3", "botocore", "urllib3"):  # they tell keys, signatures and payloads
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return require("boto3", extra="aws").session.Session()


@contextmanager
def _as_it_is(_what: str) -> Iterator[None]:
    yield


def _tags_of(client: Any, bucket: str) -> dict[str, str]:
    with suppress(client.exceptions.ClientError):  # it has none, or the storage knows no tags
        told = client.get_bucket_tagging(Bucket=bucket)
        return {tag["Key"]: tag["Value"] for tag in told.get("TagSet", ())}
    return {}
