"""Where a payer is, as far as the way to pay depends on it, and what the payer is called there."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Environment(StrEnum):
    """What the payer's page runs in."""

    MINIPROGRAM = "miniprogram"
    WECHAT = "wechat"
    NONE = "none"


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a payer; versions are the client's words, as they came.

    *is_told* is whether the client said anything of it: older clients do not.
    """

    environment: Environment
    is_told: bool = False
    bridge_supported: bool = False
    bridge_version: str = ""
    shell_version: str = ""


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays, as the provider is told: *appid* says whose word *openid* is."""

    appid: str
    openid: str | None = None


class Openids(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is called at the service account, and at other apps by their appid."""

    own: str | None = None
    elsewhere: Mapping[str, str] = {}
