"""Ping++, which collects for many channels, by a small client of our own."""
