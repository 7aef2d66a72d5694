"""The owner of a study's folder: where each job works, what it is told, what it printed."""
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from mmlth.core.dump import has_dump
from mmlth.core.files import is_locked, read_json, write_json, write_text
from mmlth.core.records import Summary
from mmlth.core.store import Store
from mmlth.core.training import Key, Training
from mmlth.study.study_job import StudyJob
from mmlth.study.tasks import Task


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

    # Jobs and tasks

    def ticket(self, name: str) -> Path:
        """Return the file of the ticket that is carried to a job from another one."""
        return self._jobs / f'{name}.safetensors'

    def log(self, name: str) -> Path:
        """Return the file that a task prints to."""
        return self._jobs / f'{name}.log'

    def last_line(self, name: str) -> str:
        """Return the last thing that a task has printed."""
        text = self.log(name).read_text(encoding='utf-8', errors='replace')
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else 'it printed nothing'

    def write_task(self, task: Task, job: StudyJob) -> None:
        """Leave the description of a task for the process that will run it.

        It keeps the predictions that another call has asked for.
        """
        self._failure(task.name).unlink(missing_ok=True)
        path = self._description(task.name)
        asked = path.exists() and read_json(path)['job'].get('predictions', False)
        told = {**asdict(job), 'predictions': job.predictions or asked}
        write_json(path, dict(job=told, trainings=task.keys))

    def read_task(self, name: str) -> tuple[StudyJob, tuple[Key, ...]]:
        """Read the job of a task and the keys of its trainings."""
        found = read_json(self._description(name))
        kept = {name: tuple(found['job'].get(name, ())) for name in ('capture', 'capture_states')}
        job = StudyJob(**{**found['job'], **kept})
        return job, tuple((number, label) for number, label in found['trainings'])

    def _description(self, name: str) -> Path:
        return self._jobs / f'{name}.json'

    def is_done(self, work: StudyJob | Task) -> bool:
        """Tell whether every training of a job or a task has its record.

        A task has kept the predictions that are asked for, too.
        """
        if isinstance(work, StudyJob):
            return all(map(self.store(work.name).finished, work.trainings))
        store = self.store(work.job)
        return all(map(store.finished, work.trainings)) and self.has_predictions(
            work.job, work.tested)

    def has_rounds(self, job: StudyJob) -> bool:
        """Tell whether the dense net and every ticket of a job have their records."""
        rounds = [training for training in job.trainings if not training.label]
        return all(map(self.store(job.name).finished, rounds))

    def has_predictions(self, job: str, trainings: Iterable[Training]) -> bool:
        """Tell whether the predictions of these trainings of a job have been kept."""
        layout = self.store(job).layout
        return all(has_dump(layout.round_dir(*each.key)) for each in trainings)

    def is_running(self, task: Task) -> bool:
        """Tell whether a process works on a task, here or on a host that shares the folder."""
        layout = self.store(task.job).layout
        return any(is_locked(layout.training_lock(*key)) for key in task.keys)

    def fail(self, task: str, why: str) -> None:
        """Note that a task has failed."""
        write_text(self._failure(task), why)

    def failure(self, task: str) -> str:
        """Return why a task failed when it was tried last, or ''."""
        path = self._failure(task)
        return path.read_text(encoding='utf-8') if path.exists() else ''

    def _failure(self, task: str) -> Path:
        return self._jobs / f'{task}.failed'

    def summary(self, job: StudyJob) -> Summary:
        """Return the records of a job's finished trainings."""
        return self.store(job.name).summary()

    # Which job has finished a training, by its id

    def find(self, training_id: str) -> Path | None:
        """Return the work directory of the job that noted a training first, or None."""
        note = self._note(training_id)
        return self.store(read_json(note)['job']).work_dir if note.exists() else None

    def note(self, job: str, training_id: str) -> None:
        """Note that a job has finished a training, unless another has."""
        note = self._note(training_id)
        if not note.exists():
            note.parent.mkdir(exist_ok=True)
            write_json(note, dict(job=job))

    def _note(self, training_id: str) -> Path:
        return self.work_dir / 'trainings' / f'{training_id}.json'
