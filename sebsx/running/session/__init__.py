"""What an experiment may do: deploy, invoke, load, force cold, record, wait. Everything it does is stored at once.

`deploying` makes functions ready and tears them down, `sending` calls them, `storing` keeps what came back; `Session`
is all of that in the hands of an experiment.
"""

from __future__ import annotations

from sebsx.running.session.measurement import Measurement
from sebsx.running.session.session import Session

__all__ = ["Measurement", "Session"]
