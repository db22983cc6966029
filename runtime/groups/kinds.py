"""What kinds of values settings have, beside plain words."""

from typing import Annotated

from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Seconds = Annotated[int, Meta(ge=0)]
Interval = Annotated[float, Meta(ge=0)]
# Braces stay: a provider replaces words in them. A dollar is a variable that nobody replaced.
Url = Annotated[str, Meta(pattern=r"^https?://[^\s/$?#][^\s$]*$", title="http or https address")]
