"""Users, and who they are to WeChat."""

from piccolo.columns import BigSerial
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from contracts.states import UserState
from models.tables.columns import instant, one_of, parent, stamped, word


class Users(Table, tablename="users"):
    """One person, made at first sight of a token's issuer and subject.

    *openid* is the person's name at the service account; every other app has its own.
    """

    id = BigSerial(primary_key=True)
    issuer = word(255)
    subject = word(255)
    name = word(64)
    openid = word(128, null=True)
    email = word(254, null=True)
    locale = word(16, null=True)
    state = word(16, default=UserState.REGISTERED.value)
    created_at = stamped()

    users_state_check = one_of("state", UserState)
    users_issuer_subject_key = Unique([issuer, subject])


class WechatIdentities(Table, tablename="wechat_identities"):
    """What a person is called at an app of its own; the last one bound counts."""

    id = BigSerial(primary_key=True)
    user_id = parent(Users)
    appid = word(64)
    openid = word(128)
    bound_at = instant()

    wechat_identities_user_appid_key = Unique([user_id, appid])
    wechat_identities_check = Check("appid <> '' AND openid <> ''")
