"""The page: `python app.py`, and what a Hugging Face Space starts. The same as `ivid app`."""

import sys

from ivid.cli import main_of

if __name__ == "__main__":
    sys.exit(main_of("app", program="app.py"))
