"""What `guichet.py run` does: everything the service needs on one machine, kept running."""
