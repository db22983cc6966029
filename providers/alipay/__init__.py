"""Alipay, by a small client of our own."""
