#!/usr/bin/env python
"""The command ``mmlth transfer``, as a script."""
import sys

from mmlth.cli.transfer import main

if __name__ == '__main__':
    sys.exit(main())
