"""Take over what another job has trained: its dense round, or a ticket."""
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

from mmlth.core.files import atomic_path, read_json
from mmlth.core.layout import Layout
from mmlth.core.masks import Masks, size
from mmlth.core.records import RoundRecord, load_round
from mmlth.core.rewind import capture_name
from mmlth.core.ticket import load_ticket
from mmlth.engine.checkpoints import latest_checkpoint
from mmlth.engine.config import IMPConfig

_DENSE_SETTINGS = ('imp.seed', 'imp.exact_resume')  # those that the dense round depends on


@dataclass(frozen=True, kw_only=True)
class DenseRound:
    """A finished dense round of another job.

    Attributes:
        work_dir: Of that job.
        record: Of its round 0.
        checkpoint: The trained net.
        rewind: Weights that this job rewinds to.
    """

    work_dir: Path
    record: RoundRecord
    checkpoint: Path
    rewind: Path

    def copy_to(self, layout: Layout) -> None:
        """Put checkpoint and w_k into another work directory; a link where the disk is the same, else a copy."""
        layout.round_dir(0).mkdir(parents=True, exist_ok=True)
        for source, target in ((self.rewind, layout.rewind),
                               (self.checkpoint, layout.round_dir(0) / self.checkpoint.name)):
            with atomic_path(target) as temporary:
                _link(source, Path(temporary))


def find_dense(settings: IMPConfig, job: Mapping[str, Any]) -> DenseRound:
    """Find the dense round that ``dense_from`` names and check that it is the one that this job would train.

    Args:
        settings: With ``dense_from``.
        job: Of :func:`mmlth.engine.workdir.identity`.

    Raises:
        FileNotFoundError: There is no such job, its dense round isn't finished, or the weights to rewind to
            weren't kept.
        ValueError: Its config or seed differs, or an early end cut it short; names the settings.
    """
    layout = Layout(Path(settings.dense_from).absolute())
    where = f'dense_from={settings.dense_from!r}'
    if not layout.settings.exists() or not layout.record(0).exists():
        raise FileNotFoundError(f'{where} holds no finished dense round. Train it first, with rounds=0 if nothing '
                                'else is wanted of it')
    there = read_json(layout.settings)
    _check_same(where, there['identity'], job)
    if there['settings'].get('early_bird'):
        raise ValueError(f'{where} was trained with early_bird, which may end the dense round early. Name another job')
    checkpoint = latest_checkpoint(layout.round_dir(0))
    if checkpoint is None:
        raise FileNotFoundError(f'{layout.round_dir(0)} holds no whole checkpoint any more. Train it again')
    return DenseRound(work_dir=layout.work_dir, record=load_round(layout.record(0)), checkpoint=checkpoint,
                      rewind=_captured(where, layout, there['settings'], settings))


def _check_same(where: str, there: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    def dense_part(identity: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in identity.items() if not k.startswith('imp.') or k in _DENSE_SETTINGS}
    a, b = dense_part(there), dense_part(job)
    different = [k for k in sorted({*a, *b}) if a.get(k) != b.get(k)]
    if different:
        shown = '; '.join(f'{k}: {a.get(k)!r} there, {b.get(k)!r} here' for k in different[:8])
        raise ValueError(f'{where} was trained with other settings: {shown}. Name a job with the same config and seed')


def _captured(where: str, layout: Layout, there: Mapping[str, Any], settings: IMPConfig) -> Path:
    name = capture_name(settings.rewind)
    points = {capture_name(k): layout.captured(capture_name(k)) for k in there.get('capture', ())}
    points[capture_name(there['rewind'])] = layout.rewind
    if name not in points or not points[name].exists():
        raise FileNotFoundError(f'{where} keeps weights of {", ".join(points)}, but rewind={settings.rewind!r} needs '
                                f'those of {name}. Train it with that point in capture')
    return points[name]


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)


def check_ticket(settings: IMPConfig, names: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> Masks:
    """Return the masks of the given ticket, which must be of the model's scope.

    Raises:
        FileNotFoundError, TicketError: It can't be read.
        ValueError: Other tensors, shapes or sparsity than the job plans; names them.
    """
    masks = load_ticket(settings.ticket).masks
    missing, surplus = [n for n in names if n not in masks], [n for n in masks if n not in names]
    wrong = [n for n in names if n in masks and tuple(masks[n].shape) != tuple(shapes[n])]
    if missing or surplus or wrong:
        raise ValueError(f'ticket={settings.ticket!r} does not fit the scope of the config: missing {missing[:3]} '
                         f'({len(missing)}), surplus {surplus[:3]} ({len(surplus)}), of another shape {wrong[:3]} '
                         f'({len(wrong)}). Carry it over with tools/transfer_ticket.py, with the same scope')
    planned, found = settings.densities()[-1], sum(int(m.sum()) for m in masks.values()) / size(masks)
    if abs(planned - found) > 0.5 / size(masks):
        raise ValueError(f'ticket={settings.ticket!r} has sparsity {1 - found:.4f}, but '
                         f'schedule={settings.schedule!r}; schedule out')
    return masks
