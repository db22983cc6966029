"""Ping++ as one merchant's app meets it: charges, refunds, events; nothing real is asked for."""
