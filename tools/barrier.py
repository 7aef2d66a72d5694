#!/usr/bin/env python
"""The command ``mmlth barrier``, as a script."""
import sys

from mmlth.cli.barrier import main

if __name__ == '__main__':
    sys.exit(main())
