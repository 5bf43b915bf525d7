"""The account: a server on loopback that takes what boto3 sends."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import time
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote

from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.utils import unix_time_millis
from moto.ecr.models import Image
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from tests.emulated_aws import faults
from tests.emulated_aws.data_plane import DataPlane, Outcome, report, restore_report
from tests.emulated_aws.registry import Pushed, Registry
from tests.faults import Fault
from tests.laws import Law

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

REGION = "us-east-1"
# Of the URLs behind which code is; must be seen nowhere else.
SIGNATURE = "emulated0signature"
_FUNCTIONS = "/2015-03-31/functions"
_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?$")
_PROVISIONED = re.compile(r"/2019-09-30/functions/([^/]+)/provisioned-concurrency/?$")
_STATE = re.compile(r"/2015-03-31/functions/([^/]+)(/configuration|/code)?/?$")
_CODE = re.compile(r"/emulated-code/([^/]+)/([^/]+)$")
_URL_CONFIG = re.compile(r"/2021-10-31/functions/[^/]+/url/?$")
_URL = re.compile(r"https://([0-9a-f]{32})\.lambda-url\.([a-z0-9-]+)\.on\.aws/?")
_URL_HOST = re.compile(r"([0-9a-f]{32})\.lambda-url\.")
_REGISTRY = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com")
_ECR = "AmazonEC2ContainerRegistry_V20150921."
_SEARCH = "ResourceGroupsTaggingAPI_20170126.GetResources"
_SCOPE = re.compile(r"Credential=([^/]+)/(\d+)/([^/]+)/([^/]+)/aws4_request")
_SYNC_BYTES = 6 * 1024 * 1024
_ASYNC_BYTES = 1024 * 1024
_TAIL_BYTES = 4096


# What Lambda keeps of a function and tells again, and moto forgets.
_KEPT = ("DeadLetterConfig", "FileSystemConfigs", "LoggingConfig", "RuntimeConfig", "DurableConfig")
# Of an account without a higher quota; AWS gives new ones less.
MOST_MEMORY_MIB = 10240
FUNCTION_KEY = "ASIAEMULATEDFUNCTION"


class Seen(NamedTuple):
    """A request: `target` is `X-Amz-Target` or the `Action` of a form, `key` who signed it, by its access key."""

    method: str
    path: str
    target: str
    key: str


class EmulatedAccount:
    """An account of its own for each instance; everything in it is gone on exit.

    Args:
        workdir: Folder for code and sandboxes.
        log_delay_s: How long log events take to become visible.
        settle_s: How long a function stays `Pending`, or an update `InProgress`.
        port: Port on 127.0.0.1; 0 for any free one.

    Attributes:
        faults: What goes wrong on purpose; may be changed at any time.
        registry: What ECR stands in front of; it runs once ECR was asked for anything.
        requests: Every request so far.
        also: By function, what Lambda tells of its configuration beyond moto; may be changed at any time.
        locked: Functions whose code has a key that the caller may not use.
        most_memory_mib: Quota of the memory of a function.
        law: How it treats sandboxes and calls; for functions that are deployed after it was changed.
    """

    def __init__(self, workdir: Path, *, log_delay_s: float = 0.0, settle_s: float = 0.0, port: int = 0) -> None:
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.log_delay_s = log_delay_s
        self.settle_s = settle_s
        self.law = Law()
        self._workdir = workdir
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", port, self._answer, threaded=True, request_handler=_Quiet)
        self.port = self._server.port
        self.url = f"http://127.0.0.1:{self.port}"
        self._life = 0  # counted, so that what is late does not come into the next
        self.also: dict[str, dict[str, Any]] = defaultdict(dict)
        self.locked: set[str] = set()
        self.most_memory_mib = MOST_MEMORY_MIB
        self._code_keys: dict[str, str | None] = {}
        self._provisioned: dict[tuple[str, str], dict[str, Any]] = {}
        self._settled: dict[str, float] = defaultdict(float)
        # The password is that of moto's tokens.
        self.registry = Registry(workdir / "registry", f"{DEFAULT_ACCOUNT_ID}-auth-token")
        self._data = DataPlane(workdir, self.url, self.registry)
        self._registering = threading.Lock()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        _reset()
        self._data.start()
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._data.stop()
        self.registry.stop()
        _reset()

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which any AWS client finds this account and no other."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAEMULATEDACCOUNT0",
            "AWS_SECRET_ACCESS_KEY": "emulated/secret+key",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def reset(self) -> None:
        """Empty the account and forget every fault and request; sandboxes end."""
        self._life += 1
        self.faults.clear()
        self.requests.clear()
        self._settled.clear()
        self._provisioned.clear()
        self.also.clear()
        self.locked.clear()
        self.most_memory_mib = MOST_MEMORY_MIB
        self.log_delay_s = self.settle_s = 0.0
        self._data.clear()
        self.law = Law()
        _reset()

    def fail(self, method: str, path: str, code: int, error: str, message: str = "", **more: Any) -> None:
        """Let requests fail, see `Fault`."""
        self.faults.append(Fault(method, path, code, error, message or "as the test wants it", **more))

    def functions(self, region: str = REGION) -> list[str]:
        """Return the names of the functions."""
        return self.remaining(region).get("functions", [])

    def retag(self, function: str, name: str, value: str, region: str = REGION) -> None:
        """Change a tag of a function."""
        backend = _backend(get_backend("lambda"), region)
        backend.tag_resource(backend.get_function(function).function_arn, {name: value})

    def remaining(self, region: str = REGION) -> dict[str, list[str]]:
        """Return the names of everything that is in the account, by kind; kinds without any are left out."""
        lambdas, logs = get_backend("lambda"), get_backend("logs")
        found: dict[str, Iterable[str]] = {
            "functions": [item.function_name for item in _backend(lambdas, region).list_functions()],
            "roles": [role.name for role in _backend(get_backend("iam"), "aws").roles.values()],
            "buckets": list(_backend(get_backend("s3"), "aws").buckets),
            "tables": list(_backend(get_backend("dynamodb"), region).tables),
            "queues": list(_backend(get_backend("sqs"), region).queues),
            "repositories": list(_backend(get_backend("ecr"), region).repositories),
            "log groups": list(_backend(logs, region).groups),
        }
        return {kind: sorted(names) for kind, names in found.items() if list(names)}

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        target = request.headers.get("X-Amz-Target", "")
        if not target and request.mimetype == "application/x-www-form-urlencoded":
            target = re.sub(r".*\bAction=(\w+).*", r"\1", request.get_data(cache=True, as_text=True), flags=re.DOTALL)
        key = _SCOPE.search(request.headers.get("Authorization", ""))
        self.requests.append(Seen(request.method, request.full_path.rstrip("?"), target, key[1] if key else ""))
        for fault in self.faults:
            if fault.takes(request.method, request.path, target):
                request.get_data()
                code, headers, body = faults.answer(fault)
                return Response(body, code, headers)(environ, start_response)
        if host := _URL_HOST.match(request.host):
            return self._function_url(request, host[1])(environ, start_response)
        if found := _CODE.match(request.path):
            return self._code(request, *found.groups())(environ, start_response)
        if found := _PROVISIONED.search(request.path):
            return self._provision(request, found[1])(environ, start_response)
        if request.method == "POST" and (found := _INVOKE.search(request.path)):
            return self._invoke(request, found[1])(environ, start_response)
        if target.startswith(_ECR):
            self._know_images()
        if refusal := self._quota(request):
            return refusal(environ, start_response)
        response = _taken(self._moto, environ, request.get_data(cache=True))
        self._amend(request, response, target)
        return response(environ, start_response)

    def _amend(self, request: Request, response: Response, target: str) -> None:
        """Change what moto answered where this account is more than moto."""
        if (request.method, request.path.rstrip("/")) == ("POST", _FUNCTIONS) and response.status_code < 300:
            self._remember(json.loads(request.get_data(cache=True)))
            self._take_image(json.loads(response.get_data())["FunctionName"], response)
        elif found := _STATE.match(request.path):
            self._settle(request.method, found[1], response)
            if request.method == "GET" and response.status_code < 300:
                told = json.loads(response.get_data())
                told.get("Configuration", told).update(self.also[found[1]])
                response.set_data(json.dumps(told))
            self._tell_snapshot(found[1], response)
            if request.method == "GET" and found[2] is None:
                self._sign_code(response)
        elif _URL_CONFIG.search(request.path):
            # Names below .localhost are loopback, so that a client needs no resolver for them.
            text = response.get_data(as_text=True)
            response.set_data(_URL.sub(rf"http://\1.lambda-url.\2.localhost:{self.port}/", text))
        elif target.startswith(_ECR):
            text = response.get_data(as_text=True).replace("https://", "http://")
            response.set_data(_REGISTRY.sub(self.registry.host, text))
            if target == f"{_ECR}DeleteRepository" and response.status_code < 300:
                self.registry.delete(json.loads(request.get_data())["repositoryName"])
        elif target == _SEARCH and response.status_code < 300:
            self._find_repositories(json.loads(request.get_data()), response)

    def _remember(self, wanted: dict[str, Any]) -> None:
        """Keep what a new function has and moto forgets."""
        name = wanted["FunctionName"]
        self.also[name] |= {key: wanted[key] for key in _KEPT if key in wanted}
        self._code_keys[name] = wanted["Code"].get("SourceKMSKeyArn")
        if wanted.get("SnapStart", {}).get("ApplyOn") == "PublishedVersions":
            self._data.snapshots.add(name)

    def _know_images(self) -> None:
        """Tell moto what was pushed to its repositories."""
        with self._registering:
            self.registry.start()
        for repository in list(_backend(get_backend("ecr"), REGION).repositories.values()):
            repository.images = [_Image(pushed, repository.name) for pushed in self.registry.images(repository.name)]

    def _take_image(self, name: str, response: Response) -> None:
        """Let a function that is an image say of it what Lambda says; refuse one whose image is not in the registry."""
        functions = _backend(get_backend("lambda"), REGION)
        function = functions.get_function(name)
        if function.package_type != "Image":
            return
        uri = function.code["ImageUri"]
        host, _, place = uri.partition("/")
        repository, _, digest = place.partition("@")
        if host != self.registry.host or digest not in {image.digest for image in self.registry.images(repository)}:
            functions.delete_function(name, None)
            text = f"Source image {uri} does not exist. Provide a valid source image."
            refusal = _error(400, "InvalidParameterValueException", text)
            response.status, response.headers, response.response = refusal.status, refusal.headers, refusal.response
            return
        function.code_sha_256 = function.code_digest = digest.removeprefix("sha256:")
        function.code_size = 0
        response.set_data(json.dumps(function.get_configuration(on_create=True)))

    def _find_repositories(self, search: dict[str, Any], response: Response) -> None:
        """Add the repositories that a search by tags finds, which moto leaves out."""
        told, backend = json.loads(response.get_data()), _backend(get_backend("ecr"), REGION)
        for repository in backend.repositories.values():
            tags = backend.tagger.get_tag_dict_for_resource(repository.arn)
            if all(tags.get(item["Key"]) in item.get("Values", tags.values()) for item in search.get("TagFilters", ())):
                listed = [{"Key": key, "Value": value} for key, value in tags.items()]
                told["ResourceTagMappingList"].append({"ResourceARN": repository.arn, "Tags": listed})
        response.set_data(json.dumps(told))

    def _quota(self, request: Request) -> Response | None:
        """Refuse memory that the account does not have."""
        changes = request.path.rstrip("/") == _FUNCTIONS or _STATE.match(request.path)
        if request.method not in ("POST", "PUT") or not changes:
            return None
        wanted_mib = json.loads(request.get_data(cache=True) or b"{}").get("MemorySize", 0)
        if wanted_mib <= self.most_memory_mib:
            return None
        text = (
            "'MemorySize' value failed to satisfy constraint: "
            f"Member must have value less than or equal to {self.most_memory_mib}"
        )
        return _error(400, "InvalidParameterValueException", text)

    def _settle(self, method: str, name: str, response: Response) -> None:
        """Add the states that a function has for a while after it was changed, which moto passes at once."""
        if response.status_code >= 300:
            return
        if method == "DELETE":
            self._data.remove(name)
            self.also.pop(name, None)
        if method == "PUT":
            self._settled[name] = time.monotonic() + self.settle_s
        if method == "GET" and time.monotonic() < self._settled[name]:
            told = json.loads(response.get_data())
            told.get("Configuration", told)["LastUpdateStatus"] = "InProgress"
            response.set_data(json.dumps(told))

    def _tell_snapshot(self, name: str, response: Response) -> None:
        """Say of a published version that it starts from a snapshot, which moto forgets."""
        if response.status_code >= 300 or name not in self._data.snapshots or not response.data:
            return
        told = json.loads(response.get_data())
        configuration = told.get("Configuration", told)
        status = "Off" if configuration["Version"] == "$LATEST" else "On"
        configuration["SnapStart"] = {"ApplyOn": "PublishedVersions", "OptimizationStatus": status}
        response.set_data(json.dumps(told))

    def _sign_code(self, response: Response) -> None:
        """Say where code is: behind a signed URL, as AWS does, and here rather than in S3; an image in ECR."""
        if response.status_code >= 300:
            return
        told = json.loads(response.get_data())
        if told["Configuration"].get("PackageType", "Zip") == "Zip":
            name, version = (told["Configuration"][key] for key in ("FunctionName", "Version"))
            place = f"{self.url}/emulated-code/{name}/{quote(version)}?X-Amz-Signature={SIGNATURE}"
            told["Code"] = {"RepositoryType": "S3", "Location": place, "SourceKMSKeyArn": self._code_keys.get(name)}
            if name in self.locked:
                told["Code"] = {"RepositoryType": "S3", "Error": {"ErrorCode": "AccessDenied", "Message": "no key"}}
        else:
            told["Code"]["ResolvedImageUri"] = told["Code"]["ImageUri"]  # by digest
        response.set_data(json.dumps(told))

    def _code(self, request: Request, name: str, version: str) -> Response:
        function = self._find(REGION, name, version)
        if function is None or request.args.get("X-Amz-Signature") != SIGNATURE:
            return Response(b"<Error><Code>AccessDenied</Code></Error>", 403)
        return Response(function.code_bytes, 200, {"Content-Type": "application/zip"})

    def _provision(self, request: Request, name: str) -> Response:
        """Keep sandboxes of an alias initialised, of which moto knows nothing: ready at the second question."""
        key = name, request.args["Qualifier"]
        if request.method == "PUT":
            wanted = json.loads(request.get_data())["ProvisionedConcurrentExecutions"]
            self._data.provisioned.add(name)
            self._provisioned[key] = {
                "RequestedProvisionedConcurrentExecutions": wanted,
                "AllocatedProvisionedConcurrentExecutions": wanted,
                "Status": "IN_PROGRESS",
            }
            return Response(json.dumps(self._provisioned[key]), 202, {"Content-Type": "application/json"})
        if key not in self._provisioned:
            return _error(404, "ProvisionedConcurrencyConfigNotFoundException", f"No Provisioned Concurrency: {name}")
        told = json.dumps(self._provisioned[key])
        self._provisioned[key]["Status"] = "READY"
        return Response(told, 200, {"Content-Type": "application/json"})

    def _invoke(self, request: Request, name: str) -> Response:
        scope = _SCOPE.search(request.headers.get("Authorization", ""))
        if scope is None:
            return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        event = request.get_data()
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        limit = _ASYNC_BYTES if kind == "Event" else _SYNC_BYTES
        if len(event) > limit:
            text = f"{len(event)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
            return _error(413, "RequestEntityTooLargeException", text)
        function = self._find(scope[3], name, request.args.get("Qualifier"))
        if function is None:
            return _error(404, "ResourceNotFoundException", f"Function not found: {name}")
        request_id = str(uuid.uuid4())
        if kind == "Event":
            threading.Thread(target=self._asynchronous, args=(function, event, request_id), daemon=True).start()
            return Response(b"", 202, {"x-amzn-RequestId": request_id})
        outcome = self._run(function, event, request_id)
        if outcome.status == "throttled":
            return _error(429, "TooManyRequestsException", "Rate Exceeded.", Reason="ConcurrentInvocationLimitExceeded")
        headers = {"x-amzn-RequestId": request_id, "X-Amz-Executed-Version": str(function.version)}
        if outcome.status != "ok":
            headers["X-Amz-Function-Error"] = "Unhandled"
        if request.headers.get("X-Amz-Log-Type") == "Tail":
            tail = self._log(outcome, function, request_id).encode()[-_TAIL_BYTES:]
            headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
        return Response(outcome.body, 200, {**headers, "Content-Type": "application/json"})

    def _function_url(self, request: Request, url_id: str) -> Response:
        region = request.host.split(".")[2]
        function = self._find_url(region, url_id)
        if function is None:
            return Response(b'{"Message":null}', 403, {"Content-Type": "application/json"})
        if function.url_config.config.get("AuthType") != "NONE":
            scope = _SCOPE.search(request.headers.get("Authorization", ""))
            if scope is None or scope[4] != "lambda":
                return Response(b'{"Message":"Forbidden"}', 403, {"Content-Type": "application/json"})
        request_id = str(uuid.uuid4())
        body = request.get_data()
        event = {
            "version": "2.0", "routeKey": "$default", "rawPath": request.path, "isBase64Encoded": False,
            "rawQueryString": request.query_string.decode(), "body": body.decode(),
            "headers": {key.lower(): value for key, value in request.headers.items()},
            "requestContext": {
                "http": {"method": request.method, "path": request.path}, "requestId": request_id,
                "domainName": request.host, "timeEpoch": int(time.time() * 1000),
            },
        }  # fmt: skip
        outcome = self._run(function, json.dumps(event).encode(), request_id)
        headers = {"x-amzn-RequestId": request_id, "Content-Type": "application/json"}
        if outcome.status == "throttled":
            return Response(b'{"Message":"Rate Exceeded."}', 429, headers)
        if outcome.status != "ok":
            return Response(b"Internal Server Error", 502, headers)
        return _unfolded(json.loads(outcome.body), headers)

    def _run(self, function: Any, event: bytes, request_id: str) -> Outcome:
        self.law.carry(len(event))
        outcome = self._data.invoke(function, event, request_id, self.law.idle_s)
        if outcome.status != "throttled":
            self._store_log(function, self._log(outcome, function, request_id), outcome.sandbox)
        return outcome

    def _asynchronous(self, function: Any, event: bytes, request_id: str) -> None:
        outcome = self._run(function, event, request_id)
        told = "OnSuccess" if outcome.status == "ok" else "OnFailure"
        for config in function.event_invoke_config:
            arn = config.config.get("DestinationConfig", {}).get(told, {}).get("Destination", "")
            if ":sqs:" not in arn:
                continue
            document = {
                "version": "1.0", "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
                "requestContext": {
                    "requestId": request_id, "functionArn": f"{function.function_arn}:$LATEST",
                    "condition": "Success" if told == "OnSuccess" else "RetriesExhausted", "approximateInvokeCount": 1,
                },
                "requestPayload": json.loads(event),
                "responseContext": {"statusCode": 200, "executedVersion": str(function.version)},
                "responsePayload": json.loads(outcome.body),
            }  # fmt: skip
            _, _, _, region, _, queue = arn.split(":")
            _backend(get_backend("sqs"), region).send_message(queue, json.dumps(document))

    def _log(self, outcome: Outcome, function: Any, request_id: str) -> str:
        printed = outcome.log if outcome.log.endswith("\n") or not outcome.log else outcome.log + "\n"
        start = f"{restore_report(outcome)}START RequestId: {request_id} Version: {function.version}\n"
        return f"{start}{printed}END RequestId: {request_id}\n{report(outcome, function, request_id)}"

    def _store_log(self, function: Any, text: str, sandbox: str) -> None:
        happened, life = int(unix_time_millis()), self._life

        def store() -> None:
            if life != self._life:
                return
            logs = _backend(get_backend("logs"), function.region)
            group, number = function.logs_group_name, uuid.uuid5(uuid.NAMESPACE_OID, sandbox).hex
            stream = f"{time.strftime('%Y/%m/%d')}/[{function.version}]{number}"
            if group not in logs.groups:
                logs.create_log_group(group, {})
            if stream not in logs.groups[group].streams:
                logs.create_log_stream(group, stream)
            events = [{"timestamp": happened, "message": line} for line in text.splitlines(keepends=True)]
            logs.put_log_events(group, stream, events)

        if self.log_delay_s:
            timer = threading.Timer(self.log_delay_s, store)
            timer.daemon = True
            timer.start()
        else:
            store()

    def _find(self, region: str, name: str, qualifier: str | None) -> Any:
        backend = _backend(get_backend("lambda"), region)
        name = name.rpartition(":function:")[2]
        name, _, inline = name.partition(":")
        try:
            return backend.get_function(name, qualifier or inline or None)
        except HTTPException:  # moto's own for a function that is not there
            return None

    def _find_url(self, region: str, url_id: str) -> Any:
        for function in _backend(get_backend("lambda"), region).list_functions():
            if function.url_config is not None and url_id in function.url_config.url:
                return function
        return None


class _Image(Image):
    """An image in the registry as moto's ECR knows it, with the size that it has there."""

    def __init__(self, pushed: Pushed, repository: str) -> None:
        super().__init__(DEFAULT_ACCOUNT_ID, pushed.tag, pushed.manifest, repository, pushed.media_type, pushed.digest)
        self._bytes = pushed.bytes

    def get_image_size_in_bytes(self) -> int:
        """Return the size, compressed."""
        return self._bytes


