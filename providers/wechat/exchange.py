"""What an exchange of a code answers, and what each refusal means for the caller's next move.

1. The status comes first: whatever a 5xx says, the code may be used up.
2. Only numbers decide, never texts, which carry an id of the request and change.
3. Numbers that only a person can put right (secret, addresses, permissions) leave the call to be
   repeated and are logged as errors.

Source: WeChat, code2Session, web page authorization and global return codes, read 2026-11.
"""

from typing import Annotated, Final

import msgspec

from providers.provider import OutcomeUnknown, ProviderError, ProviderRefused, ProviderUnreachable
from providers.wechat import errors
from providers.wechat.errors import Verdict
from providers.wechat.words import PROVIDER

NOT_SENT: Final = "not_sent"
NOT_CONFIGURED: Final = "not_configured"
_SNAPSHOT: Final = "snapshot_user"

VERDICTS: dict[str, Verdict] = {
    "40029": ProviderRefused,  # invalid code: another app's, too old or nobody's
    "40163": ProviderRefused,  # the code has been used
    "42003": ProviderRefused,  # the code of a consent is too old
    "40226": ProviderRefused,  # WeChat lets nobody in who is likely to do harm
    "-1": OutcomeUnknown,  # the servers are busy
    "45009": ProviderUnreachable,  # the app's quota of a day
    "45011": ProviderUnreachable,  # a person's quota of a minute
    "40001": ProviderUnreachable,  # the secret is not the app's
    "40013": ProviderUnreachable,  # there is no such app
    "40125": ProviderUnreachable,  # the secret is not the app's
    "40164": ProviderUnreachable,  # our address is not on the app's list
    "40243": ProviderUnreachable,  # the secret is frozen
    "41002": ProviderUnreachable,  # no appid
    "41004": ProviderUnreachable,  # no secret
    "48001": ProviderUnreachable,  # the app may not ask
    NOT_CONFIGURED: ProviderUnreachable,
    NOT_SENT: ProviderRefused,
    _SNAPSHOT: ProviderRefused,
}
CONFIGURATION_FAULTS: Final = frozenset(
    {"40001", "40013", "40125", "40164", "40243", "41002", "41004", "48001", NOT_CONFIGURED}
)
_OK, _TOO_MANY_REQUESTS = 200, 429

# Real ones have 28 characters; payments take up to 128.
Openid = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z_\-]{1,128}\Z")]
_Number = Annotated[int, msgspec.Meta(ge=-(10**6), le=10**9)]


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    # The vendor's pages show it as a text now and then.
    errcode: _Number | Annotated[str, msgspec.Meta(max_length=10)] = 0


class _Person(msgspec.Struct, frozen=True, kw_only=True):
    openid: Openid
    is_snapshotuser: int = 0


def error_of(operation: str, code: str) -> ProviderError:
    """Make the error that tells the caller's next move."""
    verdict = VERDICTS.get(code)
    return (
        errors.error_of(operation, code) if verdict is None else verdict(PROVIDER, operation, code)
    )


def code_of(status: int, body: bytes) -> str:
    """Name what an answer says, from the closed sets of this file and of the payment service's."""
    if status == _TOO_MANY_REQUESTS:
        return "FREQUENCY_LIMITED"
    if status != _OK:
        return "http_5xx" if status // 100 == 5 else "http_status"  # noqa: PLR2004
    try:
        errcode = str(msgspec.json.decode(body, type=_Said).errcode)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return errors.UNREADABLE
    if errcode == "0":
        return errors.OK
    return errcode if errcode in VERDICTS else errors.OTHER


def openid_in(operation: str, code: str, body: bytes) -> str:
    """Read whose code it was.

    :raises ProviderError: the answer tells of nobody who can pay.
    """
    if code != errors.OK:
        raise error_of(operation, code)
    try:
        person = msgspec.json.decode(body, type=_Person)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise error_of(operation, errors.UNREADABLE) from None
    if person.is_snapshotuser:
        # A page shown as a preview has a made-up visitor, for whom no payment can be opened.
        raise error_of(operation, _SNAPSHOT)
    return person.openid
