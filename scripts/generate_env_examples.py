"""Writes .env.example and .env.example.full: python scripts/generate_env_examples.py."""

import sys
from pathlib import Path

# Run by its path, a script sees only its own folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.env_examples import main  # found by the line above

if __name__ == "__main__":
    sys.exit(main())
