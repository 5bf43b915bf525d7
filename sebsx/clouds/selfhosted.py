"""What platforms on servers of the user's own share: object storage, a table and prices of the user's choice.

The storage speaks S3 (MinIO, Ceph, Garage, ...), the table DynamoDB (ScyllaDB Alternator, Dynalite, ...): functions use
them by the same clients as at AWS.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sebsx.clouds import dynamodb, s3
from sebsx.clouds.accounts import AccountPlatform, AccountSettings, CloudAccount, ResourceKind
from sebsx.clouds.amazon import check_answers, unreadable
from sebsx.clouds.certificates import text_of
from sebsx.clouds.failures import ProviderErrors, ProviderFailure
from sebsx.clouds.pages import each_page
from sebsx.clouds.refusals import Refusal, passing_over, problems
from sebsx.clouds.shipped import Shipped
from sebsx.contracts.prices import OwnPrices
from sebsx.errors import CredentialsError, UnsupportedError
from sebsx.settings import setting
from sebsx.system.homes import expanded
from sebsx.system.lazy import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sebsx.contracts.prices import Billing
    from sebsx.contracts.storage import Storage
    from sebsx.model import Problem, Reply, Scalar

logger = logging.getLogger(__name__)

BUCKET, TABLE = "bucket", "table"
TRUSTED = "SEBSX_TRUSTED"
"""The variable by which functions have the certificate of storage and table, as PEM."""
_GONE = s3.GONE | {"ResourceNotFoundException"}
STORE_ERRORS = ProviderErrors(
    code_of=s3.code_of,
    words_of=s3.words_of,
    refused=("botocore.exceptions.ClientError",),
    refusals=(
        Refusal(
            error=CredentialsError,
            codes=("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "UnrecognizedClientException"),
            advice="set access_key and secret_key",
        ),
    ),
    failures={
        **unreadable("is its URL right?"),
        "botocore.exceptions.SSLError": ProviderFailure(
            text="{what}: its certificate is not trusted; name the file of a self-signed one with "
            "--set store_certificate=...",
        ),
        "botocore.exceptions.BotoCoreError": ProviderFailure(
            text="{what}: {said}; is its URL right and the network up?"
        ),
    },
    gone=lambda exc: s3.code_of(exc) in _GONE,
)
"""What the errors of storage and table mean, as boto3 raises them."""
_REFUSED = frozenset({401, 403})
# What is said by which setting, by the service's name in boto3.
_STORES = {"s3": ("storage_url", "object storage"), "dynamodb": ("table_url", "key-value table")}


@dataclass(frozen=True, kw_only=True)
class SelfHostedSettings(AccountSettings):
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


class SelfHostedAccount(CloudAccount):
    """A server of the user's own, and the storage and table beside it. What its API raises is explained already.

    Args:
        settings: Of the platform.
    """

    def __init__(self, settings: SelfHostedSettings) -> None:
        self._hosted = settings
        self._stores: dict[str, Any] = {}

    @property
    def certificate(self) -> str:
        """File with the certificate of the server; empty for whom this machine trusts."""
        return str(expanded(self._hosted.certificate)) if self._hosted.certificate else ""

    def store(self, service: str) -> Any:
        """Return the client of boto3 for the user's storage (`s3`) or table (`dynamodb`).

        Raises:
            UnsupportedError: If the user gave none.
        """
        name, what = _STORES[service]
        url, settings = getattr(self._hosted, name), self._hosted
        if not url:
            raise UnsupportedError(f"there is no {what}; give one with --set {name}=https://...")
        if service not in self._stores:
            config = require("botocore.config", extra="aws").Config(
                connect_timeout=min(10.0, settings.answer_s),
                read_timeout=settings.answer_s,
                retries={"mode": "standard", "total_max_attempts": 3},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            self._stores[service] = _session().client(
                service,
                endpoint_url=url,
                region_name=settings.store_region,
                aws_access_key_id=settings.access_key,
                aws_secret_access_key=settings.secret_key,
                config=config,
                verify=str(expanded(certificate)) if (certificate := settings.store_certificate) else None,
            )
        return self._stores[service]

    def store_environment(self, name: str) -> dict[str, str]:
        """Return the variables by which functions find bucket and table of a name; none where the user gave neither."""
        settings = self._hosted
        urls = {
            "AWS_ENDPOINT_URL_S3": settings.storage_url_inside or settings.storage_url,
            "AWS_ENDPOINT_URL_DYNAMODB": settings.table_url_inside or settings.table_url,
        }
        found = {variable: url for variable, url in urls.items() if url}
        if not found:
            return {}
        return found | {
            "AWS_REGION": settings.store_region,
            "AWS_ACCESS_KEY_ID": settings.access_key,
            "AWS_SECRET_ACCESS_KEY": settings.secret_key,
            "SEBSX_BUCKET": name,
            "SEBSX_TABLE": name,
            **({TRUSTED: text_of(settings.store_certificate)} if settings.store_certificate else {}),
        }

    def store_problems(self) -> Iterator[Problem]:
        """Yield what is wrong with storage and table, as far as the user gave them."""
        for service, question in (("s3", "list_buckets"), ("dynamodb", "list_tables")):
            if getattr(self._hosted, _STORES[service][0]):
                yield from problems(partial(self._ask, service, question))

    def close(self) -> None:
        """Close every connection. A second call is harmless."""
        for client in self._stores.values():
            client.close()
        self._stores.clear()

    def _ask(self, service: str, question: str) -> None:
        with STORE_ERRORS.explained(f"check of {_STORES[service][0]}"):
            getattr(self.store(service), question)()

    def make_bucket(self, name: str, tags: Mapping[str, str]) -> str:
        """Make a bucket and return its name."""
        client = self.store("s3")
        with STORE_ERRORS.explained(f"create of bucket {name!r}"):
            s3.make_bucket(client, name, self._hosted.store_region)
            try:
                client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": s3.listed(tags)})
            except client.exceptions.ClientError as exc:
                logger.info("bucket %r carries no tags: %s", name, s3.code_of(exc))
        return name

    def make_table(self, name: str, _tags: Mapping[str, str]) -> str:
        """Make a table and return its name. It has no tags, which most databases of this kind do not know."""
        client = self.store("dynamodb")
        with STORE_ERRORS.explained(f"create of table {name!r}"):
            dynamodb.make_table(client, name)
        return name

    def delete_bucket(self, name: str) -> None:
        """Delete a bucket with all that is in it. Harmless when it is gone."""
        client = self.store("s3")
        with STORE_ERRORS.explained(f"delete of bucket {name!r}"), passing_over(STORE_ERRORS.is_gone):
            s3.delete_bucket(client, name, _as_it_is)

    def delete_table(self, name: str) -> None:
        """Delete a table. Harmless when it is gone."""
        client = self.store("dynamodb")
        with STORE_ERRORS.explained(f"delete of table {name!r}"), passing_over(STORE_ERRORS.is_gone):
            client.delete_table(TableName=name)

    def buckets(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield all buckets with their tags."""
        if not self._hosted.storage_url:
            return
        client = self.store("s3")
        with STORE_ERRORS.explained("search for buckets with our tags"):
            for bucket in client.list_buckets().get("Buckets", ()):
                yield bucket["Name"], _tags_of(client, bucket["Name"])


