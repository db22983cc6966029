"""The guards of the house, each with its removal and the test that must notice it.

A row reads: id, what the guard keeps, its file, what stands there, what stands there without the
guard, the test. Where the code moves, its row follows; a test sees that every row still fits.
"""

from scripts.guards.guard import Guard
from scripts.guards.rows.alipay import ALIPAY
from scripts.guards.rows.attempts import ATTEMPTS
from scripts.guards.rows.bridge import BRIDGE
from scripts.guards.rows.catalogue import CATALOGUE
from scripts.guards.rows.coupons import COUPONS
from scripts.guards.rows.course import COURSE
from scripts.guards.rows.delivery import DELIVERY
from scripts.guards.rows.doors import DOORS
from scripts.guards.rows.events import EVENTS
from scripts.guards.rows.evidence import EVIDENCE
from scripts.guards.rows.house import HOUSE
from scripts.guards.rows.intents import INTENTS
from scripts.guards.rows.mail import MAIL
from scripts.guards.rows.mock import MOCK
from scripts.guards.rows.money import MONEY
from scripts.guards.rows.notices_more import NOTICES_MORE
from scripts.guards.rows.pingxx import PINGXX
from scripts.guards.rows.places import PLACES
from scripts.guards.rows.refunds import REFUNDS
from scripts.guards.rows.sales import SALES
from scripts.guards.rows.seats import SEATS
from scripts.guards.rows.statements import STATEMENTS
from scripts.guards.rows.stripe import STRIPE
from scripts.guards.rows.turns import TURNS
from scripts.guards.rows.upkeep import UPKEEP
from scripts.guards.rows.wechat import WECHAT

GUARDS: tuple[Guard, ...] = (
    *TURNS,
    *SEATS,
    *SALES,
    *ATTEMPTS,
    *MONEY,
    *DELIVERY,
    *WECHAT,
    *DOORS,
    *BRIDGE,
    *HOUSE,
    *REFUNDS,
    *STATEMENTS,
    *PLACES,
    *CATALOGUE,
    *COUPONS,
    *COURSE,
    *MAIL,
    *MOCK,
    *PINGXX,
    *INTENTS,
    *UPKEEP,
    *EVENTS,
    *EVIDENCE,
    *STRIPE,
    *ALIPAY,
    *NOTICES_MORE,
)
