"""Alipay's Open Platform as its merchants meet it: gateway, cashier and notices."""
