"""A project of Google Cloud on this machine: for tests of the platform `gcp`, and to try it without an account.

Control planes are a stand-in that is held to Google's discovery documents, request by request and answer by answer.
Functions run in Google's functions framework; objects are kept by `gcp-storage-emulator`, documents by
`@firestore-emulator/server`.
"""

from __future__ import annotations

from tests.emulated_gcp.project import PROJECT, REGION, EmulatedProject
from tests.faults import Fault

__all__ = ["PROJECT", "REGION", "EmulatedProject", "Fault"]
