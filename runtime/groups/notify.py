"""Whom we write to: by mail, and to a group of colleagues."""

from dataclasses import dataclass
from typing import Annotated

from runtime.groups.house import HouseSettings
from runtime.mail_server import MailServer, read_mail_server
from runtime.registry import about


@dataclass(frozen=True, kw_only=True, repr=False)
class NotifySettings(HouseSettings):
    """Mail, and news of sales."""

    smtp_url: Annotated[
        str | None,
        about(
            "notify",
            "Server that takes our mail, smtp://[user:password@]host:port or smtps://...;"
            " unset: what would be mailed is logged.",
            secret=True,
        ),
    ] = None
    smtp_starttls: Annotated[
        bool | None,
        about(
            "notify",
            "Whether smtp:// must be encrypted by STARTTLS; unset: yes, sandbox where offered.",
        ),
    ] = None
    mail_from: Annotated[
        str | None,
        about("notify", "Sender, name@host or Some Name <name@host>; required beside SMTP_URL."),
    ] = None
    alarm_mail_to: Annotated[
        str | None, about("notify", "Who is told of a case; unset: the log, as an error.")
    ] = None
    feishu_notify_url: Annotated[
        str | None,
        about(
            "notify",
            "Feishu bot that tells our own people of sales and coupons; unset: nobody is told.",
            secret=True,
        ),
    ] = None

    @property
    def mail_server(self) -> MailServer | None:
        """Who takes our mail; None where nobody does."""
        if self.smtp_url is None:
            return None
        must = None if self.is_sandbox else True
        starttls = must if self.smtp_starttls is None else self.smtp_starttls
        return read_mail_server(self.smtp_url, starttls=starttls)
