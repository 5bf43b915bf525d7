"""The clients that run inside functions: signed as AWS's SDK signs, patient, and whole for any size."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import sebsx
import sebsx_aws
from sebsx import clouds
from tests.emulated_aws import REGION, EmulatedAccount

BUCKET = TABLE = "sebsx-of-a-test"
KEYS = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "se/cret+", "AWS_SESSION_TOKEN": "to/ken=="}
WRAPPER = Path(clouds.__file__).parent / "wrapper" / "sebsx_wrapper.py"
NODEJS = """
const wrapper = require(process.argv[1]);
const fs = require('fs');
(async () => {
  const storage = wrapper.storage();
  await storage.upload('a b/ü+&=~.txt', 'data');
  fs.writeFileSync('file', 'content');
  await storage.uploadFile('deep/er/file', 'file');
  await storage.download("$x'()*!,;@:");
  await wrapper.table().put('p', 's', { ü: 1 });
  process.exit(0);
})();
"""
HANDLER = Path(sebsx_aws.__file__).parent / "wrapper"


@pytest.fixture
def wrapper(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module as a function sees it; pauses between attempts take no time."""
    monkeypatch.syspath_prepend(str(WRAPPER.parent))
    spec = importlib.util.spec_from_file_location("wrapper_of_a_test", WRAPPER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    for name, value in {**KEYS, "AWS_REGION": REGION, "SEBSX_BUCKET": BUCKET, "SEBSX_TABLE": TABLE}.items():
        monkeypatch.setenv(name, value)
    made: list[Any] = []

    class Closed(module.Service):  # type: ignore[name-defined,misc]
        """One whose connection ends with the test; in a function it ends with the sandbox."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(module, "Service", Closed)
    yield module
    for service in made:
        service._close()


class Service:
    """A server that keeps what it got, and answers with the statuses it was given, then with 200."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, bytes]] = []
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.requests.append((self.command, self.path, headers, body))
                code, said = service.answers.pop(0) if service.answers else (200, b"{}")
                if code == 0:  # breaks the connection
                    self.close_connection = True
                    return
                self.send_response(code)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_PUT = do_POST = answer  # noqa: N815  # names of the library

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, wrapper: ModuleType) -> Iterator[Service]:
    opened = Service()
    monkeypatch.setenv("AWS_ENDPOINT_URL", opened.url)
    yield opened
    opened.close()


def put(wrapper: ModuleType, tmp_path: Path) -> None:
    wrapper.storage().upload("a b/ü+&=~.txt", b"data")


def put_file(wrapper: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    wrapper.storage().upload_file("deep/er/file", str(tmp_path / "file"))


def get(wrapper: ModuleType, tmp_path: Path) -> None:
    wrapper.storage().download("$x'()*!,;@:")


def write_item(wrapper: ModuleType, tmp_path: Path) -> None:
    wrapper.table().put("p", "s", {"ü": 1})


@pytest.mark.parametrize(
    ("call", "name", "signer"),
    [
        (put, "s3", S3SigV4Auth),
        (put_file, "s3", S3SigV4Auth),
        (get, "s3", S3SigV4Auth),
        (write_item, "dynamodb", SigV4Auth),
    ],
)
def test_signature_is_the_one_that_botocore_makes(
    wrapper: ModuleType, service: Service, tmp_path: Path, call: Callable[..., None], name: str, signer: type[Any]
) -> None:
    call(wrapper, tmp_path)
    (sent,) = service.requests
    assert_signed(sent, service.url, name, signer)


@pytest.mark.slow
def test_signatures_of_node_js_are_those_that_botocore_makes(service: Service, tmp_path: Path) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "AWS_REGION", "AWS_ENDPOINT_URL", *KEYS)}
    environment |= {"SEBSX_BUCKET": BUCKET, "SEBSX_TABLE": TABLE}
    command = ["node", "-e", NODEJS, str(WRAPPER.with_suffix(".cjs"))]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    wanted = [("s3", S3SigV4Auth)] * 3 + [("dynamodb", SigV4Auth)]
    assert [sent[3] for sent in service.requests[:2]] == [b"data", b"content"]
    for sent, (name, signer) in zip(service.requests, wanted, strict=True):
        assert_signed(sent, service.url, name, signer)


def assert_signed(sent: tuple[str, str, dict[str, str], bytes], url: str, name: str, signer: type[Any]) -> None:
    method, path, headers, body = sent
    authorization = headers["authorization"]
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    request = AWSRequest(method, url + path, headers={key: headers[key] for key in names}, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    keys = Credentials(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], KEYS["AWS_SESSION_TOKEN"])
    auth = signer(keys, name, REGION)
    wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    assert authorization.endswith(f", Signature={wanted}")
    assert {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"} <= set(names)


@pytest.mark.parametrize("trouble", [(503, b"SlowDown"), (500, b""), (429, b""), (0, b"")])
def test_what_aws_asks_to_be_repeated_is_repeated(
    wrapper: ModuleType, service: Service, tmp_path: Path, trouble: tuple[int, bytes]
) -> None:
    service.answers = [trouble, trouble]
    (tmp_path / "file").write_bytes(b"content")
    wrapper.storage().upload_file("file", str(tmp_path / "file"))
    assert [body for *_, body in service.requests] == [b"content"] * 3


def test_throttled_table_is_asked_again(wrapper: ModuleType, service: Service) -> None:
    service.answers = [(400, b'{"__type": "ProvisionedThroughputExceededException"}')]
    wrapper.table().put("p", "s", 1)
    assert len(service.requests) == 2


def test_trouble_that_stays_is_told_after_some_attempts(wrapper: ModuleType, service: Service) -> None:
    service.answers = [(503, b"<Code>SlowDown</Code>")] * 10
    with pytest.raises(OSError, match=r"write of 'k' failed with 503: <Code>SlowDown</Code>"):
        wrapper.storage().upload("k", b"")
    assert len(service.requests) == wrapper.shared.ATTEMPTS


def test_refusal_is_told_at_once(wrapper: ModuleType, service: Service) -> None:
    service.answers = [(403, b"AccessDenied")]
    with pytest.raises(OSError, match="403: AccessDenied"):
        wrapper.storage().download("k")
    assert len(service.requests) == 1


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "a/../b", ".", "a\0b"])
def test_key_that_cannot_be_an_object_is_refused(wrapper: ModuleType, service: Service, key: str) -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        wrapper.storage().upload(key, b"")
    assert service.requests == []


