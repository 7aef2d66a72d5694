#!/usr/bin/env python
"""The command ``mmlth digit-scenes``, as a script."""
import sys

from mmlth.cli.digit_scenes import main

if __name__ == '__main__':
    sys.exit(main())
