"""`python -m gan_models`: see `cli`."""

import sys

from gan_models.cli import main

if __name__ == "__main__":
    sys.exit(main())
