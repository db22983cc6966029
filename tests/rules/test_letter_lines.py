"""Letters hold whatever people wrote, and none of it becomes a header or a tag."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from contracts.people import Locale
from jobs.letters.letter import Link, as_html, as_text, letter
from jobs.post import compose

# What a text column of the database can hold.
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=200)
_HEADERS = {
    *("Subject", "From", "To", "Date", "Message-ID", "Content-Language", "Auto-Submitted"),
    *("MIME-Version", "Content-Type"),
}


class Reader(HTMLParser):
    """Notes tags and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def sent(text: str) -> EmailMessage:
    written = letter(Locale.ENGLISH, text, text, Link(label=text, url="https://x.test/?a=1&b=2"))
    message = compose(
        written, sender="Guichet <a@x.test>", to="b@x.test", message_id="<order.1@x.test>"
    )
    return message_from_bytes(message.as_bytes(), policy=default)


class TestALetter:
    @given(_TEXTS)
    def test_has_its_own_headers_whatever_people_wrote(self, text: str) -> None:
        message = sent(text)

        assert set(message.keys()) == _HEADERS
        assert message["To"] == "b@x.test"
        assert message["Message-ID"] == "<order.1@x.test>"

    @given(_TEXTS)
    def test_has_its_own_tags_whatever_people_wrote(self, text: str) -> None:
        reader = Reader()
        reader.feed(as_html(letter(Locale.ENGLISH, text, text, Link(label=text, url="https://x"))))

        assert reader.tags == {"html", "head", "meta", "title", "body", "p", "a"}

    @given(_TEXTS)
    def test_is_of_one_line_where_one_line_is_meant(self, text: str) -> None:
        written = letter(Locale.CHINESE, text, text)

        assert written.subject.isprintable()
        assert len(as_text(written).splitlines()) == 5

    def test_says_in_text_what_it_says_in_html(self) -> None:
        message = sent("Two < three & four")
        text, html = message.get_body(("plain",)), message.get_body(("html",))
        assert text is not None
        assert html is not None
        reader = Reader()
        reader.feed(html.get_content())

        told = [line for line in text.get_content().splitlines() if line]
        assert [line for line in told if not line.startswith("https://")] == [
            line for line in reader.texts[2:] if line.strip()
        ]
