"""What an order decides, and the only way it changes."""
