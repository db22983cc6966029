from piccolo.apps.migrations.commands.base import BaseMigrationManager

from models.engine import Database
from models.schema_version import MIGRATIONS, known_migrations, missing_migrations


class TestTheMigrationsThatThisCodeNeeds:
    def test_are_those_that_would_be_run(self) -> None:
        manager = BaseMigrationManager()
        modules = manager.get_migration_modules(str(MIGRATIONS))

        assert known_migrations() == set(manager.get_migration_ids(modules))

    async def test_have_all_run_here(self, database: Database) -> None:
        known = known_migrations()

        assert await missing_migrations(database, known) == frozenset()
        assert await missing_migrations(database, known | {"2999-01-01"}) == {"2999-01-01"}
