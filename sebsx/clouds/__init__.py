"""What platforms on clouds would otherwise each write again, kept in one place and held to one behaviour.

`tags` says whose a resource is and when anybody may delete it.
"""

from __future__ import annotations
