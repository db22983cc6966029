"""Settings, wiring and telemetry: where concrete things meet."""
