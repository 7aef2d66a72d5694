"""The files of a deployed detector: config, kept weights with packed masks, plan."""
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from safetensors.torch import save_file
from torch import Tensor

from mmlth.core.config_text import read_config_text
from mmlth.core.files import read_json, replaced_folder, write_json, write_text
from mmlth.core.mask_coding import pack_all, unpack_all
from mmlth.core.masks import Weights, digest
from mmlth.core.tensor_file import TicketError, read_tensors, write_tensors
from mmlth.deploy.foreign import check_foreign
from mmlth.deploy.plan import Plan, plan_of_json

FORMAT = 'mmlth.deployed'
CONFIG, WEIGHTS, PLAN = 'config.py', 'weights.safetensors', 'plan.json'
_KEYS = ('shapes', 'digest', 'dataset_meta')
_LEAST_SPARSITY = 0.1  # with fewer zeros a mask costs more than it saves


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What the folder holds.

    Attributes:
        cfg: Plain config of the detector.
        state: Whole state as it was trained: batch norms not folded, pruned weights zero.
        dataset_meta: Names of the classes, the palette.
        plans: Which layer runs how, of every machine that it was measured on; at least one.
    """

    cfg: Config
    state: Weights
    dataset_meta: dict[str, Any]
    plans: tuple[Plan, ...]

    @property
    def plan(self) -> Plan | None:
        """The plan of this machine, if there is one."""
        return next((plan for plan in self.plans if plan.is_of_this_machine), None)


@contextmanager
def new_folder(path: str | Path, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``path`` when the block ends well.

    Raises:
        FileExistsError: ``path`` exists and ``overwrite`` is False, or it isn't a deployed
            detector, which is never replaced.
        FileNotFoundError: The folder that it shall lie in doesn't exist.
    """
    check_place(path, overwrite)
    with replaced_folder(path) as staging:
        yield staging


def check_place(path: str | Path, overwrite: bool) -> None:
    """Raise unless a deployed detector may be written to ``path``; see :func:`new_folder`."""
    path = Path(path).absolute()
    if not path.parent.is_dir():
        raise FileNotFoundError(f'the folder of {path} does not exist')
    if path.exists() and not overwrite:
        raise FileExistsError(f'{path} exists already; give another name or --overwrite')
    if path.exists() and not (path / PLAN).is_file():
        raise FileExistsError(f'{path} exists and is no deployed detector (it has no {PLAN}), so '
                              'it is not replaced; give another name')


def save(deployed: Deployed, folder: Path) -> None:
    """Write the files into an existing folder."""
    write_text(folder / CONFIG, deployed.cfg.pretty_text)
    save_state(deployed.state, deployed.dataset_meta, folder / WEIGHTS)
    save_plans(deployed.plans, folder)


def save_plans(plans: tuple[Plan, ...], folder: Path) -> None:
    """Write the plans alone, as another machine adds its own."""
    write_json(folder / PLAN, [plan.to_json() for plan in plans])


def read(given: str | Path) -> Deployed:
    """Read a folder that :func:`save` filled.

    Raises:
        FileNotFoundError: It isn't there, or lacks a file.
        ValueError: A file is damaged, foreign or of a future version, or its config would run
            what no detector is made of; names it.
    """
    folder = Path(given)
    missing = [name for name in (CONFIG, WEIGHTS, PLAN) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f'{folder} is no deployed detector: it lacks {", ".join(missing)}. '
                                '`mmlth deploy TICKET --out DIR` writes one')
    try:
        cfg = Config(read_config_text((folder / CONFIG).read_text(encoding='utf-8')))
    except ValueError as error:
        raise ValueError(f'{folder / CONFIG}: {error}') from error
    check_foreign(cfg.to_dict(), folder / CONFIG)
    state, dataset_meta = read_state(folder / WEIGHTS)
    return Deployed(
        cfg=cfg, state=state, dataset_meta=dataset_meta, plans=_read_plans(folder / PLAN))


def _read_plans(path: Path) -> tuple[Plan, ...]:
    values = read_json(path)
    if not isinstance(values, list) or not values:
        raise ValueError(f'{path} lists no plans')
    try:
        return tuple(map(plan_of_json, values))
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def save_state(state: Weights, dataset_meta: dict[str, Any], path: Path) -> None:
    """Write a state, of tensors with zeros the mask and the kept values alone."""
    sparse = {name: tensor for name, tensor in state.items() if _has_zeros(tensor)}
    masks = {name: tensor != 0 for name, tensor in sparse.items()}
    tensors = {f'mask/{name}': stream for name, stream in pack_all(masks).items()}
    tensors |= {f'kept/{name}': tensor[masks[name]] for name, tensor in sparse.items()}
    tensors |= {f'all/{name}': tensor.detach().cpu().contiguous().clone()
                for name, tensor in state.items() if name not in sparse}
    shapes = {name: list(tensor.shape) for name, tensor in sparse.items()}
    header = dict(shapes=shapes, digest=digest(_plus_zeros(state, masks)),
                  dataset_meta=dataset_meta)
    write_tensors(save_file, tensors, path, FORMAT, header)


def read_state(path: Path) -> tuple[Weights, dict[str, Any]]:
    """Return the state that :func:`save_state` wrote, and the meta data of its data set.

    Raises:
        TicketError: The file is damaged or foreign.
    """
    header, tensors = read_tensors(path, FORMAT, _KEYS, 'pt')
    try:
        streams = _those_of('mask', tensors)
        masks = unpack_all(streams, header['shapes'])
        state = _those_of('all', tensors)
        for name, kept in _those_of('kept', tensors).items():
            whole = torch.zeros(masks[name].shape, dtype=kept.dtype)
            whole[masks[name]] = kept
            state[name] = whole
    except (ValueError, KeyError, TypeError, RuntimeError, IndexError) as error:
        raise TicketError(f'{path}: damaged ({error}). Deploy the ticket again') from error
    if digest(state) != header['digest']:
        raise TicketError(f'{path}: the weights differ from their stored digest, so the file was '
                          'damaged. Copy it again, or deploy the ticket again')
    return state, _with_tuples(header['dataset_meta'])


def _with_tuples(meta: dict[str, Any]) -> dict[str, Any]:
    """Return meta data as data sets have it: JSON knows no tuples, and MMDet draws no list."""
    palette = meta.get('palette')
    colours = [tuple(each) for each in palette] if isinstance(palette, list) else palette
    return {**meta, **({} if palette is None else {'palette': colours})}


def _those_of(part: str, tensors: Weights) -> Weights:
    start = f'{part}/'
    return {name[len(start):]: t for name, t in tensors.items() if name.startswith(start)}


def _has_zeros(tensor: Tensor) -> bool:
    if tensor.dim() < 2 or not tensor.is_floating_point():
        return False
    return 1 - tensor.count_nonzero().item() / max(tensor.numel(), 1) >= _LEAST_SPARSITY


def _plus_zeros(state: Weights, masks: Weights) -> Weights:
    """Return the state as it will be read: a negative zero has lost its sign."""
    return {name: torch.where(masks[name], tensor, torch.zeros((), dtype=tensor.dtype))
            if name in masks else tensor for name, tensor in state.items()}
