"""The owner of a work directory: tickets, records, checkpoints, lock. Nothing else opens them."""
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from mmlth.core import records
from mmlth.core.checkpoints import latest_checkpoint, load_state, reduce_checkpoint
from mmlth.core.controls import CONTROLS
from mmlth.core.files import atomic_path, locked_folder, read_json, write_json, write_text
from mmlth.core.layout import Layout
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

JOB_VERSION = 2
KEEP = ('weights', 'all')  # what a finished training leaves of its checkpoints


class Store:
    """Read and write everything that a job leaves in its work directory.

    Args:
        work_dir: The folder; it need not exist yet.

    Attributes:
        layout: Names of the files.
    """

    def __init__(self, work_dir: str | Path) -> None:
        self.layout = Layout(Path(work_dir).absolute())

    @property
    def work_dir(self) -> Path:
        """The folder, absolute."""
        return self.layout.work_dir

    # The job

    def is_readable(self) -> bool:
        """Tell whether this mmlth can go on with the job that lies here, if one does."""
        path = self.layout.settings
        found = read_json(path) if path.exists() else {}
        return not found or found.get('version') == JOB_VERSION

    def job(self) -> dict[str, Any] | None:
        """Return what ``imp.json`` says of the job that lies here, or None if none does.

        Raises:
            FileExistsError: The file isn't ours, or is that of an older or newer mmlth.
        """
        path = self.layout.settings
        if not path.exists():
            return None
        found = read_json(path)
        if not isinstance(found, dict) or 'identity' not in found:
            raise FileExistsError(f'{path} was not written by mmlth. Choose a new folder')
        if found.get('version') != JOB_VERSION:
            raise FileExistsError(
                f'{path} is of version {found.get("version")}, but this mmlth goes on with version '
                f'{JOB_VERSION}: finish the job with the mmlth that started it, or choose a new '
                '--work-dir. Its tickets and records can be read all the same')
        return found

    def claim(self, job: Mapping[str, Any]) -> None:
        """Write ``imp.json``, from which moment the folder belongs to this job."""
        write_json(self.layout.settings, dict(version=JOB_VERSION, **job))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process off the folder, which is made if it is missing."""
        self.work_dir.mkdir(parents=True, exist_ok=True)
        with locked_folder(self.layout.lock):
            yield

    def holds_work(self) -> bool:
        """Tell whether there is anything that somebody has trained: weights, tickets or records."""
        own = [self.layout.rewind, self.layout.state, self.layout.summary]
        kinds = ('record.json', 'ticket.safetensors', 'start.safetensors', '*.pth')
        folders = [*self.work_dir.glob('round_[0-9]*'), *self.work_dir.glob('controls/round_[0-9]*')]
        found = [path for folder in folders for kind in kinds for path in folder.glob(kind)]
        return bool(found) or any(path.exists() for path in own)

    def clear(self) -> None:
        """Delete what a job wrote here, and nothing else (``--overwrite``)."""
        for path in reversed(self.layout.own_files()):  # imp.json last: a kill can be repeated
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def write_preflight(self, plan: Mapping[str, Any], text: str) -> None:
        """Leave the plan for programs and for people."""
        self.work_dir.mkdir(parents=True, exist_ok=True)
        write_json(self.layout.preflight, plan)
        write_text(self.layout.preflight_text, text + '\n')

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
        recorded = self.work_dir / self.record(training).checkpoint if self.finished(training) else None
        if recorded is not None and recorded.is_file():
            return recorded
        found = self.resume_from(training)
        if found is None:
            raise FileNotFoundError(
                f'{self.layout.round_dir(*training.key)} holds no whole checkpoint of its training. '
                'If it was deleted, delete the folder to train it again')
        return found

    def trained(self, training: Training) -> Weights:
        """Read the weights that a training ended with and was evaluated with."""
        return load_state(self.checkpoint(training))

    def reduce(self, training: Training) -> None:
        """Leave only what is needed of a training that has ended, as its ``keep`` says.

        Args:
            training: That has ended; its record may not exist yet.
        """
        if training.keep == 'all':
            return
        last = self.checkpoint(training)
        reduce_checkpoint(last)
        kind = last.name.partition('_')[0]
        for path in last.parent.glob(f'{kind}_[0-9]*.pth'):
            if path != last:
                path.unlink()

    def finish(self, training: Training, record: RoundRecord) -> None:
        """Write the record that finishes a training, and the summary of all."""
        records.save(record, self.layout.record(*training.key))
        self.summarise()

    def adopt(self, other: 'Store', training: Training, moment: str) -> None:
        """Take over another job's dense training and its w_k; links where the disk is the same."""
        self.layout.round_dir(*training.key).mkdir(parents=True, exist_ok=True)
        source = other.checkpoint(training)
        target = self.layout.round_dir(*training.key) / source.name
        for old, new in ((other.captured(moment), self.layout.rewind), (source, target)):
            with atomic_path(new) as temporary:
                _link(old, temporary)

    def captured(self, moment: str) -> Path:
        """Return the file of the weights that the dense round kept of a moment.

        Args:
            moment: :attr:`mmlth.core.moment.Moment.name`.

        Raises:
            FileNotFoundError: They weren't kept; names those that were.
        """
        job = self.job() or {}
        points = {name: self.layout.captured(name) for name in job.get('captured', ())}
        points[job.get('moment', '')] = self.layout.rewind
        if moment in points and points[moment].exists():
            return points[moment]
        raise FileNotFoundError(f'{self.work_dir} keeps weights of {", ".join(points)}, but those of '
                                f'{moment} are needed. Train it with that point in capture')

    # All of it

    def summarise(self) -> Summary:
        """Collect the records of all finished trainings into ``summary.json``."""
        job = self.job() or {}
        found = [vars(records.load_round(path)) for path in self._record_files()]
        summary = Summary(
            config=job.get('config', ''), settings=job.get('settings', {}),
            rounds=[r for r in found if not r['control']],
            controls=[r for r in found if r['control']],
            seconds=sum(r['seconds'] for r in found if not r['trained_in']))
        records.save(summary, self.layout.summary)
        return summary

    def has_summary(self) -> bool:
        """Tell whether ``summary.json`` is written."""
        return self.layout.summary.exists()

    def summary(self) -> Summary:
        """Read ``summary.json``.

        Raises:
            FileNotFoundError: No training has been finished here.
        """
        if not self.has_summary():
            raise FileNotFoundError(f'{self.layout.summary} does not exist: run tools/imp_train.py first')
        return records.load_summary(self.layout.summary)

    def _record_files(self) -> list[Path]:
        """List every record: rounds in order, then controls as they are listed."""
        rounds = sorted(self.work_dir.glob('round_[0-9]*/record.json'))
        controls = sorted(self.layout.controls(), key=lambda c: (c[0], CONTROLS.index(c[1])))
        return [*rounds, *(self.layout.record(*key) for key in controls)]


def store_of(ticket: str | Path) -> Store | None:
    """Return the store that a ticket lies in, or None if it stands alone."""
    folder = Path(ticket).absolute().parent
    for work_dir in (folder.parent, folder.parent.parent):
        if Layout(work_dir).settings.exists():
            return Store(work_dir)
    return None


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)
