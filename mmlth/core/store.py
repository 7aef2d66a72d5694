"""The owner of a work directory: tickets, records, checkpoints. Nothing else opens them."""
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from mmlth.core import records
from mmlth.core.captured import Captured
from mmlth.core.checkpoints import (
    checkpoints_in,
    latest_checkpoint,
    load_state,
    reduce_checkpoint,
)
from mmlth.core.controls import CONTROLS
from mmlth.core.files import link_or_copy
from mmlth.core.layout import TICKET, Layout
from mmlth.core.masks import Masks, Weights, digest
from mmlth.core.records import RoundRecord, Summary
from mmlth.core.ticket import (
    Ticket,
    load_rewind_weights,
    load_ticket,
    load_weights,
    save_ticket,
    save_weights,
    weights_digest,
)
from mmlth.core.training import Training
from mmlth.core.work_dir import WorkDir


class Store(WorkDir):
    """Read and write what the trainings of a job leave in its work directory."""

    # Tickets

    def save_ticket(
        self, training: Training, masks: Masks, start: Mapping[str, Tensor], **facts: Any,
    ) -> None:
        """Write the ticket of a training; weights that lie here already are not stored again.

        Args:
            training: Whose ticket.
            masks: name -> bool tensor, True = kept.
            start: Whole state that it starts from, before masking.
            facts: ``shared``, ``groups`` and ``provenance`` of the ticket.
        """
        path = self.layout.ticket(*training.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted = digest(start)
        file = self._stored(training, wanted) or self._save_start(training, start)
        save_ticket(Ticket(masks=masks, rewind_file=os.path.relpath(file, path.parent),
                           rewind_digest=wanted, **facts), path)

    def _stored(self, training: Training, wanted: str) -> Path | None:
        """Find weights of this digest: w_k, or what the training's parent started from."""
        places = [self.layout.rewind]
        if training.parent is not None:
            places.append(self.layout.start(*training.parent.key))
        return next((p for p in places if p.exists() and weights_digest(p) == wanted), None)

    def _save_start(self, training: Training, start: Mapping[str, Tensor]) -> Path:
        path = self.layout.start(*training.key)
        save_weights(start, path, step=0)
        return path

    def has_ticket(self, training: Training) -> bool:
        """Tell whether the ticket of a training is written."""
        return self.layout.ticket(*training.key).exists()

    def ticket(self, training: Training) -> Ticket:
        """Read the ticket of a training."""
        return load_ticket(self.layout.ticket(*training.key))

    def start(self, training: Training) -> Weights:
        """Read what the ticket of a training starts from, before masking."""
        path = self.layout.ticket(*training.key)
        return load_rewind_weights(load_ticket(path), path)

    def starts_from(self, training: Training) -> Path | None:
        """Return the file of :meth:`start`; None of the dense round, which has none."""
        path = self.layout.ticket(*training.key)
        return path.parent / load_ticket(path).rewind_file if training.number else None

    def w_k(self) -> Weights:
        """Read the weights that the dense round kept for a rewind."""
        return load_weights(self.layout.rewind)

    # Trainings

    def finished(self, training: Training) -> bool:
        """Tell whether a training has its record."""
        return self.layout.record(*training.key).exists()

    def record(self, training: Training) -> RoundRecord:
        """Read the record of a finished training."""
        return records.load_round(self.layout.record(*training.key))

    def resume_from(self, training: Training) -> Path | None:
        """Return the newest whole checkpoint of a training that was begun, or None."""
        return latest_checkpoint(self.layout.round_dir(*training.key))

    def checkpoint(self, training: Training) -> Path:
        """Return the checkpoint that a training ended with.

        Raises:
            FileNotFoundError: There is none any more.
        """
        if self.finished(training):
            recorded = self.work_dir / self.record(training).checkpoint
            if recorded.is_file():
                return recorded
        found = self.resume_from(training)
        if found is None:
            folder = self.layout.round_dir(*training.key)
            raise FileNotFoundError(
                f'{folder} holds no whole checkpoint of its training. If it was deleted, delete '
                'the folder to train it again')
        return found

    def trained(self, training: Training) -> Weights:
        """Read the weights that a training ended with and was evaluated with.

        Raises:
            ValueError: They aren't those that its record tells of; names the file.
        """
        state = load_state(path := self.checkpoint(training))
        if self.finished(training):
            wanted, found = self.record(training).digests.get('trained', ''), digest(state)
            if wanted and found != wanted:
                raise ValueError(
                    f'{path}: holds other weights (digest {found[:12]}) than the record tells of '
                    f'({wanted[:12]}): damaged or swapped. Copy it again, or delete its folder to '
                    'train it again')
        return state

    def reduce(self, training: Training) -> None:
        """Leave only what is needed of an ended training, recorded or not, as its ``keep`` says."""
        if training.keep == 'all':
            return
        last = self.checkpoint(training)
        reduce_checkpoint(last)
        kind = last.name.partition('_')[0]  # others are those of a hook of the user's
        for path in checkpoints_in(last.parent):
            if path != last and path.name.startswith(kind):
                path.unlink()

    def finish(self, training: Training, record: RoundRecord) -> None:
        """Write the record that finishes a training, and the summary of all."""
        records.save(record, self.layout.record(*training.key))
        self.summarise()

    def adopt(self, other: 'Store', training: Training) -> None:
        """Take over another job's training, with a dense one all it keeps; links on one disk."""
        folder = self.layout.round_dir(*training.key)
        folder.mkdir(parents=True, exist_ok=True)
        trained = other.checkpoint(training)
        for target, source in other.captured.links(training, self.layout).items():
            target.parent.mkdir(exist_ok=True)
            link_or_copy(source, target)
        link_or_copy(trained, folder / trained.name)

    @property
    def captured(self) -> Captured:
        """What the dense round kept of the moments that are gone back to."""
        return Captured(self.layout, self.job() or {})

    # All of it

    def summarise(self) -> Summary:
        """Write the records of all finished trainings to ``summary.json``."""
        summary = self.collect()
        records.save(summary, self.layout.summary)
        return summary

    def collect(self) -> Summary:
        """Collect the records of all finished trainings."""
        job = self.job() or {}
        found = [vars(records.load_round(path)) for path in self._record_files()]
        return Summary(
            config=job.get('config', ''), settings=job.get('settings', {}),
            rounds=[r for r in found if not r['control']],
            controls=[r for r in found if r['control']],
            seconds=sum(r['seconds'] for r in found if not r['trained_in']))

    def has_summary(self) -> bool:
        """Tell whether ``summary.json`` is written."""
        return self.layout.summary.exists()

    def summary(self) -> Summary:
        """Return all records: of ``summary.json``, unless a kill kept it from holding the last one.

        Raises:
            FileNotFoundError: No training has been finished here.
        """
        count = len(self._record_files())
        if not self.has_summary() and not count:
            raise FileNotFoundError(f'{self.layout.summary} does not exist: run mmlth train first')
        if self.has_summary():
            found = records.load_summary(self.layout.summary)
            if len(found.rounds) + len(found.controls) >= count:
                return found
        return self.collect()

    def _record_files(self) -> list[Path]:
        """List every record: rounds in order, then controls as they are listed."""
        rounds = self._round_records()
        controls = sorted(self.layout.controls(), key=lambda c: (c[0], CONTROLS.index(c[1])))
        return [*rounds, *(self.layout.record(*key) for key in controls)]

    def _round_records(self) -> list[Path]:
        found = [path / 'record.json' for path in self.layout.round_dirs()]
        return [path for path in found if path.exists()]

    def last_ticket(self) -> Path | None:
        """Return the ticket file of the job's last finished round, or None if there is none."""
        records = self._round_records() if self.layout.settings.exists() else []
        return records[-1].with_name(TICKET) if records else None


def find_ticket(given: str | Path) -> Path:
    """Return the ticket that is meant by a file, the folder of its round, or a work directory.

    Args:
        given: Of a work directory, the ticket of the last finished round is meant.

    Raises:
        FileNotFoundError: A folder that is neither.
    """
    path = Path(given)
    if not path.is_dir():
        return path  # who reads it knows what is wrong with it
    beside = path / TICKET
    found = beside if beside.exists() else Store(path).last_ticket()
    if found is None:
        raise FileNotFoundError(f'{path} holds no {TICKET} and no finished round. Give a ticket, '
                                'the folder of its round, or the work directory of a job')
    return found


def store_of(ticket: str | Path) -> Store | None:
    """Return the store that a ticket lies in, or None if it stands alone."""
    folder = Path(ticket).absolute().parent
    for work_dir in (folder.parent, folder.parent.parent):
        if Layout(work_dir).settings.exists():
            return Store(work_dir)
    return None
