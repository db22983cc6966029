"""The settings, group by group; together they are runtime.settings.Settings."""
