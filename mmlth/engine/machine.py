"""What a training ran on: its bits hold on one kind of machine with one number of threads."""
import platform
import re
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size

_CPUINFO = Path('/proc/cpuinfo')  # of Linux, where platform.processor() is often empty


def describe_machine() -> dict[str, Any]:
    """Return what decides the rounding of a training in this process.

    ``processor`` and ``gpu`` (the first one; '' without) by the names that they give themselves,
    ``threads`` of torch, ``ranks`` of the job, and the version of ``torch``. Processors of one
    name may still round differently: some names say no more than the maker.
    """
    return dict(
        processor=_processor(),
        gpu=torch.cuda.get_device_name(0) if torch.cuda.is_available() else '',
        threads=torch.get_num_threads(),
        ranks=get_world_size(),
        torch=torch.__version__)


def instruction_sets() -> str:
    """Return what the processor can do, as Linux lists it; '' elsewhere."""
    return ' '.join(sorted(_cpuinfo('flags|Features').split()))


def _processor() -> str:
    return _cpuinfo('model name') or platform.processor() or platform.machine()


def _cpuinfo(field: str) -> str:
    """Return a field of the first processor, '' without."""
    text = _CPUINFO.read_text() if _CPUINFO.exists() else ''
    found = re.search(rf'^(?:{field})\s*:\s*(.+)$', text, re.MULTILINE)
    return found.group(1).strip() if found else ''
