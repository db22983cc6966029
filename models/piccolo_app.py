"""Which tables Piccolo's migrations look after."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

from models.tables import TABLES

APP_CONFIG = AppConfig(
    app_name="guichet",
    migrations_folder_path=str(Path(__file__).resolve().parent.parent / "migrations"),
    table_classes=TABLES,
    migration_dependencies=[],
)
