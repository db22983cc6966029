"""What our own people read of a sale: a title, and one line per fact. Pure."""

import msgspec

from contracts.money import Money
from contracts.states import CouponKind
from jobs.letters.letter import amount
from models.sale_news import SaleStory, Totals, UsedCoupon


class News(msgspec.Struct, frozen=True, kw_only=True):
    """One message, in the language of those who sell."""

    title: str
    lines: tuple[str, ...]


def sale_news(story: SaleStory, totals: Totals) -> News | None:
    """Tell that somebody has paid; None where no money was kept."""
    if story.payment is None:
        return None
    payment = story.payment
    lines = [
        *_buyer(story),
        f"活动：{story.event}",
        f"实付：{amount(payment.amount)}",
        f"支付渠道：{' / '.join(filter(None, (payment.provider, payment.channel)))}",
        f"价格项：{story.ticket_type} × {story.quantity}，{amount(story.price)}",
    ]
    if story.coupon is not None:
        less = Money(amount_minor=story.coupon.discount_minor, currency=story.price.currency)
        lines.append(f"价格项：优惠码 {story.coupon.code}，-{amount(less)}")
    lines += [
        f"付费用户数：{totals.paid}",
        f"注册用户数：{totals.registered}",
        f"总用户数：{totals.everybody}",
    ]
    return News(title="Guichet：新的购票", lines=(*lines, f"订单：{story.order_no}"))


def coupon_taken(story: SaleStory) -> News | None:
    """Tell that an order took a coupon; None where it has none."""
    if story.coupon is None:
        return None
    lines = [
        *_buyer(story),
        f"优惠码：{story.coupon.code}",
        f"名称：{story.event}",
        f"优惠：{_value(story.coupon, story.price.currency)}",
    ]
    return News(title="Guichet：使用优惠码", lines=(*lines, f"订单：{story.order_no}"))


def _buyer(story: SaleStory) -> list[str]:
    return [f"买家：{story.buyer}", *([f"邮箱：{story.email}"] if story.email else [])]


def _value(coupon: UsedCoupon, currency: str) -> str:
    if coupon.kind == CouponKind.PERCENT:
        return f"{coupon.value}%"
    return amount(Money(amount_minor=coupon.value, currency=currency))
