from __future__ import annotations

from uuid import uuid4

import pytest

from tests.runtime.nodejs.conftest import Node

STORAGE = """
const fs = require('fs');
const os = require('os');
const path = require('path');
exports.handler = async ({ from, to }, { storage }) => {
  const file = path.join(os.tmpdir(), 'object');
  const data = await storage.download(from);
  await storage.upload(`${to}/bytes`, data.reverse());
  await storage.upload(`${to}/text`, 'grüße');
  await storage.downloadFile(from, file);
  fs.appendFileSync(file, '!');
  await storage.uploadFile(`${to}/file`, file);
  return data.length;
};
"""
TABLE = """
exports.handler = async (partition, { table }) => {
  for (const sort of ['b', 'a/../c', '\\u{1F600}', '\\uFF5E', 'a']) await table.put(partition, sort, { sort, n: 1 });
  await table.put(partition, 'a', { sort: 'a', n: 2 });
  const found = (await table.query(partition)).map(({ sort, n }) => [sort, n]);
  await table.delete(partition, 'b');
  await table.delete(partition, 'never');
  return {
    found,
    a: await table.get(partition, 'a'),
    b: await table.get(partition, 'b'),
    left: (await table.query(partition)).length,
    elsewhere: await table.query(`${partition}-other`),
  };
};
"""


@pytest.mark.slow
def test_objects_pass_both_ways_and_their_bytes_are_counted(node: Node) -> None:
    storage = node.platform.storage()
    storage.put("in/data", b"\x00\xff\x01")

    body = node.answer(STORAGE, {"from": "in/data", "to": "out"})

    assert body["output"] == 3
    assert storage.get("out/bytes") == b"\x01\xff\x00"
    assert storage.get("out/text") == "grüße".encode()
    assert storage.get("out/file") == b"\x00\xff\x01!"
    assert list(storage.keys("out/")) == ["out/bytes", "out/file", "out/text"]
    samples = body["sebsx"]["samples"]
    assert samples["function.downloaded_bytes"] == 3 + 3
    assert samples["function.uploaded_bytes"] == 3 + 7 + 4  # ü and ß are two bytes each


@pytest.mark.parametrize("key", ["", "../up", "a//b", "/absolute", "a/../../b"])
def test_key_that_leaves_the_storage_is_refused(node: Node, key: str) -> None:
    code = "exports.handler = (key, { storage }) => storage.upload(key, 'x');"

    assert "cannot be used" in node.answer(code, key)["error"]["message"]


@pytest.mark.slow
def test_missing_object_is_an_error_of_the_function(node: Node) -> None:
    code = "exports.handler = (key, { storage }) => storage.download(key);"

    assert node.answer(code, "no/such")["error"]["message"] == "storage holds no object 'no/such'"


def test_table_keeps_the_last_item_of_a_key_in_the_order_of_utf_8(node: Node) -> None:
    output = node.answer(TABLE, f"cart-{uuid4().hex}")["output"]

    sorts = ["a", "a/../c", "b", "\uff5e", "\U0001f600"]  # UTF-16 would have the last two the other way round
    assert output["found"] == [[sort, 2 if sort == "a" else 1] for sort in sorts]
    assert output["a"] == {"sort": "a", "n": 2}
    assert (output["b"], output["left"], output["elsewhere"]) == (None, 4, [])


@pytest.mark.slow
def test_table_is_shared_by_the_sandboxes_of_a_platform(node: Node) -> None:
    put = node.function("exports.handler = (key, { table }) => table.put(key, 'x', { by: process.pid });")
    get = node.function("exports.handler = async (key, { table }) => (await table.get(key, 'x')).by !== process.pid;")
    key = uuid4().hex
    node.call(put, key)

    assert node.call(get, key)[1]["output"] is True


def test_platform_without_a_wrapper_is_named_as_the_reason(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node.platform, "wrapper_files", lambda _language: {})
    code = "exports.handler = (event, context) => context.table;"

    assert "ships no sebsx_wrapper" in node.answer(code)["error"]["message"]
