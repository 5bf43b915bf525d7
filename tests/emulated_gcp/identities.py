"""Who may do what: a service account with a key, the tokens it gets for it, and those of functions."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

EMAIL = "sebsx@emulated-project.iam.gserviceaccount.com"
_LIFE_S = 3600


class Identities:
    """Takes assertions that are signed with the key, and gives tokens, as Google's OAuth endpoint does."""

    def __init__(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self._public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._signer = crypt.RSASigner.from_string(self._key, "key-1")
        self.access: set[str] = set()
        self.identities: dict[str, str] = {}  # token -> audience

    def write_key(self, path: Path, project: str, token_uri: str) -> None:
        """Write the file that a user downloads for a service account."""
        told = {
            "type": "service_account", "project_id": project, "private_key_id": "key-1", "private_key": self._key,
            "client_email": EMAIL, "client_id": "1", "token_uri": token_uri,
        }  # fmt: skip
        path.write_text(json.dumps(told))

    def answer(self, assertion: str) -> dict[str, Any]:
        """Return a token for a signed assertion.

        Raises:
            ValueError: If it is not signed with the key, or has expired.
        """
        claims = jwt.decode(assertion, certs=self._public)
        if claims["iss"] != EMAIL:
            raise ValueError("no such account")
        if audience := claims.get("target_audience"):
            now = int(time.time())
            words = {"aud": audience, "iat": now, "exp": now + _LIFE_S, "iss": "https://accounts.google.com"}
            token = jwt.encode(self._signer, words).decode()
            self.identities[token] = audience
            return {"id_token": token}
        return self.of_machine()

    def of_machine(self) -> dict[str, Any]:
        """Return an access token as the metadata server gives it to functions."""
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self.access.add(token)
        return {"access_token": token, "expires_in": _LIFE_S, "token_type": "Bearer"}
