"""What Google's functions framework calls: hands requests to the shim and returns its envelope."""

import os
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, ROOT)  # what the package brings comes before what Google installed

from sebsx_runtime.hosted import Hosted  # noqa: E402  # only now it can be found

JSON = {"Content-Type": "application/json"}
TRACE = "X-Cloud-Trace-Context"

hosted = Hosted(ROOT)


def handler(request):
    """Serve one invocation."""
    request_id = request.headers.get(TRACE, "").partition("/")[0] or request.headers.get("X-Sebsx-Request-Id", "")
    return hosted.answer(request.get_data(), request_id), 200, JSON
