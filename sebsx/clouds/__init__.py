"""What platforms on clouds would otherwise each write again, kept in one place and held to one behaviour.

`tags` says whose a resource is and when anybody may delete it, `made` makes what functions share once, written down
first, `waiting` repeats calls until a provider has settled and looks until something is there, `refusals` says what an
error of a provider means. Names by a provider's rule are in `sebsx.contracts.naming`.
"""

from __future__ import annotations
