"""`python -m karl_trio` is `karl-trio`."""

import sys

from karl_trio.cli.main import main

sys.exit(main())
