"""Where Piccolo finds the database and the tables."""

import os

from piccolo.conf.apps import AppRegistry

from models.engine import LazyEngine

DB = LazyEngine(
    # Piccolo reads this module on import, before any settings object exists.
    config={"dsn": os.environ.get("DATABASE_URL", "postgresql://127.0.0.1/guichet")},
    # Nothing we use needs an extension, and asking for one needs a superuser.
    extensions=(),
    log_queries=False,
)

APP_REGISTRY = AppRegistry(apps=["models.piccolo_app"])
