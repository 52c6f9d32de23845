import sys

from ivid.cli import main

sys.exit(main())
