"""What Engage demands of every request before it looks at what is asked.

In this order: the rate of the key, the key, the user agent, the content type. The content type is
demanded of reads too, and without it the real Engage answers 500 with nothing to go by; so does
this one, and says the reason in its journal and findings, where an integrator can see it.
"""

import hashlib
import hmac
import time

from sandbox.answers import Answer, json_answer
from sandbox.door import Knock
from sandbox.engage.state import Engage

NO_KEY = "none"


class EngageGate:
    """The demands of one tenant."""

    def __init__(self, engage: Engage) -> None:
        self._engage = engage

    def fingerprint(self, knock: Knock) -> str:
        """The first characters of the key's hash: enough to tell keys apart, useless to a thief."""
        key = self._key(knock)
        return NO_KEY if key is None else hashlib.sha256(key.encode()).hexdigest()[:12]

    def count(self, knock: Knock) -> Answer | None:
        """Count the request towards its key's rate; 429 when there are too many in this second."""
        rate = self._engage.settings.rate
        admitted = self._engage.rate.admit(
            self.fingerprint(knock),
            time.time(),
            rate.requests_per_second_max,
            rate.courtesy_requests_per_second,
            sliding=rate.sliding,
        )
        if admitted:
            return None
        return self.failure(429, rate.retry_after_seconds)

    def refuse(self, knock: Knock) -> Answer | None:
        """401 without a valid key, 403 without a user agent, 500 without the content type."""
        key = self._key(knock) or ""
        valid = False
        for one in self._engage.settings.api_keys:
            valid |= hmac.compare_digest(one.encode(), key.encode())
        if not valid:
            return json_answer(401, {"message": "Authorization has been denied for this request."})
        if not knock.headers.get("user-agent", "").strip():
            self._note("no-user-agent", knock)
            return json_answer(403, {"message": "User-Agent header is required."})
        media_type = knock.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            self._note("no-content-type", knock)
            return json_answer(500, {"message": "An error has occurred"})
        return None

    def failure(self, status: int, retry_after_seconds: int | None) -> Answer:
        """An error in the little that Engage is known to say about one."""
        words = {413: "Request body too large", 429: "Too Many Requests"}
        headers = {}
        if retry_after_seconds is not None:
            headers["Retry-After"] = str(retry_after_seconds)
        return json_answer(
            status, {"message": words.get(status, "An error has occurred.")}, headers
        )

    def _key(self, knock: Knock) -> str | None:
        return knock.headers.get(self._engage.settings.api_key_header.lower())

    def _note(self, kind: str, knock: Knock) -> None:
        self._engage.findings.note(kind, f"{knock.method} {knock.path}")
