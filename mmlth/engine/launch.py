"""Join and leave the processes of a launcher."""
import os
import re
import time

import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed

# Seconds in which gloo's thread lets go of what the last collective held. It needs Python's lock
# for that, which torch 2.1 keeps while it waits for the thread: 7 of 15 pairs of ranks hung.
_LETTING_GO = 0.2
# What each launcher tells its processes: rank, local rank, number of processes.
_TOLD = dict(
    pytorch=('RANK', 'LOCAL_RANK', 'WORLD_SIZE'),
    slurm=('SLURM_PROCID', 'SLURM_LOCALID', 'SLURM_NTASKS'),
    mpi=('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_SIZE'))
_STARTED_BY = dict(
    pytorch='torchrun (tools/dist_imp.sh)', slurm='srun (tools/slurm_imp.sh)', mpi='mpirun')


def check_launcher(launcher: str) -> None:
    """Raise ValueError if a launcher didn't start this process, which would wait for others."""
    for needed in _TOLD.get(launcher, ()):
        if needed not in os.environ:
            raise ValueError(f'--launcher {launcher}, but {needed} is not set: this process was '
                             f'not started by {_STARTED_BY[launcher]}')


def start_launcher(cfg: Config, launcher: str) -> None:
    """Join the processes of a launcher; without a GPU through gloo, with a DDP of CPU tensors.

    MMEngine's own ``init_dist`` always selects a CUDA device.
    """
    cfg.launcher = launcher
    if launcher == 'none':
        return
    on_cpu = not torch.cuda.is_available()
    if on_cpu:
        cfg.model_wrapper_cfg = {
            'type': 'MMDistributedDataParallel', 'broadcast_buffers': False,
            'find_unused_parameters': cfg.get('find_unused_parameters', False),
            **(cfg.get('model_wrapper_cfg') or {}), 'device_ids': None}
    if is_distributed():
        return
    if launcher == 'slurm':
        _meet_in_slurm()
    if on_cpu:
        _tell_torch(launcher)
        torch.distributed.init_process_group('gloo')
    else:
        init_dist(launcher, **cfg.get('env_cfg', {}).get('dist_cfg', {}))


def stop_launcher() -> None:
    """Leave the processes; a gloo group that is left standing aborts now and then at exit."""
    if is_distributed():
        time.sleep(_LETTING_GO)
        torch.distributed.destroy_process_group()


def slurm_port(job: str, step: str) -> int:
    """Return a port in [20000, 30000) that other Slurm jobs and steps of a node seldom share.

    Below the ports that Linux deals out by itself (32768 on). MMEngine gives all jobs 29500.
    """
    return 20000 + (int(job) * 16 + int(step) % 16) % 10000


def first_host(nodes: str) -> str:
    """Return the first host of a Slurm node list.

    Args:
        nodes: As in ``SLURM_STEP_NODELIST``: ``node7`` or ``gpu[03-05,09],fat1``.
    """
    found = re.match(r'([^,[]*)(?:\[(\w+)[^]]*\]([^,]*))?', nodes)
    return ''.join(part or '' for part in found.groups()) if found else nodes


def _meet_in_slurm() -> None:
    """Say where the processes of a Slurm step meet, unless MASTER_ADDR and MASTER_PORT do."""
    told = os.environ
    nodes = told.get('SLURM_STEP_NODELIST') or told['SLURM_NODELIST']
    told.setdefault('MASTER_ADDR', first_host(nodes))
    port = slurm_port(told.get('SLURM_JOB_ID', '0'), told.get('SLURM_STEP_ID', '0'))
    told.setdefault('MASTER_PORT', str(port))


def _tell_torch(launcher: str) -> None:
    """Name rank, local rank and number of processes as torch reads them."""
    for name, own in zip(_TOLD['pytorch'], _TOLD[launcher], strict=True):
        os.environ[name] = os.environ[own]
