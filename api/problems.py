"""Every failure in one shape: application/problem+json with a stable code (RFC 9457).

1. A refusal of ours says why and carries what the client needs next.
2. A database that is away is "come back later"; anything unforeseen is told to nobody but the log.
"""

from collections.abc import Mapping
from http import HTTPStatus
from types import UnionType
from typing import Any, cast

import asyncpg
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec
from litestar.params import ParameterKwarg
from opentelemetry import trace

from contracts.errors import (
    Busy,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    PayerNotReady,
    RateLimited,
    Refusal,
    Unauthenticated,
    Unprocessable,
)
from contracts.wire.problems import Problem

MEDIA_TYPE = "application/problem+json"
_STATUS: tuple[tuple[type[Refusal], HTTPStatus], ...] = (
    (InvalidRequest, HTTPStatus.BAD_REQUEST),
    (PayerNotReady, HTTPStatus.BAD_REQUEST),
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (Unprocessable, HTTPStatus.UNPROCESSABLE_ENTITY),
    (RateLimited, HTTPStatus.TOO_MANY_REQUESTS),
    (Busy, HTTPStatus.SERVICE_UNAVAILABLE),
)
_CODES = {
    HTTPStatus.BAD_REQUEST: "INVALID_REQUEST",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "BODY_TOO_LARGE",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
}
_ANYWHERE = (HTTPStatus.BAD_REQUEST.value, HTTPStatus.SERVICE_UNAVAILABLE.value)
_DATABASE_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    OSError,
    TimeoutError,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger("api")


def answer_failure(request: Request[Any, Any, Any], failure: Exception) -> Response[Any]:
    """Turn whatever a handler raised into its answer."""
    if isinstance(failure, Refusal):
        return refuse(failure)
    if isinstance(failure, HTTPException):
        return _framework_refusal(request, failure)
    route = str(request.scope.get("path_template", ""))
    if isinstance(failure, _DATABASE_AWAY):
        log.warning("api.store.unavailable", route=route, exc_info=failure)
        return refuse(Overloaded())
    log.error("api.request.failed", route=route, method=request.method, exc_info=failure)
    trace.get_current_span().set_status(trace.StatusCode.ERROR)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.")


def refuse(refusal: Refusal) -> Response[Any]:
    """Turn a refusal of ours into its answer."""
    status = next(status for kind, status in _STATUS if isinstance(refusal, kind))
    headers: dict[str, str] = {}
    if isinstance(refusal, Busy | RateLimited):
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    if isinstance(refusal, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return problem(status, str(refusal), code=refusal.code, headers=headers, **refusal.extra)


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    **extra: object,
) -> Response[Any]:
    """Build the answer."""
    return Response(
        content={
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": detail,
            "code": code or _CODES.get(status, status.name),
            **extra,
        },
        status_code=status.value,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def also(
    status: int,
    content: type[Any] | UnionType | None,
    description: str,
    media_type: MediaType = MediaType.JSON,
) -> dict[int, ResponseSpec]:
    """Describe another answer than the usual one."""
    spec = ResponseSpec(
        cast("type[Any] | None", content),
        description=description,
        media_type=media_type,
        generate_examples=False,
    )
    return {status: spec}


def documented(*statuses: int) -> dict[int, ResponseSpec]:
    """Describe the refusals a handler may answer with.

    Any may find a request malformed, or its store away.
    """
    return {
        status: ResponseSpec(
            Problem,
            description=HTTPStatus(status).phrase,
            media_type=MEDIA_TYPE,
            generate_examples=False,
        )
        for status in sorted({*_ANYWHERE, *statuses})
    }


def _framework_refusal(request: Request[Any, Any, Any], failure: HTTPException) -> Response[Any]:
    status = HTTPStatus(failure.status_code)
    # The framework's own details may repeat the request; the phrase says enough.
    detail = InvalidRequest.detail if status is HTTPStatus.BAD_REQUEST else status.description
    detail = detail or status.phrase
    if isinstance(failure, ValidationException):
        return problem(status, detail, errors=_field_errors(request, failure))
    return problem(status, detail, headers=failure.headers)


def _field_errors(
    request: Request[Any, Any, Any], failure: ValidationException
) -> list[dict[str, str]]:
    told = failure.extra if isinstance(failure.extra, list) else []
    return [
        {
            "field": _name_outside(request, str(error.get("key", ""))),
            "message": str(error.get("message", ""))[:200],
        }
        for error in told
        if isinstance(error, dict)
    ]


def _name_outside(request: Request[Any, Any, Any], name: str) -> str:
    """Return what clients call a handler's parameter: the framework tells what we call it."""
    field = request.route_handler.parsed_fn_signature.parameters.get(name)
    described = None if field is None else field.kwarg_definition
    return (described.name if isinstance(described, ParameterKwarg) else None) or name
