"""Which tables Piccolo's migrations look after."""

from piccolo.conf.apps import AppConfig

from models.schema_version import APP_NAME, MIGRATIONS
from models.tables import TABLES

APP_CONFIG = AppConfig(
    app_name=APP_NAME,
    migrations_folder_path=str(MIGRATIONS),
    table_classes=TABLES,
    migration_dependencies=[],
)
