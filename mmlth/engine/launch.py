"""Join and leave the processes of a launcher."""
import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed


def start_launcher(cfg: Config, launcher: str) -> None:
    """Join the processes of a launcher; without a GPU through gloo, with a DDP of CPU tensors.

    MMEngine's own ``init_dist`` always selects a CUDA device.
    """
    cfg.launcher = launcher
    on_cpu = launcher == 'pytorch' and not torch.cuda.is_available()
    if on_cpu:
        cfg.model_wrapper_cfg = {
            'type': 'MMDistributedDataParallel', 'broadcast_buffers': False,
            'find_unused_parameters': cfg.get('find_unused_parameters', False),
            **(cfg.get('model_wrapper_cfg') or {}), 'device_ids': None}
    if launcher == 'none' or is_distributed():
        return
    if on_cpu:
        torch.distributed.init_process_group('gloo')
    else:
        init_dist(launcher, **cfg.get('env_cfg', {}).get('dist_cfg', {}))


def stop_launcher() -> None:
    """Leave the processes; a gloo group that is left standing aborts now and then at exit."""
    if is_distributed():
        torch.distributed.destroy_process_group()
