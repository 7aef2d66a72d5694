#!/usr/bin/env python
"""The command ``mmlth inspect``, as a script."""
import sys

from mmlth.cli.inspect import main

if __name__ == '__main__':
    sys.exit(main())
