"""What Google's functions framework calls: hands requests to the shim and returns its envelope."""

import json
import os
import sys
import time

ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, ROOT)  # what the package brings comes before what Google installed

from sebsx_runtime.shim import loaded  # noqa: E402  # only now it can be found

JSON = {"Content-Type": "application/json"}
TIMEOUT_S = float(os.environ.get("SEBSX_TIMEOUT_S", "3600"))
TRACE = "X-Cloud-Trace-Context"


shim, failure = loaded(ROOT)
ready_s = time.time()


def handler(request):
    """Serve one invocation; what the function raises is an answer, too."""
    now_s = time.time()
    if failure is not None:
        return failure, 200, JSON
    request_id = request.headers.get(TRACE, "").partition("/")[0] or request.headers.get("X-Sebsx-Request-Id", "")
    text = shim.invoke(json.loads(request.get_data() or b"null"), request_id, now_s + TIMEOUT_S).text
    if '"call":1,' in text[:200].replace(" ", ""):  # evidence of how this instance came to be
        envelope = json.loads(text)
        envelope["sebsx"]["init_gap_s"] = max(0.0, now_s - ready_s)
        text = json.dumps(envelope)
    return text, 200, JSON
