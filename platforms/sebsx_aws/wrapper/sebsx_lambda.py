"""What AWS Lambda's own runtime client calls: hands events to the shim and returns its envelope."""

import base64
import json
import os
import time

from sebsx_runtime.shim import LoadError, Shim


def make():
    """Return a shim with the function loaded, and the envelope of why it could not be."""
    made = Shim(os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd())
    try:
        made.load()
    except LoadError as exc:
        return made, exc.text
    return made, None


shim, failure = make()


def restored():
    """Give a sandbox that was made from a snapshot an identity of its own."""
    shim.sandbox = os.urandom(16).hex()


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    from snapshot_restore_py import register_after_restore

    register_after_restore(restored)


def handler(event, context):
    """Serve one invocation; never raises, so that Lambda does not try again by itself."""
    if failure is not None:
        return json.loads(failure)
    if isinstance(event, dict) and "requestContext" in event and "rawPath" in event:  # by a function URL
        body = event.get("body") or "null"
        event = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    deadline_s = time.time() + context.get_remaining_time_in_millis() / 1000
    return json.loads(shim.invoke(event, context.aws_request_id, deadline_s).text)
