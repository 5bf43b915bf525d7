"""What OpenWhisk's Python runtime calls, as `__main__` of the action: hands events to the shim.

The package lies beside it, or in the image. The runtime imports it in /init, so that the function is loaded there.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
IN_IMAGE = "/sebsx/package"


def make():
    """Return a shim with the function loaded, and the envelope of why it could not be."""
    with open(HERE + "/sebsx_variables.json", "rb") as file:
        os.environ.update(json.load(file))
    root = HERE + "/package"
    if not os.path.isdir(root):
        root = IN_IMAGE
    sys.path.insert(0, root)
    os.chdir(root)
    from sebsx_runtime.shim import loaded

    return loaded(root)


shim, failure = make()


def main(arguments):
    """Serve one activation; never raises, so that the envelope says what was wrong."""
    if failure is not None:
        return json.loads(failure)
    deadline_ms = os.environ.get("__OW_DEADLINE")
    deadline_s = float(deadline_ms) / 1000 if deadline_ms else None
    answer = shim.invoke(arguments.get("event"), os.environ.get("__OW_ACTIVATION_ID", ""), deadline_s)
    return json.loads(answer.text)
