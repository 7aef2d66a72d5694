"""The owner of a study's folder: where each job works, what it is told, what it printed."""
from dataclasses import asdict
from pathlib import Path

from mmlth.core.files import read_json, write_json
from mmlth.core.store import Store
from mmlth.study.study_job import StudyJob


class StudyFolder:
    """Name and read the files of a study; the work directory of each job is a Store's.

    Args:
        work_dir: The folder; it need not exist yet.
    """

    def __init__(self, work_dir: str | Path) -> None:
        self.work_dir = Path(work_dir).absolute()
        self._jobs = self.work_dir / 'jobs'

    @property
    def report(self) -> Path:
        """Where pages and figures go."""
        return self.work_dir / 'report'

    def make(self) -> None:
        """Make the folder of the jobs, where it is missing."""
        self._jobs.mkdir(parents=True, exist_ok=True)

    def check_exists(self) -> None:
        """Raise FileNotFoundError unless a study has worked here."""
        if not self._jobs.is_dir():
            raise FileNotFoundError(f'{self.work_dir} is no work dir of a study: it has no jobs/')

    def store(self, name: str) -> Store:
        """Return the work directory of a job."""
        return Store(self._jobs / name)

    def ticket(self, name: str) -> Path:
        """Return the file of the ticket that is carried to a job from another one."""
        return self._jobs / f'{name}.safetensors'

    def log(self, name: str) -> Path:
        """Return the file that a job prints to."""
        return self._jobs / f'{name}.log'

    def last_line(self, name: str) -> str:
        """Return the last thing that a job has printed."""
        text = self.log(name).read_text(encoding='utf-8', errors='replace')
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else 'it printed nothing'

    def write_job(self, job: StudyJob) -> None:
        """Leave the description of a job for the process that will run it."""
        write_json(self._description(job.name), asdict(job))

    def read_job(self, name: str) -> StudyJob:
        """Read the description of a job."""
        found = read_json(self._description(name))
        return StudyJob(**{**found, 'capture': tuple(found['capture'])})

    def _description(self, name: str) -> Path:
        return self._jobs / f'{name}.json'

    def is_done(self, job: StudyJob) -> bool:
        """Tell whether every training of a job has its record, and the summary holds it."""
        store = self.store(job.name)
        if not store.has_summary() or not all(map(store.finished, job.trainings)):
            return False
        summary = store.summary()  # written after the records: a kill may fall in between
        held = {(r['round'], r.get('control', '')) for r in [*summary.rounds, *summary.controls]}
        return all(training.key in held for training in job.trainings)
