#!/usr/bin/env python
"""The command ``mmlth study``, as a script."""
import sys

from mmlth.cli.study import main

if __name__ == '__main__':
    sys.exit(main())
