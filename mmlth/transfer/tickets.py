"""Write a ticket for another model: read the source, build the target, carry, record."""
import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmlth.core import scope
from mmlth.core.files import write_json
from mmlth.core.masks import Masks, Weights, kept, size
from mmlth.core.ticket import Ticket, save_ticket, save_weights
from mmlth.core.checkpoints import load_state
from mmlth.engine.settings import IMPConfig
from mmlth.engine.initial import build_model, init_quietly
from mmlth.transfer.mapping import Choice, Target, transfer
from mmlth.transfer.names import BACKBONE, read_state
from mmlth.transfer.report import CoverageReport
from mmlth.transfer.source import Source, rank_backbone, read_ticket
from mmlth.version import __version__

_USED = ('scope', 'include', 'exclude', 'frozen', 'seed')  # settings that a target is built with


@dataclass(frozen=True)
class Outputs:
    """Name the three files of a transfer; the ticket, written last, says that it is whole.

    >>> Outputs(Path('work/det.safetensors')).report.name
    'det_transfer.json'
    """

    ticket: Path

    @property
    def rewind(self) -> Path:
        return self.ticket.with_name(f'{self.ticket.stem}_rewind.safetensors')

    @property
    def report(self) -> Path:
        return self.ticket.with_name(f'{self.ticket.stem}_transfer.json')

    def check(self, *, overwrite: bool) -> None:
        """Raise OSError or ValueError unless all three can be written."""
        if self.ticket.suffix != '.safetensors':
            raise ValueError(f'{self.ticket}: the name of a ticket ends in .safetensors')
        if not self.ticket.absolute().parent.is_dir():
            raise FileNotFoundError(f'the folder of {self.ticket} does not exist')
        found = [path for path in (self.ticket, self.rewind, self.report) if path.exists()]
        if found and not overwrite:
            raise FileExistsError(f'{found[0]} exists already; give another name or --overwrite')


def transfer_ticket(path: str | Path, cfg: Config, out: str | Path, *, values: str = 'initial',
                    choice: Choice | None = None, settings: IMPConfig | None = None,
                    overwrite: bool = False) -> CoverageReport:
    """Carry a ticket to the model of a config.

    Args:
        path: The source's ticket.
        cfg: Config of the target.
        out: Ticket to write, beside its w_k and its report.
        values: 'initial', 'trained' or 'none'; see :func:`mmlth.transfer.source.read_ticket`.
        choice: What may be carried; its ``values`` must not contradict ``values``.
        settings: Scope and seed of the target; None takes the config's ``imp`` block.
        overwrite: Replace files of an earlier transfer.

    Raises:
        ValueError, OSError: A file, setting or match is missing or wrong; nothing was written.
    """
    outputs = Outputs(Path(out))
    outputs.check(overwrite=overwrite)
    source = read_ticket(path, values)
    settings = settings or target_settings(cfg)
    target, initial = build_target(cfg, settings)
    choice = choice or Choice(values=values != 'none')
    return _carry(source, target, initial, choice, settings, cfg, outputs)


def rank_checkpoint(path: str | Path, cfg: Config, out: str | Path, *, sparsity: float,
                    choice: Choice | None = None, settings: IMPConfig | None = None,
                    overwrite: bool = False) -> CoverageReport:
    """Prune a dense checkpoint's backbone by magnitude and make it a ticket of the config's model.

    Args:
        path: Checkpoint (``.pth``, ``.safetensors``) with names as of torchvision, MMPretrain or MMDet.
        cfg, out, choice, overwrite: See :func:`transfer_ticket`.
        sparsity: Pruned share of the backbone's weights in the scope, in (0, 1).
        settings: Scope and seed of the target; None takes the scope ``backbone``.

    Raises:
        ValueError, OSError: See :func:`transfer_ticket`.
    """
    outputs = Outputs(Path(out))
    outputs.check(overwrite=overwrite)
    state = read_state(path)
    settings = settings or target_settings(cfg, scope='backbone')
    target, initial = build_target(cfg, settings)
    choice = choice or Choice(prefixes=(BACKBONE, ))
    source = rank_backbone(state, target, sparsity, file=Path(path).name, rename=choice.rename,
                           allocation=settings.allocation, min_kept=settings.min_kept)
    return _carry(source, target, initial, replace(choice, rename=()), settings, cfg, outputs)


