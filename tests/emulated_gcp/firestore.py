"""Firestore over HTTP: a bridge to an emulator that speaks gRPC, by the protobufs that Google publishes."""

from __future__ import annotations

import subprocess
from typing import Any

from tests.emulated_gcp import node

_START = """
const { FirestoreServer } = require('@firestore-emulator/server');
const { ServerCredentials } = require('@grpc/grpc-js');
const server = new FirestoreServer();
server.server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
process.stdin.on('end', () => process.exit(0)).resume();
"""
METHODS = ("commit", "batchGet", "runQuery")


class Firestore:
    """The emulator, started when first asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._channel: Any = None

    def ask(self, method: str, place: str, body: dict[str, Any]) -> Any:
        """Return what Firestore answers to a method over HTTP: a list where it streams.

        Args:
            method: One of `METHODS`.
            place: What stands before the colon: a database's documents, or one document.
            body: As it came.
        """
        from google.cloud.firestore_v1.types import firestore
        from google.protobuf import json_format

        kinds = {
            "commit": (firestore.CommitRequest, firestore.CommitResponse, "Commit", "database"),
            "batchGet": (firestore.BatchGetDocumentsRequest, firestore.BatchGetDocumentsResponse, "BatchGetDocuments",
                         "database"),
            "runQuery": (firestore.RunQueryRequest, firestore.RunQueryResponse, "RunQuery", "parent"),
        }  # fmt: skip
        request, response, name, where = kinds[method]
        words = {**body, where: place.removesuffix("/documents") if where == "database" else place}
        if self._channel is None:
            self._channel = self._connected()
        path = f"/google.firestore.v1.Firestore/{name}"
        kind = self._channel.unary_unary if method == "commit" else self._channel.unary_stream
        call = kind(path, request_serializer=request.serialize, response_deserializer=response.deserialize)
        asked = request(json_format.ParseDict(words, request.pb(request())))
        told = call(asked, timeout=20)
        if method == "commit":
            return json_format.MessageToDict(response.pb(told))
        return [json_format.MessageToDict(response.pb(one)) for one in told]

    def stop(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait(10)
            self._process.stdout.close()
            self._process = None

    def _connected(self) -> Any:
        import grpc

        modules = node.modules(node.FIRESTORE)
        self._process = subprocess.Popen(
            ["node", "-e", _START], cwd=modules.parent, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        port = int(self._process.stdout.readline())
        return grpc.insecure_channel(f"127.0.0.1:{port}")
