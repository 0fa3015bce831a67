"""What MoEngage demands of every request: who is asking, for which workspace, in which form.

HTTP Basic with the workspace's id and its key. An unknown workspace or a wrong key is 401; a valid
pair that does not belong to the workspace in the path is 409, as is a workspace for which no key
was ever set.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from typing import Any, Final

from sandbox.answers import Answer, json_answer
from sandbox.door import Knock
from sandbox.moengage.settings import ResetStyle, Workspace
from sandbox.moengage.state import MoEngage

DATA_PATHS: Final = ("event", "customer", "transition", "device")

_TYPES: Final = {
    401: ("Authentication required", "Authentication required"),
    403: ("Account Suspended", "Account Suspended"),
    409: ("Authentication required", "The credentials do not belong to this workspace"),
    413: ("PayloadTooLarge", "The request body is larger than what is allowed"),
    415: ("Unsupported Media Type", "Content-Type must be application/json"),
    429: ("RateLimitError", "Rate Limits Exceeded"),
}


def failed(
    status: int,
    kind: str | None = None,
    message: str | None = None,
    attribute: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """A failure in MoEngage's form."""
    default = _TYPES.get(status, ("ServerError", "Something went wrong"))
    error: dict[str, Any] = {
        "type": kind or default[0],
        "message": message or default[1],
        "request_id": request_id(),
    }
    if attribute is not None:
        error["attribute"] = attribute
    return json_answer(status, {"status": "fail", "error": error}, headers)


def request_id() -> str:
    """A new request id, as short as MoEngage's."""
    return secrets.token_urlsafe(6)


class MoEngageGate:
    """The demands of the Data API."""

    def __init__(self, moengage: MoEngage) -> None:
        self._moengage = moengage

    def fingerprint(self, knock: Knock) -> str:
        """The workspace that is named, or a part of the hash of what is presented instead."""
        presented = knock.headers.get("authorization")
        if presented is None:
            return "none"
        pair = _credentials(presented)
        if pair is not None and self._workspace(pair[0]) is not None:
            return pair[0]
        return hashlib.sha256(presented.encode()).hexdigest()[:12]

    def count(self, knock: Knock) -> Answer | None:
        """Nothing: allowances are counted in users and events, once they are read."""
        del knock
        return None

    def refuse(self, knock: Knock) -> Answer | None:
        """401, 409, 415 or 413."""
        parts = knock.path.strip("/").split("/")
        if len(parts) != 3 or parts[0] != "v1" or parts[1] not in DATA_PATHS:
            return None
        return self._refuse_credentials(
            knock.headers.get("authorization", ""), parts[2]
        ) or self._refuse_body(knock, bulk=parts[1] == "transition")

    def _refuse_credentials(self, header: str, workspace_id: str) -> Answer | None:
        pair = _credentials(header)
        workspace = None if pair is None else self._workspace(pair[0])
        if pair is None or workspace is None:
            return failed(401)
        if workspace.key is None:
            return failed(409, message="No key is set for this workspace")
        if not hmac.compare_digest(workspace.key.encode(), pair[1].encode()):
            return failed(401)
        return None if workspace_id == workspace.id else failed(409)

    def _refuse_body(self, knock: Knock, *, bulk: bool) -> Answer | None:
        media_type = knock.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            return failed(415)
        limits = self._moengage.settings.limits
        maximum = limits.bulk_bytes_max if bulk else limits.single_bytes_max
        return failed(413) if len(knock.body) > maximum else None

    def failure(self, status: int, retry_after_seconds: int | None) -> Answer:
        """A failure that was ordered; a 429 says when to come back."""
        if status != 429:
            headers = (
                {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
            )
            return failed(status, headers=headers)
        seconds = retry_after_seconds or 0
        limits = self._moengage.settings.limits
        reset = int(time.time()) + seconds if limits.reset_style is ResetStyle.EPOCH else seconds
        return failed(
            429,
            headers={
                "x-ratelimit-limit": str(limits.transition_events_max or 0),
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": str(reset),
            },
        )

    def _workspace(self, workspace_id: str) -> Workspace | None:
        for workspace in self._moengage.settings.workspaces:
            if workspace.id == workspace_id:
                return workspace
        return None


def _credentials(header: str) -> tuple[str, str] | None:
    """User and password of HTTP Basic; None when there are none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None
