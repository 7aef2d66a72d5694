"""The transfer of a ticket or a dense net from one job of a study to another."""
from typing import Any

from mmengine.config import Config

from mmlth.core.store import find_ticket
from mmlth.core.training import Training
from mmlth.study.folder import StudyFolder
from mmlth.study.study_job import StudyJob
from mmlth.study.transfers import read_choice
from mmlth.transfer.tickets import rank_checkpoint, transfer_ticket

_DENSE = Training(number=0)


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
    values = options.get('values', 'initial')
    transfer_ticket(find_ticket(source.work_dir), cfg, out, values=values, **common)
