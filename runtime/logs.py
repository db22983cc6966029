"""Log lines: one JSON object per line on standard output, ours and the libraries' alike.

1. Only keys on the list are written; a line says which keys it lost, never their values.
2. Of an exception the type and the frames are written, never the message: drivers put rows and
   clients put URLs into theirs.
3. Every line inside a span carries its trace_id and span_id.
4. What one turn of the event loop has to say goes out in one write; from WARNING up at once.
"""

import asyncio
import atexit
import logging
import logging.config
import sys
import traceback
from typing import Any

import msgspec
import structlog
from opentelemetry import trace
from structlog.types import EventDict, WrappedLogger

_ABOUT = """
    order_id order_no order_ids number holder attempt_no refund_no notice_id effect_id
    event_id ticket_type_id case_id registration_id user_id
    provider channel kind cause command subject day
    shell_version bridge_version rollout_percent min_version
    orderId orderNo environmentType shellVersion bridgeVersion bridgeSupported
"""
_OUTCOME = """
    code reason status outcome operation error error_code error_type sqlstate constraint
    count size looks tries retry_count quantity version due claimed done failed limit attempts
    duration_ms age_seconds delay_seconds interval_seconds retry_after_seconds stalled_seconds
"""
_PLACE = "method route process pid worker workers host port job sweep lease migration setting hint"
_FRAME = "event level logger timestamp exception"
LOGGABLE_KEYS = frozenset(f"{_ABOUT} {_OUTCOME} {_PLACE} {_FRAME}".split())
# These tell at INFO what our own lines and spans tell better, with whole URLs.
_QUIET_LOGGERS = (
    *("httpx", "httpcore", "wechatpayv3", "stripe"),
    *("asyncio", "arq", "uvicorn", "piccolo"),
)
_FRAMES_MAX = 12


def configure_logs(level: str = "INFO") -> None:
    """Send every log line of this process to standard output as JSON."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            *_SHARED,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=_Named,
        cache_logger_on_first_use=True,
    )
    _route_libraries(level)


class _Lines:
    """Lines on their way to standard output."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def hold(self, line: bytes) -> None:
        """Write *line* with the others of this turn of the loop; without a loop, at once."""
        self._held.append(line)
        if len(self._held) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self.write_out)
        except RuntimeError:
            self.write_out()

    def write(self, line: bytes) -> None:
        """Write *line* and what was held before it."""
        self._held.append(line)
        self.write_out()

    def write_out(self) -> None:
        held, self._held = self._held, []
        if held:
            sys.stdout.buffer.write(b"\n".join(held) + b"\n")
            sys.stdout.buffer.flush()


class _Named:
    """Writes lines under the name it was asked for by."""

    def __init__(self, name: str = "guichet") -> None:
        self.name = name

    def info(self, line: bytes) -> None:
        _lines.hold(line)

    def error(self, line: bytes) -> None:
        _lines.write(line)

    debug = info
    warning = critical = error


class _Handler(logging.Handler):
    """Writes the lines of libraries among ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _lines.write(self.format(record).encode())
        except Exception:  # noqa: BLE001 - a line that cannot be written must not stop the work
            self.handleError(record)


def _route_libraries(level: str) -> None:
    handler = _Handler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_SHARED,
                _render_text,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(logging.WARNING, root.level))


def _add_trace(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"] = f"{context.trace_id:032x}"
        line["span_id"] = f"{context.span_id:016x}"
    return line


def _filter_exception(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    found = line.pop("exc_info", None)
    if not found:
        return line
    if found is True:
        found = sys.exc_info()[1]
    elif isinstance(found, tuple):
        found = found[1]
    if isinstance(found, BaseException):
        line["exception"] = describe(found)
    return line


def describe(error: BaseException) -> list[dict[str, Any]]:
    """Tell an exception and its causes by type and frames, without their messages."""
    chain: list[dict[str, Any]] = []
    current: BaseException | None = error
    while current is not None and len(chain) < _FRAMES_MAX:
        frames = traceback.extract_tb(current.__traceback__)[-_FRAMES_MAX:]
        told: dict[str, Any] = {
            "type": f"{type(current).__module__}.{type(current).__qualname__}",
            "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        # PostgreSQL's code and constraint say what went wrong without saying with which row.
        for name in ("sqlstate", "constraint_name"):
            if isinstance(value := getattr(current, name, None), str):
                told[name] = value
        chain.append(told)
        hidden = None if current.__suppress_context__ else current.__context__
        current = current.__cause__ or hidden
    return chain


def _keep_listed(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    lost = [key for key in line if key not in LOGGABLE_KEYS]
    for key in lost:
        del line[key]
    if lost:
        line["lost_keys"] = sorted(lost)
    return line


def _render(_logger: WrappedLogger, _method: str, line: EventDict) -> bytes:
    return _encoder.encode(line)


def _render_text(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    return _encoder.encode(line).decode()


_lines = _Lines()
# A loop that was stopped leaves the lines of its last turn.
atexit.register(_lines.write_out)
_encoder = msgspec.json.Encoder(enc_hook=str)
_SHARED: list[structlog.types.Processor] = [
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _filter_exception,
    _keep_listed,
    _add_trace,
]
