"""``python -m gbss``."""

import sys

from gbss.cli import main

sys.exit(main())
