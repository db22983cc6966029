"""Who a payer is to a provider: the interface that turns login codes into openids.

1. A code is worth one exchange: after anything but ProviderUnreachable the client must get a new
   one from its own login.
2. An openid belongs to one appid, and the appid says which of a person's openids an attempt needs.
3. What is exchanged identifies a person: neither codes nor openids may reach a log or a metric.
"""

from typing import Protocol


class Identity(Protocol):
    """What we may ask about a payer, whoever keeps the accounts."""

    @property
    def mini_program_appid(self) -> str:
        """The appid to which the openids of logins belong.

        The service account's where the Mini Program has none of its own.
        """

    @property
    def service_account_appid(self) -> str:
        """The appid to which the openids of consents belong."""

    @property
    def knows_logins(self) -> bool:
        """Tell whether the Mini Program is set up, so that codes of its logins can be exchanged."""

    @property
    def knows_consents(self) -> bool:
        """Tell whether the service account is set up, so that codes of consents can be."""

    async def openid_of_login(self, code: str) -> str:
        """Exchange the code of a login in the Mini Program (``wx.login``) for the openid.

        :raises ProviderRefused: the code is wrong, too old or used; the client logs in again.
        :raises ProviderUnreachable: no exchange took place; try the same code again, soon.
        :raises OutcomeUnknown: the code may be used up; the client logs in again.
        """

    async def openid_of_consent(self, code: str) -> str:
        """Exchange the code that came back from *authorize_url* for the openid.

        :raises ProviderRefused: the code is wrong, too old or used; the person is sent there again.
        :raises ProviderUnreachable: no exchange took place; try the same code again, soon.
        :raises OutcomeUnknown: the code may be used up; the person is sent there again.
        """

    def authorize_url(self, *, redirect_uri: str, state: str) -> str:
        """Say where to send a person in the WeChat browser; they come back with code and state.

        *redirect_uri* is absolute; *state* is 1 to 128 letters and digits that nobody can guess.

        :raises ValueError: *state* has another form.
        :raises ProviderUnreachable: the code could not be exchanged, for want of settings.
        """
