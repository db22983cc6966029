"""What keeps out what Alipay did not say, and what it did not say to us."""

from scripts.guards.guard import Guard

_NOTICE = "tests/providers/test_alipay_notice.py::"
_ANSWERS = "tests/providers/test_alipay_answers.py::"
_SIMULATOR = "tests/sandbox/test_alipay.py::"
_READER = "providers/alipay/notice.py"
_STALE = f"{_NOTICE}TestItsAge::test_outside_of_it_is_stale"

ALIPAY = (
    Guard(
        "alipay.signature",
        "a notice and an answer are Alipay's",
        "providers/alipay/signature.py",
        "key.verify(raw, message, PKCS1v15(), SHA256())",
        "key.verify",
        f"{_NOTICE}TestASignature::test_by_another_key_is_refused",
    ),
    Guard(
        "alipay.several_keys",
        "a new key of Alipay's can be added before the old one goes",
        "providers/alipay/signature.py",
        "                continue\n",
        "                return None\n",
        f"{_NOTICE}TestASignature::test_by_any_of_several_keys_is_believed",
    ),
    Guard(
        "alipay.not_old",
        "a notice of Alipay's is no older than its last resend",
        _READER,
        "if not -MAX_LEAD <= now - sent_at <= MAX_AGE:",
        "if not -MAX_LEAD <= now - sent_at:",
        f"{_STALE}[age0]",
    ),
    Guard(
        "alipay.not_early",
        "a notice of Alipay's is not of the future",
        _READER,
        "if not -MAX_LEAD <= now - sent_at <= MAX_AGE:",
        "if not now - sent_at <= MAX_AGE:",
        f"{_STALE}[age1]",
    ),
    Guard(
        "alipay.twice",
        "a notice that says a thing twice says nothing",
        _READER,
        "if len(fields) != len(pairs) or",
        "if",
        f"{_NOTICE}TestAForm::test_that_says_a_thing_twice_is_refused[notify_id]",
    ),
    Guard(
        "alipay.melted",
        "no field hides in the value of another",
        _READER,
        " or any(map(_NAME_INSIDE.search, fields.values()))",
        "",
        f"{_NOTICE}TestAForm::test_whose_fields_were_melted_into_one_is_refused",
    ),
    Guard(
        "alipay.merchant",
        "money for another seller is told as such",
        _READER,
        "return (seller_id if settings.seller_id else app_id, app_id)",
        "return (settings.merchant_id, app_id)",
        f"{_NOTICE}TestWhatItSays::test_names_another_merchant_for_the_order_to_judge"
        "[changes0-2088999999999999-2021000000000001]",
    ),
    Guard(
        "alipay.foreign_end",
        "another seller's closed trade gives no seats back",
        _READER,
        "if _merchant_and_app(told, settings) != (settings.merchant_id, settings.app_id):",
        "if False:",
        f"{_NOTICE}TestWhatItSays::test_of_a_trade_that_nobody_paid_is_its_end",
    ),
    Guard(
        "alipay.amount",
        "a payment is of what the order was charged",
        _READER,
        'words.minor_of(told.get("total_amount", ""))',
        'words.minor_of(told.get("buyer_pay_amount", ""))',
        f"{_NOTICE}TestWhatItSays::test_is_a_payment_of_what_the_order_was_charged[TRADE_SUCCESS]",
    ),
    Guard(
        "alipay.scrub",
        "what is kept of Alipay's words names no payer",
        "providers/alipay/evidence.py",
        "sorted(KEPT & said.keys())",
        "sorted(said.keys())",
        f"{_NOTICE}TestWhatItSays::test_is_kept_without_what_names_the_payer",
    ),
    Guard(
        "alipay.answer",
        "an answer of Alipay's counts only when it is signed",
        "providers/alipay/client.py",
        "if self._ring.signer_of(signed, signature) is not None:",
        "if signed:",
        f"{_ANSWERS}TestAnAnswer::test_that_nobody_signed_says_nothing",
    ),
    Guard(
        "alipay.unsigned_refusal",
        "a refusal that nobody signed says nothing about money",
        "providers/alipay/errors.py",
        "return code if code in CONFIGURATION_FAULTS else UNTRUSTED",
        "return code",
        f"{_ANSWERS}TestARefusal::test_that_nobody_signed_says_nothing_about_money[query]",
    ),
    Guard(
        "alipay.answer_of_the_number",
        "an answer of Alipay's is about the number that was asked",
        "providers/alipay/answers.py",
        "if told != number:",
        "if False:",
        f"{_ANSWERS}TestAnAnswer::test_about_another_number_says_nothing[query]",
    ),
    Guard(
        "alipay.refunded_is_paid",
        "a trade that ended by its refund does not count as never paid",
        "providers/alipay/answers.py",
        "if trade.trade_status in words.PAID_STATES or _was_paid(trade):",
        "if trade.trade_status in words.PAID_STATES:",
        f"{_ANSWERS}TestATrade::test_is_closed_only_if_it_was_never_paid",
    ),
    Guard(
        "alipay.expiry",
        "nobody can pay at Alipay later than the attempt allows",
        "providers/alipay/requests.py",
        '"time_expire": china_time(request.payable_until),',
        '"time_expire": "2099-01-01 00:00:00",',
        f"{_ANSWERS}TestACall::test_to_open_lets_nobody_pay_later_than_allowed",
    ),
    Guard(
        "alipay.refund_number",
        "one refund number moves money once",
        "providers/alipay/requests.py",
        '"out_request_no": request.refund_no,',
        '"out_request_no": china_time(datetime.now()),',
        f"{_ANSWERS}TestACall::test_for_money_back_names_what_moves_it_once",
    ),
    Guard(
        "alipay.call",
        "the simulated Alipay takes no call that the merchant did not sign",
        "sandbox/alipay/gateway.py",
        "if not self._keys.is_merchants(parameters):",
        "if False:",
        f"{_SIMULATOR}TestACall::test_that_proves_nothing_is_refused[changes0-isv.invalid-signature]",
    ),
    Guard(
        "alipay.heard",
        "the simulated Alipay takes only the bare word for heard",
        "sandbox/alipay/notices.py",
        "return status == HTTPStatus.OK and body == HEARD",
        "return status == HTTPStatus.OK",
        f"{_SIMULATOR}TestANotice::test_is_sent_until_somebody_says_the_very_word",
    ),
)
