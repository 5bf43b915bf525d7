"""AWS's own runtime client for Node.js, whose native transport is replaced by one in JavaScript."""

from __future__ import annotations

from pathlib import Path

from tests.emulated_gcp.node import modules

CLIENT = Path(__file__).with_name("nodejs_client.mjs")
TRANSPORT = Path(__file__).with_name("nodejs_transport.cjs")
# The last that runs on Node.js 20. What it compiles when it is installed is its connection to the Runtime API alone.
PACKAGE = "aws-lambda-ric@3.3.0"


def client_of_aws() -> Path:
    """Return the folder of AWS's client, installed once for this machine."""
    return modules(PACKAGE) / "aws-lambda-ric"
