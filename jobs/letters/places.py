"""Letters to whoever has a place: a gift received, let in, not let in, over."""

from contracts.states import RegistrationStatus
from jobs.letters.letter import Letter, language_of, letter, one_line, tongue
from jobs.letters.links import Links
from jobs.letters.orders import about, place_line
from models.mail import PlaceStory

_WAITING_OR_IN = {RegistrationStatus.PENDING, RegistrationStatus.APPROVED}


def gift_received(story: PlaceStory, links: Links) -> Letter | None:
    """Tell a guest what was taken, if it is still theirs."""
    if story.place.status not in _WAITING_OR_IN or story.place.is_marked:
        return None
    locale = language_of(story.place.holder.locale)
    say, title = tongue(locale), one_line(story.occasion.title)
    return letter(
        locale,
        say(f"您领取了一张赠票：{title}", f"You took a gift ticket: {title}"),
        about(story.occasion, say),
        place_line(story.place, story.occasion, links, say),
    )


def admission(story: PlaceStory, links: Links) -> Letter | None:
    """Tell somebody that they have a place, if they still have."""
    if story.place.status is not RegistrationStatus.APPROVED or story.place.is_marked:
        return None
    locale = language_of(story.place.holder.locale)
    say, title = tongue(locale), one_line(story.occasion.title)
    return letter(
        locale,
        say(f"报名成功：{title}", f"You have a place: {title}"),
        about(story.occasion, say),
        place_line(story.place, story.occasion, links, say),
    )


def place_ended(story: PlaceStory) -> Letter | None:
    """Tell a guest that the place went back with the money that paid for it, if it did."""
    if story.place.status is not RegistrationStatus.CANCELLED:
        return None
    locale = language_of(story.place.holder.locale)
    say, title = tongue(locale), one_line(story.occasion.title)
    return letter(
        locale,
        say(f"您的名额已取消：{title}", f"Your place was cancelled: {title}"),
        about(story.occasion, say),
        say(
            "这张赠票已由购票人或主办方退款，门票不再有效。",
            "The gift ticket was refunded to its buyer; it is not valid any more.",
        ),
    )


def rejection(story: PlaceStory) -> Letter | None:
    """Tell somebody that the organizer did not let them in, if that still holds."""
    if story.place.status is not RegistrationStatus.REJECTED:
        return None
    locale = language_of(story.place.holder.locale)
    say, title = tongue(locale), one_line(story.occasion.title)
    return letter(
        locale,
        say(f"报名未通过：{title}", f"Your registration was not approved: {title}"),
        about(story.occasion, say),
        say(
            "很遗憾，主办方没有通过您的报名。如有退款，会另行通知。",
            "We are sorry: the organizer did not approve your registration."
            " If money goes back to you, another mail will say so.",
        ),
    )
