"""The letter to whoever runs the service: a question only a person can answer."""

from contracts.people import Locale
from jobs.letters.letter import Letter, letter
from models.mail import CaseStory


def alarm(story: CaseStory) -> Letter:
    """Name the case; what to do about each kind is told in the operations manual."""
    return letter(
        Locale.ENGLISH,
        f"Guichet case {story.id}: {story.kind}",
        f"A case was opened: {story.kind}, reason {story.reason}, about {story.subject}.",
        None if story.order_no is None else f"It belongs to order {story.order_no}.",
        'What to do is told in docs/operations.md under "A case".',
    )
