"""What a study says of a transfer, and the transfer of a ticket or a dense net between its jobs."""
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmlth.core.training import Training
from mmlth.study.folder import StudyFolder
from mmlth.study.study_job import StudyJob
from mmlth.transfer.choices import BACKBONE, LEFT_OUT, VALUES
from mmlth.transfer.mapping import Choice
from mmlth.transfer.tickets import rank_checkpoint, transfer_ticket

TRANSFER = ('values', 'sparsity', 'scope', 'groups', 'prefixes', 'leave_out')
_DENSE = Training(number=0)


def read_choice(transfer: Mapping[str, Any]) -> Choice:
    """Return which tensors a transfer may carry.

    Args:
        transfer: Options of :data:`TRANSFER`.

    Raises:
        ValueError: An unknown option or group, ``values`` or ``sparsity``; says what is allowed.
    """
    _check_options(transfer)
    ranked = transfer.get('sparsity') is not None
    prefixes = transfer.get('prefixes', [BACKBONE] if ranked else [])
    return Choice(
        values=transfer.get('values') != 'none',
        groups=tuple(transfer.get('groups', ())),
        leave_out=tuple(transfer.get('leave_out', LEFT_OUT)),
        prefixes=tuple(prefixes))


def carry_ticket(job: StudyJob, cfg: Config, folder: StudyFolder) -> None:
    """Write the ticket that a job trains, from its source's; do nothing if it is there already.

    Args:
        job: With a ``source``, which is done.
        cfg: Of the job.
        folder: Of the study.

    Raises:
        ValueError, OSError: Nothing matches, or the source isn't there.
    """
    out, options = folder.ticket(job.name), job.transfer
    if out.exists():
        return
    source = folder.store(job.source)
    scope = options.get('scope', job.settings['scope'])
    common: dict[str, Any] = dict(
        choice=read_choice(options),
        # Scope and seed of the job, against which it checks the ticket; not the config's alone.
        settings=job.imp_settings(rounds=1, scope=scope),
        overwrite=True)  # what is left of a carry that was cut off
    if 'sparsity' in options:
        dense = source.checkpoint(_DENSE)
        rank_checkpoint(dense, cfg, out, sparsity=options['sparsity'], **common)
        return
    last = source.summary().rounds[-1]['round']
    values = options.get('values', 'initial')
    transfer_ticket(source.layout.ticket(last), cfg, out, values=values, **common)


def _check_options(transfer: Mapping[str, Any]) -> None:
    unknown = sorted(set(transfer) - set(TRANSFER))
    if unknown:
        raise ValueError(f'transfer has unknown settings {unknown}; known are source, '
                         f'{", ".join(TRANSFER)}')
    values = transfer.get('values', 'initial')
    if values not in VALUES:
        raise ValueError(f'transfer: values={values!r}; allowed are {", ".join(VALUES)}')
    sparsity = transfer.get('sparsity')
    if sparsity is None:
        return
    in_range = isinstance(sparsity, float) and 0 < sparsity < 1
    if not in_range or 'values' in transfer:
        raise ValueError(f'transfer: sparsity={sparsity!r} must be a number in (0, 1) and goes '
                         "without values: it prunes the source's dense net, which keeps its values")
