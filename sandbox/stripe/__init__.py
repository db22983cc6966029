"""Stripe's simulator: payment intents, checkout sessions, refunds, and signed events."""
