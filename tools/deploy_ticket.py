#!/usr/bin/env python
"""The command ``mmlth deploy``, as a script."""
import sys

from mmlth.cli.deploy import main

if __name__ == '__main__':
    sys.exit(main())
