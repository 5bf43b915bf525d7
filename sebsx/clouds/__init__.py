"""What platforms on clouds would otherwise each write again, kept in one place and held to one behaviour.

`accounts` is what a platform in an account is made of: `AccountPlatform`, its account, and a table of its kinds.
`tags` says whose a resource is and when anybody may delete it, `labels` writes that where few letters are allowed,
`made` makes what functions share once, written down first, `fresh` gives names and values that never were, `waiting`
repeats calls until a provider has settled and looks until something is there, `records` reads what comes late,
`adopted` copies and changes functions that exist, `targets` reads what packages are built for from settings,
`refusals` says what an error of a provider means. Names by a provider's rule are in `sebsx.contracts.naming`.

`archives` and `uploads` hand packages over, `objects` is object storage by a provider's SDK, `shipped` is what goes
into packages, `callbacks` takes results that are sent to a URL, `quantities` reads amounts such as `256Mi`, `rest` asks
a JSON API for which no SDK is used, `images` and `registries` build and push images of packages, `s3` and `dynamodb`
are the driver's side of storage and table where these speak AWS's protocols, and `selfhosted` is what platforms on
servers of the user's own are made of.
"""

from __future__ import annotations
