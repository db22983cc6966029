"""Removes one guard at a time and sees whether its test notices."""
