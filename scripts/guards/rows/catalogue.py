"""What keeps the catalogue, its export and the counts."""

from scripts.guards.guard import Guard
from scripts.guards.rows.paths import API, STORAGE

_CATALOGUE_DOORS = f"{API}catalogue.py::TestAnEventsDoors::test_"
_CHANGES = f"{STORAGE}catalogue_changes.py::"

CATALOGUE = (
    Guard(
        "catalogue.owner",
        "an event is changed by its own organizer",
        "models/events.py",
        "organizer_user_id = $2)",
        "$2 > 0)",
        f"{_CATALOGUE_DOORS}are_closed_to_all_but_its_organizer_and_admins",
    ),
    Guard(
        "catalogue.draft",
        "a draft is seen by who manages it",
        "models/events.py",
        "WHERE e.status <> $1 AND e.id = $2",
        "WHERE $1 <> '' AND e.id = $2",
        f"{API}catalogue.py::TestAnEvent::test_that_is_a_draft_is_seen_by_its_organizer_and_admins",
    ),
    Guard(
        "catalogue.listed",
        "a draft is in no public list",
        "models/events.py",
        "WHERE e.status <> $1 AND e.id > $2",
        "WHERE $1 <> '' AND e.id > $2",
        f"{API}catalogue.py::TestAnEvent::test_that_is_a_draft_is_seen_by_its_organizer_and_admins",
    ),
    Guard(
        "catalogue.moves",
        "an event that was published is no draft again",
        "actors/event_plans.py",
        "if after not in STATUS_MOVES[before]:",
        "if False:",
        f"{API}catalogue.py::TestAnEvent::test_moves_by_its_table",
    ),
    Guard(
        "catalogue.event_version",
        "a changed event outdates what sales know",
        "models/event_plans.py",
        "t.catalog_version + 1 FROM held",
        "t.catalog_version FROM held",
        f"{_CHANGES}TestAnOrganizer::test_who_renames_an_event_is_believed_by_the_next_order",
    ),
    Guard(
        "catalogue.type_version",
        "a changed ticket type outdates what sales know",
        "models/event_plans.py",
        "catalog_version = catalog_version + 1",
        "catalog_version = catalog_version",
        f"{_CHANGES}TestAnOrganizer::test_who_changes_a_price_changes_no_order",
    ),
    Guard(
        "catalogue.look_again",
        "a sale that waited for its organizer sells what is on sale then",
        "actors/sales.py",
        "if await self._learn(tx, stocks):",
        "if await self._learn(tx, stocks) and not stocks:",
        f"{_CHANGES}TestASaleThatWaitsForItsOrganizer::test_sells_what_is_on_sale_afterwards",
    ),
    Guard(
        "catalogue.room",
        "a maximum leaves everybody the seat they have",
        "actors/event_plans.py",
        "if maximum is not None and maximum < held:",
        "if False:",
        f"{API}catalogue.py::TestATicketType::test_keeps_room_for_what_is_sold",
    ),
    Guard(
        "catalogue.tiers",
        "a quantity has one price",
        "actors/event_plans.py",
        "if len(set(quantities)) != len(quantities):",
        "if False:",
        f"{API}catalogue.py::TestATicketType::test_that_makes_no_sense_is_refused",
    ),
    Guard(
        "catalogue.removal",
        "a kind of ticket that somebody had stays",
        "actors/catalogue.py",
        "if await written.is_named(tx, event_id, type_id):",
        "if False:",
        f"{API}catalogue.py::TestATicketType::test_that_somebody_had_is_not_removed",
    ),
    Guard(
        "export.formula",
        "a spreadsheet runs nothing that a buyer wrote",
        "api/spreadsheets.py",
        "if is_formula else text",
        "if False else text",
        f"{API}exports.py::TestAnExport::test_runs_nothing_in_a_spreadsheet",
    ),
    Guard(
        "backfill.ledger",
        "corrected counts have their moves in the ledger",
        "models/backfill.py",
        "for statement in (_NOTE, ",
        "for statement in (",
        f"{STORAGE}backfill.py::TestDrift::test_is_mended_so_that_every_promise_holds",
    ),
    Guard(
        "backfill.room",
        "a count beyond its maximum is left to a person",
        "models/backfill.py",
        "if all(drift.has_room for drift in found):",
        "if found is not None:",
        f"{STORAGE}backfill.py::TestDrift::test_beyond_a_maximum_is_left_to_a_person",
    ),
)
