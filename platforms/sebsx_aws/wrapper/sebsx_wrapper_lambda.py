"""What AWS Lambda's own runtime client calls: hands events to the shim and returns its envelope."""

import base64
import json
import os
import time

from sebsx_runtime.shim import loaded

shim, failure = loaded(os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd())
kind = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "")
# In the words of sebsx; AWS may add others, which stay as they are.
initialization = {"provisioned-concurrency": "provisioned", "snap-start": "restored"}.get(kind, kind)
ready_s = time.time()


def restored():
    """Give a sandbox that was made from a snapshot an identity of its own; it is ready from now on."""
    global ready_s
    shim.sandbox = os.urandom(16).hex()
    ready_s = time.time()


if kind == "snap-start":
    from snapshot_restore_py import register_after_restore

    register_after_restore(restored)


def handler(event, context):
    """Serve one invocation; never raises, so that Lambda does not try again by itself."""
    if failure is not None:
        return json.loads(failure)
    if isinstance(event, dict) and "requestContext" in event and "rawPath" in event:  # by a function URL
        body = event.get("body") or "null"
        event = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    now_s = time.time()
    deadline_s = now_s + context.get_remaining_time_in_millis() / 1000
    envelope = json.loads(shim.invoke(event, context.aws_request_id, deadline_s, context).text)
    if envelope["sebsx"]["call"] == 1:  # evidence of how this sandbox came to be
        envelope["sebsx"]["initialization"] = initialization
        envelope["sebsx"]["init_gap_s"] = now_s - ready_s
    return envelope
