#!/usr/bin/env python
"""The command ``mmlth test``, as a script."""
import sys

from mmlth.cli.test import main

if __name__ == '__main__':
    sys.exit(main())
