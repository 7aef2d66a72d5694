"""Write a ticket for another model: read the source, build the target, carry, record."""
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import Tensor

from mmlth.core.files import write_json
from mmlth.core.masks import Weights, density
from mmlth.core.storage import followed_buffers
from mmlth.core.ticket import Ticket, save_ticket, save_weights
from mmlth.engine.net import Net, read_net
from mmlth.settings.imp_config import IMPConfig
from mmlth.transfer.carry import transfer
from mmlth.transfer.choices import BACKBONE, USED
from mmlth.transfer.ends import Source, Target
from mmlth.transfer.mapping import Choice
from mmlth.transfer.names import read_state
from mmlth.transfer.report import CoverageReport
from mmlth.transfer.source import rank_backbone, read_ticket
from mmlth.version import __version__


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


def transfer_ticket(
    path: str | Path, cfg: Config, out: str | Path, *, values: str = 'initial',
    choice: Choice | None = None, settings: IMPConfig | None = None, overwrite: bool = False,
) -> CoverageReport:
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
    net = read_net(cfg, settings.seed)
    target = build_target(net, settings)
    choice = choice or Choice(values=values != 'none')
    return _carry(source, target, net, choice, _used(cfg, settings), outputs)


def rank_checkpoint(
    path: str | Path, cfg: Config, out: str | Path, *, sparsity: float,
    choice: Choice | None = None, settings: IMPConfig | None = None, overwrite: bool = False,
) -> CoverageReport:
    """Prune a dense checkpoint's backbone by magnitude and make it a ticket of the config's model.

    Args:
        path: Checkpoint (``.pth``, ``.safetensors``) with names as of torchvision, MMPretrain or
            MMDet.
        cfg: See :func:`transfer_ticket`, as for ``out``, ``choice`` and ``overwrite``.
        out: Ticket file to write.
        sparsity: Pruned share of the backbone's weights in the scope, in (0, 1).
        choice: Tensors and values to take.
        overwrite: Replace ``out``.
        settings: Scope and seed of the target; None takes the scope ``backbone``.

    Raises:
        ValueError, OSError: See :func:`transfer_ticket`.
    """
    outputs = Outputs(Path(out))
    outputs.check(overwrite=overwrite)
    state = read_state(path)
    settings = settings or target_settings(cfg, scope='backbone')
    net = read_net(cfg, settings.seed)
    target = build_target(net, settings)
    choice = choice or Choice(prefixes=(BACKBONE, ))
    source = rank_backbone(
        state, target, sparsity, file=Path(path).name, rename=choice.rename,
        allocation=settings.allocation, min_kept=settings.min_kept)
    translated = replace(choice, rename=())
    return _carry(source, target, net, translated, _used(cfg, settings), outputs)


def target_settings(cfg: Config, **flags: Any) -> IMPConfig:
    """Read scope, seed and so on from the config's ``imp`` block; flags not None override it.

    A ticket that it names may be the one that is to be written.
    """
    own = {key: value for key, value in (cfg.get('imp') or {}).items() if key != 'ticket'}
    return IMPConfig.from_config(dict(randomness=cfg.get('randomness', {}), imp=own), flags)


def build_target(net: Net, settings: IMPConfig) -> Target:
    """Return what a model takes: the tensors of its scope, under all their names.

    Raises:
        ValueError: The scope is empty or unknown.
    """
    return Target(
        shapes=net.shapes, scope=net.choose(settings), parameters=net.parameters,
        groups=net.groups,
        shared={**net.shared, **followed_buffers(net.shapes, net.shared)})


def _used(cfg: Config, settings: IMPConfig) -> dict[str, Any]:
    """Say which config and settings the target was built with."""
    values = settings.as_dict()
    return dict(config=str(cfg.filename), settings={key: values[key] for key in USED})


def _carry(
    source: Source, target: Target, net: Net, choice: Choice, used: Mapping[str, Any],
    outputs: Outputs,
) -> CoverageReport:
    """Carry what matches, then write the three files."""
    masks, values, report = transfer(source, target, choice)
    rewind_digest = save_weights(_start(net, values), outputs.rewind, step=0)
    write_json(outputs.report, report.as_dict())
    provenance = dict(
        used, sparsity=1 - density(masks), parameters=report.parameters, mmlth=__version__,
        parent=source.facts['masks_digest'], transfer=_rules(source, choice, report))
    ticket = Ticket(
        masks=masks, rewind_file=outputs.rewind.name, rewind_digest=rewind_digest,
        shared={name: owner for name, owner in target.shared.items() if owner in masks},
        groups={name: target.groups[name] for name in masks}, provenance=provenance)
    save_ticket(ticket, outputs.ticket)
    return report


def _start(net: Net, values: Mapping[str, Tensor]) -> Weights:
    """Return the state of the model with values in place of its own.

    They go through the model itself, so that a tensor is the same under all its names and keeps
    its type: a rewind is compared with the model bit for bit.
    """
    own = net.model.state_dict()  # the model's own tensors, not copies
    for name, value in values.items():
        own[name].copy_(value)
    return net.state


def _rules(source: Source, choice: Choice, report: CoverageReport) -> dict[str, Any]:
    """Say what was carried and by which rules; the report beside the ticket has the details."""
    facts = {key: value for key, value in source.facts.items()
             if key not in ('provenance', 'mapping')}
    rules = dataclasses.asdict(choice)
    kind = 'values' if rules.pop('values') else 'mask-only'
    return dict(kind=kind, source=facts, coverage=report.coverage, covered=report.covered,
                scope_size=report.scope_size, **rules)