class _Quiet(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # werkzeug's name
        """Say nothing."""


def _taken(app: Any, environ: dict[str, Any], body: bytes) -> Response:
    """Return what an application answers, to be changed before it is sent."""
    taken: list[Any] = []
    parts = app({**environ, "wsgi.input": io.BytesIO(body)}, lambda *told: taken.extend(told[:2]))
    raw = b"".join(parts)
    return Response(raw, taken[0], Headers(taken[1]))


def _backend(backends: Any, region: str) -> Any:
    return backends[DEFAULT_ACCOUNT_ID][region]


def _reset() -> None:
    moto_api_backend.reset()


def _error(code: int, kind: str, message: str, **more: str) -> Response:
    body = json.dumps({"Type": "User", "message": message, "Message": message, **more})
    return Response(body, code, {"Content-Type": "application/json", "x-amzn-ErrorType": kind})


def _unfolded(answer: Any, headers: dict[str, str]) -> Response:
    """Return a function's output as an HTTP answer: one with a `statusCode` says all, any other is the body."""
    if isinstance(answer, dict) and "statusCode" in answer:
        body = answer.get("body", "")
        raw = base64.b64decode(body) if answer.get("isBase64Encoded") else str(body).encode()
        return Response(raw, int(answer["statusCode"]), {**headers, **answer.get("headers", {})})
    return Response(json.dumps(answer).encode(), 200, headers)
