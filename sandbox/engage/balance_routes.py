"""Engage's doors for totals: queue them, and ask how far they have come.

v2 and v3 differ in the path only.
"""

import time
from typing import Final

from litestar import Response, get, post

from sandbox.answers import Answer, json_answer
from sandbox.control import AnyRequest
from sandbox.engage.balances import BalanceRequest, Behaviour, BodyRefusedError, read_rows
from sandbox.engage.queries import answered, refused, verdict_of
from sandbox.engage.settings import AnswerForm
from sandbox.engage.state import Engage
from sandbox.faults import FaultKind, Verdict

_FORMS: Final = tuple(form for form in AnswerForm if form is not AnswerForm.ROTATE)


@post(["/api/v2/point-accounts/balances", "/api/v3/point-accounts/balances"])
async def post_balances(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """Queue totals; the answer carries the id by which to ask for their status."""
    if not engage.settings.new_point_system_active:
        return refused(400, "NewPointSystemNotActive", "New point system not active")
    now = engage.present()
    try:
        rows = read_rows(await request.body(), engage.settings.rows_max, now, engage.findings)
    except BodyRefusedError as error:
        return refused(400, "InvalidRequest", str(error))
    behaviour = _behaviour(verdict_of(request))
    queued = engage.queue.add(rows, now, behaviour, engage.settings.balances.requests_kept_max)
    return _accepted(queued, request.url.path, engage).response()


@get(
    [
        "/api/v2/point-accounts/balances/status/{request_id:str}",
        "/api/v3/point-accounts/balances/status/{request_id:str}",
    ],
)
async def get_balances_status(request_id: str, engage: Engage) -> Response[bytes]:
    """How far a balances request has come."""
    found = engage.queue.requests.get(request_id.lower())
    if found is None or found.behaviour.missing_until > time.time():
        return refused(404, "NotFound", f"No balances request with id {request_id}")
    return answered(
        200,
        {
            "messages": found.messages,
            "id": found.id,
            "status": _status_word(found, engage),
            "timeStamp": found.changed_at,
        },
    )


def _behaviour(verdict: Verdict) -> Behaviour:
    late = verdict.mark(FaultKind.APPLY_LATE)
    unknown = verdict.mark(FaultKind.STATUS_UNKNOWN)
    missing = verdict.mark(FaultKind.STATUS_MISSING)
    return Behaviour(
        late_milliseconds=late.milliseconds if late else 0,
        word=unknown.rule.word if unknown else None,
        stuck=verdict.mark(FaultKind.STATUS_STUCK) is not None,
        missing_until=time.time() + missing.milliseconds / 1000 if missing else 0,
    )


def _status_word(request: BalanceRequest, engage: Engage) -> str:
    words = engage.settings.balances.status_words
    final = request.state in ("completed", "failed")
    if final and request.behaviour.stuck:
        return words.processing
    if final and request.behaviour.word is not None:
        return request.behaviour.word
    return {
        "queued": words.queued,
        "processing": words.processing,
        "completed": words.completed,
        "failed": words.failed,
    }[request.state]


def _accepted(queued: BalanceRequest, path: str, engage: Engage) -> Answer:
    status = engage.settings.balances.answer_status
    form = engage.settings.balances.answer_form
    if form is AnswerForm.ROTATE:
        form = _FORMS[engage.queue.requests_added % len(_FORMS)]
    match form:
        case AnswerForm.TEXT:
            return Answer(status, queued.id.encode(), "text/plain; charset=utf-8")
        case AnswerForm.LOCATION:
            return Answer(status, headers={"Location": f"{path}/status/{queued.id}"})
        case AnswerForm.STRING:
            return json_answer(status, queued.id)
        case _:
            return json_answer(status, {form.value: queued.id})