S = TypeVar("S", bound=SelfHostedSettings)
A = TypeVar("A", bound=SelfHostedAccount)


class SelfHostedPlatform(AccountPlatform[S, A]):
    """A platform on servers of the user's own; its `kinds` are its own beside `STORES`."""

    ships: ClassVar[Shipped] = Shipped(package="sebsx.clouds")

    @abstractmethod
    def credentials_advice(self) -> str:
        """Return what to do where the server accepts the credentials no more."""

    @property
    def certificates(self) -> str:
        """What is in the file that the settings name."""
        return text_of(self.settings.certificate)

    def billing(self, options: Mapping[str, Scalar]) -> Billing:
        """Return the user's own prices, where there are any."""
        gb_s_usd, invocation_usd = self.settings.price_per_gb_s_usd, self.settings.price_per_request_usd
        own = None if gb_s_usd is None else OwnPrices(gb_s_usd=gb_s_usd, invocation_usd=invocation_usd or 0.0)
        return replace(super().billing(options), own=own)

    def denial(self, reply: Reply) -> str | None:
        """Return that the server refused, and what to do."""
        return f"HTTP {reply.http_status}; {self.credentials_advice()}" if reply.http_status in _REFUSED else None

    def storage(self) -> Storage:
        """Return the run's bucket."""
        return s3.S3Storage(self.account.store("s3"), self.shared(BUCKET), STORE_ERRORS.explained)


STORES: Mapping[str, ResourceKind[SelfHostedAccount]] = {
    BUCKET: ResourceKind(
        make=SelfHostedAccount.make_bucket, delete=SelfHostedAccount.delete_bucket, found=SelfHostedAccount.buckets
    ),
    TABLE: ResourceKind(make=SelfHostedAccount.make_table, delete=SelfHostedAccount.delete_table),
}
"""Kinds of resources that every platform on servers of the user's own makes."""


def paged(ask: Any, size: int) -> Iterator[Any]:
    """Yield the items of a listing, page by page.

    Args:
        ask: Returns the items of a page, by how many come before it; fewer than a page are the last.
        size: Most items of a page.
    """

    def pages() -> Iterator[Any]:
        skip, items = 0, ask(0)
        while len(items) >= size:
            yield items
            skip += len(items)
            items = ask(skip)
        yield items

    for items in each_page("the listing", pages(), lambda items: hash(repr(items)) if len(items) >= size else None):
        yield from items


@cache
def _session() -> Any:
    """Return what makes clients: descriptions of services are read once."""
    for noisy in ("boto3", "botocore", "urllib3"):  # they tell keys, signatures and payloads
        logging.getLogger(noisy).setLevel(logging.WARNING)
    session = require("boto3", extra="aws").session.Session()
    check_answers(session)
    return session


@contextmanager
def _as_it_is(_what: str) -> Iterator[None]:
    yield


def _tags_of(client: Any, bucket: str) -> dict[str, str]:
    with suppress(client.exceptions.ClientError):  # it has none, or the storage knows no tags
        told = client.get_bucket_tagging(Bucket=bucket)
        return {tag["Key"]: tag["Value"] for tag in told.get("TagSet", ())}
    return {}
