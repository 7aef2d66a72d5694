"""Turns off what takes longer than a toy job and decides nothing."""
import contextlib
import gc
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Train quickly in this process: on one thread, without ornaments."""
    torch.set_num_threads(1)  # two threads wait for each other on a busy machine
    # A training collects garbage when it ends: not in all modules of torch.
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patched:
        # Every Runner asks compilers for their versions, ...
        patched.setattr('mmengine.runner.runner.collect_env', dict)
        # ... and has the config that it logs and saves laid out for readers.
        patched.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
        # An endless loader sleeps two seconds at the end of each epoch.
        no_sleep = SimpleNamespace(sleep=lambda seconds: None)
        patched.setattr('mmengine.runner.loops.time', no_sleep)
        yield
