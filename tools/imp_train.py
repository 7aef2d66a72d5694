#!/usr/bin/env python
"""The command ``mmlth train``, as a script."""
import sys

from mmlth.cli.train import main

if __name__ == '__main__':
    sys.exit(main())
