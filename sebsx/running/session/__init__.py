"""What an experiment may do: deploy, send, force cold, record, keep, wait. Everything it does is stored at once.

`deploying` makes functions ready and tears them down, `sending` calls them, `storing` keeps what came back;
`RunSession` is all of that as an experiment is handed it, as `sebsx.contracts.session` says.
"""

from __future__ import annotations

from sebsx.running.session.session import RunSession

__all__ = ["RunSession"]