@pytest.mark.parametrize(
    ("region", "host"),
    [("us-east-1", "b.s3.us-east-1.amazonaws.com"), ("cn-north-1", "b.s3.cn-north-1.amazonaws.com.cn")],
)
def test_bucket_is_asked_at_the_host_of_its_region(
    wrapper: ModuleType, monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_REGION", region)
    assert wrapper.S3Storage("b")._service._host == host


@pytest.mark.slow
class TestAgainstTheAccount:
    @pytest.fixture
    def s3(self, account: EmulatedAccount, wrapper: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
        s3 = boto3.client("s3", endpoint_url=account.url, region_name=REGION)
        s3.create_bucket(Bucket=BUCKET)
        return s3

    @pytest.fixture
    def table(self, account: EmulatedAccount, wrapper: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
        kinds = {"partition": "HASH", "sort": "RANGE"}
        boto3.client("dynamodb", endpoint_url=account.url, region_name=REGION).create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in kinds],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in kinds.items()],
        )
        return wrapper.table()

    @pytest.mark.parametrize("key", ["a b/ü+&=~.txt", "plain", "$x'()*!,;@:", "deep/er/est"])
    def test_what_the_function_writes_the_driver_reads(self, s3: Any, wrapper: ModuleType, key: str) -> None:
        wrapper.storage().upload(key, b"\0data")
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"\0data"
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"back")
        assert wrapper.storage().download(key) == b"back"

    def test_large_object_goes_and_comes_whole(self, s3: Any, wrapper: ModuleType, tmp_path: Path) -> None:
        data = bytes(range(256)) * 4096 * 20  # 20 MiB
        (tmp_path / "up").write_bytes(data)
        wrapper.storage().upload_file("large", str(tmp_path / "up"))
        wrapper.storage().download_file("large", str(tmp_path / "down"))
        assert (tmp_path / "down").read_bytes() == data

    def test_missing_object_is_a_lookup_error_and_the_client_goes_on(self, s3: Any, wrapper: ModuleType) -> None:
        storage = wrapper.storage()
        with pytest.raises(LookupError, match="no object 'nothing'"):
            storage.download("nothing")
        storage.upload("k", b"1")
        assert storage.download("k") == b"1"

    def test_table_gives_items_back_in_order_over_many_pages(self, table: Any, account: EmulatedAccount) -> None:
        filler = "x" * 200_000  # a page holds 1 MB
        for number in range(12):
            table.put("p", f"{11 - number:02}", {"number": 11 - number, "filler": filler})
        table.put("q", "1", 1)
        account.requests.clear()
        assert [item["number"] for item in table.query("p")] == list(range(12))
        pages = [seen for seen in account.requests if seen.target.endswith(".Query")]
        assert len(pages) >= 3

    def test_item_is_replaced_and_deleted(self, table: Any) -> None:
        table.put("p", "s", {"a": [1, None]})
        table.put("p", "s", {"a": [2]})
        assert table.get("p", "s") == {"a": [2]}
        table.delete("p", "s")
        table.delete("p", "s")
        assert table.get("p", "s") is None
        assert table.query("p") == []


def test_handler_tells_how_its_sandbox_was_initialised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "function.py").write_text("def handler(event, context):\n    return event\n", encoding="utf-8")
    (tmp_path / "sebsx.json").write_text('{"handler": "function.handler"}', encoding="utf-8")
    first, second = run_twice(tmp_path, "provisioned-concurrency")
    assert first["sebsx"]["initialization"] == "provisioned"
    assert 0 <= first["sebsx"]["init_gap_s"] < 60
    assert first["output"] == {"a": 1}
    assert "init_gap_s" not in second["sebsx"]
    assert run_twice(tmp_path, "lambda-of-tomorrow")[0]["sebsx"]["initialization"] == "lambda-of-tomorrow"


def run_twice(root: Path, kind: str) -> list[dict[str, Any]]:
    """Return what the handler gives for two events in a new interpreter, the second by a function URL."""
    program = """
import json, sys, types
root, runtime, wrapper = sys.argv[1:]
sys.path[:0] = [root, wrapper]
package = types.ModuleType("sebsx_runtime"); package.__path__ = [runtime]; sys.modules["sebsx_runtime"] = package
import sebsx_wrapper_lambda as wrapped
class Context:
    aws_request_id = "id"
    def get_remaining_time_in_millis(self): return 1000
url = {"requestContext": {}, "rawPath": "/", "body": "eyJhIjogMX0=", "isBase64Encoded": True}
print(json.dumps([wrapped.handler({"a": 1}, Context()), wrapped.handler(url, Context())]))
"""
    runtime = Path(sebsx.__file__).parent / "runtime" / "python"
    done = subprocess.run(
        [sys.executable, "-c", program, str(root), str(runtime), str(HANDLER)],
        env={"AWS_LAMBDA_INITIALIZATION_TYPE": kind, "LAMBDA_TASK_ROOT": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    assert answers[1]["output"] == {"a": 1}
    return answers
