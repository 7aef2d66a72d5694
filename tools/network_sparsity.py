#!/usr/bin/env python
"""The command ``mmlth network-sparsity``, as a script."""
import sys

from mmlth.cli.network_sparsity import main

if __name__ == '__main__':
    sys.exit(main())
