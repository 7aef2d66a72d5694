#!/usr/bin/env python
"""The command ``mmlth plot``, as a script."""
import sys

from mmlth.cli.plot import main

if __name__ == '__main__':
    sys.exit(main())
