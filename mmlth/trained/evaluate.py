"""Evaluate a ticket's checkpoint."""
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmlth.core.checkpoints import load_state
from mmlth.core.config_text import read_config_text
from mmlth.core.masks import check_zeros
from mmlth.core.positions import PositionCounter
from mmlth.core.store import store_of
from mmlth.core.ticket import check_weights, load_ticket
from mmlth.engine.config_files import load_config, set_data_root
from mmlth.engine.launch import start_launcher
from mmlth.engine.round_config import plain_config
from mmlth.engine.wrapper import unwrap
from mmlth.trained import dump as dumps
from mmlth.trained.export import trained_checkpoint

_UNUSED = (
    'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader',
    'val_cfg', 'val_evaluator', 'custom_hooks')


def evaluate_ticket(
    ticket: str | Path, *, config: str | None = None, checkpoint: str | Path | None = None,
    work_dir: str | None = None, options: dict[str, Any] | None = None,
    data_root: str | None = None, show_dir: str | None = None, dump: bool = False,
    launcher: str = 'none',
) -> dict[str, float]:
    """Return the metrics of the config's test evaluator (its validation one if it has none).

    Args:
        ticket: Ticket file.
        config: None takes the one that MMEngine left in the folder of the round.
        checkpoint: None finds it (:func:`mmlth.trained.export.trained_checkpoint`).
        work_dir: For logs; None takes ``eval/`` beside the ticket.
        options: Overrides of the config.
        data_root: Where the data lies, if not where the config says.
        show_dir: Folder for images with the detections drawn in; None draws none.
        dump: Whether to leave the predictions beside the ticket (:mod:`mmlth.core.dump`).
        launcher: That started this process: 'none', 'pytorch', 'slurm' or 'mpi'.

    Raises:
        FileNotFoundError: Ticket, config or checkpoint is missing.
        ValueError: A pruned weight of the checkpoint isn't exactly zero, it doesn't fit the
            config's model, or the config has nothing that draws, or none that dumps; or what is
            dumped would not be of what the job's training ended with.
    """
    if dump and checkpoint and store_of(ticket):
        raise ValueError(
            f'--dump --checkpoint {checkpoint}: the predictions beside a ticket of a job are those '
            'of what its training ended with. Leave one of the two out')
    loaded = load_ticket(ticket)
    path = trained_checkpoint(loaded, ticket, checkpoint)
    state = load_state(path)
    check_zeros(loaded.all_masks, state, str(path))
    cfg = load_config(config or config_beside(ticket), options)
    if data_root:
        cfg = set_data_root(cfg, data_root)
    train_annotations = dumps.train_annotations(cfg)
    leave_test_alone(cfg)
    cfg.work_dir = work_dir or str(Path(ticket).parent / 'eval')
    cfg.load_from, cfg.resume = str(path), False
    if show_dir:
        _draw(cfg, Path(show_dir))
    with ExitStack() as stack:
        folder = Path(ticket).parent
        if dump:  # whole files alone get beside the ticket
            temporary = TemporaryDirectory(dir=folder, prefix='.predictions_')
            results = Path(stack.enter_context(temporary))
            dumps.ask_for_results(cfg, results)
        start_launcher(cfg, launcher)
        runner = Runner.from_cfg(cfg)
        check_weights(state, unwrap(runner.model).state_dict(), str(path))  # the runner's is lax
        model = unwrap(runner.model)
        counter = stack.enter_context(PositionCounter(model)) if dump else None
        metrics = {name: float(value) for name, value in runner.test().items()}
        if counter and is_main_process():
            dumps.keep_results(
                cfg, results, folder, metainfo=runner.test_dataloader.dataset.metainfo,
                train_annotations=train_annotations, positions=counter.mean())
    return metrics


def config_beside(ticket: str | Path) -> str:
    """Return the config that MMEngine left in the folder of the round.

    A training that another job did has none of its own: any other's of its job has the same test.

    Raises:
        FileNotFoundError: None lies there, or several beside a ticket that is of no job.
    """
    folder, store = Path(ticket).parent, store_of(ticket)
    if store is None:  # what else lies there may be any script
        found = [path for path in sorted(folder.glob('*.py')) if _is_config(path)]
        if len(found) > 1:
            names = ', '.join(path.name for path in found)
            raise FileNotFoundError(f'several configs lie beside {ticket} ({names}); name one '
                                    'with --config')
    else:
        job = store.work_dir
        places = [folder.glob('*.py'), job.glob('round_*/*.py'), job.glob('controls/round_*/*.py')]
        found = [path for place in places for path in sorted(place)]
    if not found:
        raise FileNotFoundError(f'no config lies beside {ticket}; name one with --config')
    return str(found[0])


def _is_config(path: Path) -> bool:
    """Tell whether a file is a config as MMEngine leaves it beside a training."""
    try:
        return 'model' in read_config_text(path.read_text(encoding='utf-8'))
    except ValueError:  # of encoding, too
        return False


def leave_test_alone(cfg: Config) -> None:
    """Reduce a config to its test, which is its validation where it has none."""
    cfg.test_cfg = cfg.get('test_cfg') or dict(type='TestLoop')
    for part in ('dataloader', 'evaluator'):
        cfg[f'test_{part}'] = cfg.get(f'test_{part}') or cfg[f'val_{part}']
    if cfg.get('default_hooks'):
        cfg.default_hooks = plain_config(cfg.to_dict())['default_hooks']
    for key in _UNUSED:
        cfg.pop(key, None)


def _draw(cfg: Config, folder: Path) -> None:
    """Have MMDet's hook draw what is detected; of a relative path it makes a new one each image."""
    hook = cfg.get('default_hooks', {}).get('visualization') or {}
    if not str(hook.get('type', '')).endswith('DetVisualizationHook'):
        raise ValueError(
            f'--show-dir {folder}: the config has no hook that draws. Give it default_hooks = '
            "dict(visualization=dict(type='DetVisualizationHook')), as those of MMDet have, and "
            'their visualizer')
    hook.update(draw=True, test_out_dir=str(folder.absolute()))
