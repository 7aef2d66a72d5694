"""Turn a trained ticket into a folder that runs on its own, and such a folder into a detector."""
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from mmlth.core.checkpoints import load_checkpoint, load_state
from mmlth.core.masks import Weights, check_zeros, kept, size
from mmlth.core.ticket import Ticket, load_ticket
from mmlth.deploy import folder as folders
from mmlth.deploy.detector import (
    build,
    check_same_features,
    compared_parts,
    fill,
    outputs_of,
    runner_of,
)
from mmlth.deploy.fold import fold
from mmlth.deploy.folder import Deployed
from mmlth.deploy.kernel import is_available
from mmlth.deploy.plan import Plan, follow
from mmlth.deploy.pooling import replace_pooling
from mmlth.deploy.tune import Say, least_ms, record_shapes, tune
from mmlth.engine.config_files import load_config
from mmlth.engine.round_config import plain_config
from mmlth.trained.evaluate import config_beside
from mmlth.trained.export import trained_checkpoint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a deployment came to.

    Attributes:
        plan: Of this machine.
        dense_bytes: Of all weights and buffers, as a plain checkpoint holds them.
        folder_bytes: Of all files of the folder.
        dense_ms: Of one image, from the file or array to the boxes, as MMDet runs the checkpoint;
            the least of a few.
        deployed_ms: Likewise, as deployed.
    """

    plan: Plan
    dense_bytes: int
    folder_bytes: int
    dense_ms: float
    deployed_ms: float


def deploy_ticket(
    ticket: str | Path, out: str | Path, *, config: str | None = None,
    checkpoint: str | Path | None = None, image: str | None = None, overwrite: bool = False,
    say: Say = logger.info,
) -> Report:
    """Write the folder of a trained ticket, measured on this machine.

    Args:
        ticket: Ticket file.
        out: Folder to write, in one step.
        config: None takes the one that MMEngine left in the folder of the round.
        checkpoint: None finds it (:func:`mmlth.trained.export.trained_checkpoint`).
        image: That sizes are taken from; None takes noise of 640 x 480 pixels.
        overwrite: Replace ``out`` if it is a deployed detector.
        say: Told what is being done.

    Raises:
        FileNotFoundError: Ticket, config, checkpoint, image or the parent of ``out`` is missing.
        FileExistsError: ``out`` exists and may not be replaced.
        ValueError: The ticket prunes nothing, or ticket, checkpoint and config don't fit.
        RuntimeError: There is no compiler, or the detector would have given other values.
    """
    folders.check_place(out, overwrite)
    loaded = load_ticket(ticket)
    if kept(loaded.masks) == size(loaded.masks):
        raise ValueError(f'{ticket} keeps every weight, so there is nothing to skip: give a round '
                         'that was pruned')
    if not is_available():
        raise RuntimeError('there is no compiler to build the sparse kernels with; install g++ '
                           'and ninja')
    cfg = Config(plain_config(load_config(config or config_beside(ticket)).to_dict()))
    cfg.test_dataloader = cfg.get('test_dataloader') or cfg['val_dataloader']
    state, meta = _read_trained(loaded, trained_checkpoint(loaded, ticket, checkpoint))
    model = build(cfg, state, meta, f'the checkpoint of {ticket}')
    run = runner_of(model, image)
    dense_ms = least_ms(run)
    plan = plan_of(model, run, say)
    deployed_ms = least_ms(run)
    deployed = Deployed(cfg=cfg, state=state, dataset_meta=meta, plans=(plan,))
    with folders.new_folder(out, overwrite) as staging:
        folders.save(deployed, staging)
        folders.read(staging)  # what can't be read again never takes the place of what could
    return Report(
        plan=plan, dense_bytes=sum(t.numel() * t.element_size() for t in state.values()),
        folder_bytes=sum(file.stat().st_size for file in Path(out).iterdir()),
        dense_ms=dense_ms, deployed_ms=deployed_ms)


def plan_of(model: nn.Module, run: Callable[[], Any], say: Say) -> Plan:
    """Measure a detector's layers as it runs on an image, and try the plan on it.

    Args:
        model: As :func:`mmlth.deploy.detector.build` makes it; becomes the deployed one.
        run: Runs it once.
        say: Told what is being done.

    Raises:
        RuntimeError: The deployed detector has other features than the given one.
    """
    parts = compared_parts(model)
    expected = outputs_of(parts, run)
    say(f'folded {fold(model)} batch norms')
    plan = tune(model, record_shapes(model, run), say)
    follow(model, plan.layers)
    replace_pooling(model)
    check_same_features(expected, outputs_of(parts, run))
    return plan


def load(given: str | Path, say: Say = logger.info) -> nn.Module:
    """Return the detector of a folder that ``mmlth deploy`` wrote, in evaluation mode on the CPU.

    It takes what MMDet's ``inference_detector`` and ``model.test_step`` give it. On a machine
    that it wasn't measured on, with another processor or number of threads, it is measured now
    and the plan is added to the folder. Without a compiler it runs as plain torch.

    Args:
        given: The folder.
        say: Told what is being done.

    Raises:
        FileNotFoundError: It isn't there or lacks a file.
        ValueError: A file of it is damaged or foreign.
    """
    folder = Path(given)
    deployed = folders.read(folder)
    model = build(deployed.cfg, deployed.state, deployed.dataset_meta, str(folder))
    _skip_zeros(model, deployed, folder, say)
    return model


def load_into(model: nn.Module, given: str | Path, say: Say = logger.info) -> None:
    """Make a plain detector that of a folder, as :func:`load` returns it.

    Args:
        model: Of the folder's config, where options that change no weight (``test_cfg``) may
            differ; changed in place and moved to the CPU.
        given: The folder.
        say: Told what is being done.

    Raises:
        FileNotFoundError: It isn't there or lacks a file.
        ValueError: A file of it is damaged or foreign, or it is of another model.
    """
    folder = Path(given)
    deployed = folders.read(folder)
    fill(model, deployed.state, str(folder))
    _skip_zeros(model, deployed, folder, say)


def _skip_zeros(model: nn.Module, deployed: Deployed, folder: Path, say: Say) -> None:
    fold(model)
    if is_available():
        plan = deployed.plan or _measured_here(model, deployed, folder, say)
        follow(model, plan.layers)
        replace_pooling(model)


def _measured_here(model: nn.Module, deployed: Deployed, folder: Path, say: Say) -> Plan:
    logger.warning('%s was not measured on this processor with as many threads; measuring', folder)
    plan = tune(model, deployed.plans[0].shapes, say)
    try:
        folders.save_plans((*deployed.plans, plan), folder)
    except OSError as error:
        logger.warning('it will be measured again next time: %s', error)
    return plan


def _read_trained(ticket: Ticket, path: Path) -> tuple[Weights, dict[str, Any]]:
    """Return the state of a ticket's checkpoint, and the meta data of its data set."""
    state = load_state(path)
    check_zeros(ticket.all_masks, state, str(path))
    meta = load_checkpoint(path).get('meta', {}).get('dataset_meta', {})
    plain = json.loads(json.dumps(meta, default=lambda value: value.tolist()))  # numpy's
    return state, {'palette': 'random', **plain}
