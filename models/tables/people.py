"""Who buys and who organizes."""

from piccolo.columns import BigSerial
from piccolo.constraints import Unique
from piccolo.table import Table

from models.tables.columns import stamped, word


class Users(Table, tablename="users"):
    """One person, made at first sight of a token's issuer and subject."""

    id = BigSerial(primary_key=True)
    issuer = word(255)
    subject = word(255)
    name = word(64)
    openid = word(128, null=True)
    created_at = stamped()

    users_issuer_subject_key = Unique([issuer, subject])
