"""Exits with 0 if the page answers at $PORT of this machine within five seconds, otherwise with 1."""

import os
import sys
import urllib.request

try:
    with urllib.request.urlopen(f"http://127.0.0.1:{os.environ.get('PORT', '7860')}/", timeout=5):
        sys.exit(0)
except OSError as error:
    print(f"the page does not answer: {error}", file=sys.stderr)
    sys.exit(1)
