"""What stands around the service on a developer's machine: stores, providers, supervisor."""