def target_settings(cfg: Config, **flags: Any) -> IMPConfig:
    """Read scope, seed and so on from the config's ``imp`` block; flags that aren't None override it."""
    return IMPConfig.from_config(cfg, flags)


def build_target(cfg: Config, settings: IMPConfig) -> tuple[Target, Weights]:
    """Build the config's model on the CPU with the initial weights that its seed gives.

    Raises:
        OSError: Its pretrained weights can't be had.
        ValueError: The scope is empty or unknown, or ``load_from`` fits nothing.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = build_model(cfg, settings.seed)
    try:
        init_quietly(model)
    except (OSError, ImportError) as error:
        raise OSError(f'the initial weights of {cfg.filename} cannot be loaded: {error}. Check init_cfg '
                      'and the network, or, where the transfer replaces them, set init_cfg=None with '
                      '--cfg-options') from error
    if cfg.get('load_from'):
        _load(model, cfg.load_from)
    names = scope.choose(scope.list_weights(model), settings.scope, include=settings.include,
                         exclude=settings.exclude, frozen=settings.frozen)
    state = model.state_dict()
    target = Target(shapes={name: tuple(t.shape) for name, t in state.items()}, scope=names,
                    parameters=scope.count_parameters(model))
    return target, {name: t.clone() for name, t in state.items()}


def _load(model: torch.nn.Module, path: str) -> None:
    """Load what fits of ``load_from``, as a runner would before training."""
    if '://' in path:
        raise ValueError(f'load_from={path!r} is an address; download it and set load_from to the file')
    own, state = model.state_dict(), load_state(path)
    fitting = {name: t for name, t in state.items() if name in own and t.shape == own[name].shape}
    if not fitting:
        raise ValueError(f'load_from={path!r} holds no tensor of the model; its names begin with '
                         f'{list(state)[:3]}')
    model.load_state_dict(fitting, strict=False)


def _carry(source: Source, target: Target, initial: Weights, choice: Choice, settings: IMPConfig,
           cfg: Config, outputs: Outputs) -> CoverageReport:
    masks, values, report = transfer(source.masks, source.weights, target, choice, judge=source.judge,
                                     source=source.facts)
    # The target's dtypes: a rewind is compared bit for bit with the model.
    start = {name: values[name].to(t.dtype) if name in values else t for name, t in initial.items()}
    rewind_digest = save_weights(start, outputs.rewind, step=0)
    write_json(outputs.report, report.as_dict())
    save_ticket(Ticket(masks=masks, rewind_file=outputs.rewind.name, rewind_digest=rewind_digest,
                       provenance=_provenance(masks, source, choice, settings, cfg, report)), outputs.ticket)
    return report


def _provenance(masks: Masks, source: Source, choice: Choice, settings: IMPConfig, cfg: Config,
                report: CoverageReport) -> dict[str, Any]:
    """Say where the new ticket comes from; the report beside it has the details."""
    facts = {key: value for key, value in source.facts.items() if key not in ('provenance', 'mapping')}
    rules = dataclasses.asdict(choice)
    used = {key: settings.as_dict()[key] for key in _USED}
    return dict(
        sparsity=1 - kept(masks) / size(masks), parameters=report.parameters, config=str(cfg.filename),
        settings=used, mmlth=__version__, parent=facts['masks_digest'],
        transfer=dict(kind='values' if rules.pop('values') else 'mask-only', source=facts,
                      coverage=report.coverage, covered=report.covered, scope_size=report.scope_size,
                      **rules))
