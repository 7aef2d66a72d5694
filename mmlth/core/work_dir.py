"""The work directory of a job as a claim sees it: whose it is, what it holds, its lock."""
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmlth.core.files import locked_folder, read_json, write_json, write_text
from mmlth.core.layout import Layout
from mmlth.core.positions import read_positions
from mmlth.core.training import Training

JOB_VERSION = 3
_WORK = ('record.json', 'ticket.safetensors', 'start.safetensors', '*.pth')  # of a training


class WorkDir:
    """Claim, lock and clear the folder of a job.

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
    def locked(self, *, together: bool = False) -> Iterator[None]:
        """Keep every other process off the folder, which is made if it is missing.

        Args:
            together: Let in others that ask for the same: each does trainings of its own.
        """
        self.work_dir.mkdir(parents=True, exist_ok=True)
        with locked_folder(self.layout.lock, together=together):
            yield

    @contextmanager
    def training_locked(self, training: Training) -> Iterator[None]:
        """Keep every other process off one training, whose folder is made if it is missing."""
        lock = self.layout.training_lock(*training.key)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with locked_folder(lock):
            yield

    def holds_work(self) -> bool:
        """Tell whether there is anything that somebody has trained: weights, tickets or records."""
        layout = self.layout
        own = any(path.exists() for path in (layout.rewind, layout.state, layout.summary))
        folders = [folder for place in ('', 'controls/')
                   for folder in self.work_dir.glob(f'{place}round_[0-9]*')]
        return own or any(any(folder.glob(kind)) for folder in folders for kind in _WORK)

    def clear(self) -> None:
        """Delete what a job wrote here, and nothing else (``--overwrite``)."""
        for path in reversed(self.layout.own_files()):  # imp.json last: a kill can be repeated
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def write_preflight(self, plan: Mapping[str, Any], text: str) -> None:
        """Leave the plan for programs and for people."""
        self.work_dir.mkdir(parents=True, exist_ok=True)
        write_json(self.layout.preflight, plan)
        write_text(self.layout.preflight_text, text + '\n')

    def keep_positions(self, positions: Mapping[str, float]) -> None:
        """Keep how often weights are used as it was counted first: costs shall stay the same."""
        if positions and not self.layout.positions.exists():
            write_json(self.layout.positions, positions)

    def positions(self) -> dict[str, float]:
        """Return what was kept, or {} if nothing was counted; see :func:`read_positions`."""
        path = self.layout.positions
        return read_positions(path) if path.exists() else {}
