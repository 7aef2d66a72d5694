#!/usr/bin/env python
"""The command ``mmlth export``, as a script."""
import sys

from mmlth.cli.export import main

if __name__ == '__main__':
    sys.exit(main())
