"""Letters to a buyer: paid, ended, money sent back, a gift taken."""

from contracts.states import InviteStatus, OrderStatus, RegistrationStatus
from jobs.letters.letter import (
    Letter,
    Line,
    Link,
    Say,
    amount,
    language_of,
    letter,
    moment,
    one_line,
    tongue,
)
from jobs.letters.links import Links
from models.mail import GiftOfLetter, Occasion, OrderStory, SeatOfLetter


def tickets(story: OrderStory, links: Links) -> Letter | None:
    """Tell a buyer what was paid for, as far as it still holds."""
    locale = language_of(story.buyer.locale)
    say, title = tongue(locale), one_line(story.occasion.title)
    if story.status is OrderStatus.REFUNDED:
        return letter(
            locale,
            say(f"订单已退款：{title}", f"Your order was refunded: {title}"),
            say(
                f"订单 {story.order_no} 已支付，随后已退款，门票不再有效。",
                f"Order {story.order_no} was paid and has been refunded since;"
                " its tickets are not valid any more.",
            ),
        )
    if story.status is not OrderStatus.PAID:
        return None
    return letter(
        locale,
        say(f"您的门票：{title}", f"Your tickets: {title}"),
        say(
            f"订单 {story.order_no} 已支付 {amount(story.total)}。",
            f"Order {story.order_no} is paid: {amount(story.total)}.",
        ),
        about(story.occasion, say, story.quantity),
        *_own_place(story, links, say),
        *_gifts(story, links, say),
    )


def farewell(story: OrderStory) -> Letter | None:
    """Tell a buyer that an order ended unpaid, if that is still so."""
    locale = language_of(story.buyer.locale)
    say, title = tongue(locale), one_line(story.occasion.title)
    if story.status is OrderStatus.EXPIRED:
        subject = say(f"订单已过期：{title}", f"Your order has expired: {title}")
        ended = say(
            f"订单 {story.order_no} 未在规定时间内支付，名额已释放。",
            f"Order {story.order_no} was not paid in time; its seats were given back.",
        )
    elif story.status is OrderStatus.CANCELLED:
        subject = say(f"订单已取消：{title}", f"Your order was cancelled: {title}")
        ended = say(
            f"订单 {story.order_no} 已取消，名额已释放。",
            f"Order {story.order_no} was cancelled; its seats were given back.",
        )
    else:
        return None
    return letter(
        locale,
        subject,
        ended,
        say(
            "如果您其实已经付款，您会收到门票，或者全额退款。",
            "If you did pay, you will get your tickets, or all of your money back.",
        ),
    )


def refund_notice(story: OrderStory) -> Letter | None:
    """Tell a buyer that money went back."""
    if story.refund is None:
        return None
    locale = language_of(story.buyer.locale)
    say, title = tongue(locale), one_line(story.occasion.title)
    sum_back = amount(story.refund.amount)
    return letter(
        locale,
        say(f"退款 {sum_back}：{title}", f"Refund of {sum_back}: {title}"),
        say(
            f"订单 {story.order_no} 的 {sum_back} 已原路退回。",
            f"{sum_back} of order {story.order_no} went back to where it was paid from.",
        ),
        _why(story, say, is_surplus=story.refund.is_surplus),
    )


def gift_taken(story: OrderStory) -> Letter:
    """Tell a buyer that somebody took a gift seat."""
    locale = language_of(story.buyer.locale)
    say, title = tongue(locale), one_line(story.occasion.title)
    left = len(_open_gifts(story))
    return letter(
        locale,
        say(f"您赠送的门票已被领取：{title}", f"A gift ticket of yours was taken: {title}"),
        say(
            f"订单 {story.order_no} 中有一张赠票已被领取，还剩 {left} 张可以领取。",
            f"Somebody took a gift ticket of order {story.order_no}; {left} can still be taken.",
        ),
    )


def about(occasion: Occasion, say: Say, quantity: int = 1) -> str:
    """Say what a ticket is for and when that is."""
    title, kind = one_line(occasion.title), one_line(occasion.ticket_type)
    starts = moment(occasion.starts_at)
    return say(
        f"{title}，{kind} × {quantity}，{starts} 开始。",
        f"{title}, {kind} × {quantity}, begins {starts}.",
    )


def place_line(place: SeatOfLetter, occasion: Occasion, links: Links, say: Say) -> Line:
    """Say how a place stands: where its ticket is, or why there is none."""
    if place.status is RegistrationStatus.APPROVED and not place.is_marked:
        return Link(
            label=say("打开您的门票", "Open your ticket"),
            url=links.ticket(occasion.event_id, place.registration_id),
        )
    if place.status is RegistrationStatus.PENDING and not place.is_marked:
        return say(
            "您的报名正在等待主办方审核，结果会另行通知。",
            "The organizer has to approve your registration; you will be told.",
        )
    return say("您的名额已不再有效。", "Your own place is not valid any more.")


def _own_place(story: OrderStory, links: Links, say: Say) -> list[Line]:
    own = [place for place in story.places if place.gift_position is None]
    return [place_line(place, story.occasion, links, say) for place in own[:1]]


def _gifts(story: OrderStory, links: Links, say: Say) -> list[Line]:
    open_gifts = _open_gifts(story)
    if not open_gifts:
        return []
    invitation = say(
        "以下每个链接可供一位朋友领取一张门票：",
        "With each of these links one friend can take a ticket:",
    )
    return [
        invitation,
        *(
            Link(
                label=say(f"赠票 {gift.position}", f"Gift ticket {gift.position}"),
                url=links.gift(
                    story.occasion.event_id, story.order_no, gift.position, gift.generation
                ),
            )
            for gift in open_gifts
        ),
    ]


def _open_gifts(story: OrderStory) -> list[GiftOfLetter]:
    return [
        gift for gift in story.gifts if gift.status is InviteStatus.PENDING and not gift.is_marked
    ]


def _why(story: OrderStory, say: Say, *, is_surplus: bool) -> str:
    if is_surplus:
        return say(
            "这笔付款无法用于该订单，因此全额退回。",
            "This payment could not be used for the order, so all of it went back.",
        )
    if story.status is OrderStatus.REFUNDED:
        return say(
            "该订单已全部退款，门票不再有效。",
            "The whole order is refunded; its tickets are not valid any more.",
        )
    return say(
        "这是部分退款，未取消的门票仍然有效。",
        "This is a part of it; tickets that were not cancelled stay valid.",
    )
