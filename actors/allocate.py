"""Who gets the seats that are left. Pure."""

from collections.abc import Sequence


def allocate(remaining: int | None, requests: Sequence[int]) -> list[bool]:
    """Answer each request for seats, in order of arrival, taking whatever still fits.

    Greedy: with five left, requests for 4, 4 and 1 sell five. *remaining* None means unlimited;
    a negative count, which a lowered maximum may leave, sells nothing.
    """
    left = remaining
    answers = []
    for seats in requests:
        granted = left is None or seats <= left
        if granted and left is not None:
            left -= seats
        answers.append(granted)
    return answers
