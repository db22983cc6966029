"""What stands outside the service: getting it installed."""
