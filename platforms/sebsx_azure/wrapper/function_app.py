"""What Azure's Python worker loads: hands requests to the shim and returns its envelope."""

import os
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, ROOT)  # what the package brings comes before what Azure installed

import azure.functions as func  # noqa: E402  # only now it can be found
from sebsx_runtime.hosted import Hosted  # noqa: E402

hosted = Hosted(ROOT)
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.function_name("handler")
@app.route("handler", methods=["POST"])
def handler(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Serve one invocation."""
    known = {"X-Sebsx-Invocation-Id": context.invocation_id}  # under which Azure keeps what it knows of it
    text = hosted.answer(req.get_body(), context.invocation_id)
    return func.HttpResponse(text, headers=known, mimetype="application/json")
