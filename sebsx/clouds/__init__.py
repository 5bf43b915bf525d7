"""What platforms on clouds would otherwise each write again, kept in one place and held to one behaviour.

`tags` says whose a resource is and when anybody may delete it, `labels` writes that where few letters are allowed,
`made` makes what functions share once, written down first, `fresh` gives names and values that never were, `waiting`
repeats calls until a provider has settled and looks until something is there, `records` reads what comes late,
`adopted` copies and changes functions that exist, `targets` reads what packages are built for from settings,
`refusals` says what an error of a provider means. Names by a provider's rule are in `sebsx.contracts.naming`.

`rest` asks a JSON API for which no SDK is used, `images` and `registries` build and push images of packages, `s3`,
`dynamodb` and `shipped` are the two sides of storage and table where these speak AWS's protocols, and `selfhosted` is
what platforms on servers of the user's own are made of.
"""

from __future__ import annotations
