"""``python -m datalake_syncd``: the same as the command ``datalake-syncd``."""

import sys

from datalake_syncd.cli import main

if __name__ == "__main__":
    sys.exit(main())
