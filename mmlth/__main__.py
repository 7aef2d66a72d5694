"""``python -m mmlth`` is the command ``mmlth``."""
import sys

from mmlth.cli.main import main

sys.exit(main())
