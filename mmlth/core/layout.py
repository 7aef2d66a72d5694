"""Every file name below a work directory; nothing else joins paths."""
import re
from dataclasses import dataclass
from pathlib import Path

TICKET = 'ticket.safetensors'


@dataclass(frozen=True)
class Layout:
    """Names the files of one IMP job below its work directory.

    >>> str(Layout(Path('work')).ticket(3))
    'work/round_03/ticket.safetensors'
    """

    work_dir: Path

    @property
    def settings(self) -> Path:
        return self.work_dir / 'imp.json'

    @property
    def log(self) -> Path:
        """What became of each training, a line or two."""
        return self.work_dir / 'imp.log'

    @property
    def lock(self) -> Path:
        return self.work_dir / '.lock'

    @property
    def shared(self) -> Path:
        """File by which ranks on several nodes prove that they share the folder."""
        return self.work_dir / '.shared'

    @property
    def preflight_text(self) -> Path:
        return self.work_dir / 'preflight.txt'

    @property
    def preflight(self) -> Path:
        return self.work_dir / 'preflight.json'

    @property
    def positions(self) -> Path:
        """How often the dense net uses each weight for one image."""
        return self.work_dir / 'positions.json'

    @property
    def rewind(self) -> Path:
        return self.work_dir / 'rewind.safetensors'

    def captured(self, name: str) -> Path:
        """Weights of a moment that the dense round keeps for jobs that share it.

        Args:
            name: :attr:`mmlth.core.moment.Moment.name`.
        """
        return self.work_dir / 'captured' / f'{name}.safetensors'

    @property
    def state(self) -> Path:
        return self.work_dir / 'rewind.pth'

    def captured_state(self, name: str) -> Path:
        """Whole state of a moment that the dense round keeps for jobs that share it."""
        return self.work_dir / 'captured' / f'{name}.pth'

    def state_at(self, name: str, own: str) -> Path:
        """Whole state of a moment, which is ``own`` if the job goes back to it itself."""
        return self.state if name == own else self.captured_state(name)

    @property
    def summary(self) -> Path:
        return self.work_dir / 'summary.json'

    @property
    def summary_csv(self) -> Path:
        return self.work_dir / 'summary.csv'

    @property
    def report(self) -> Path:
        return self.work_dir / 'report'

    def round_dir(self, number: int, control: str = '') -> Path:
        name = f'round_{number:02d}'
        return self.work_dir / 'controls' / f'{name}_{control}' if control else self.work_dir / name

    def training_lock(self, number: int, control: str = '') -> Path:
        return self.round_dir(number, control) / '.lock'

    def ticket(self, number: int, control: str = '') -> Path:
        return self.round_dir(number, control) / TICKET

    def start(self, number: int, control: str = '') -> Path:
        """Weights that a round starts from where they aren't those of ``rewind``."""
        return self.round_dir(number, control) / 'start.safetensors'

    def early_bird(self, number: int) -> Path:
        """Folder of the looks at the mask to come."""
        return self.round_dir(number) / 'early_bird'

    def record(self, number: int, control: str = '') -> Path:
        return self.round_dir(number, control) / 'record.json'

    def controls(self) -> list[tuple[int, str]]:
        """List (round, control) of every finished control."""
        folders = [path.parent.name.split('_', 2) for path in
                   (self.work_dir / 'controls').glob('round_[0-9]*_*/record.json')]
        return sorted((int(number), control) for _, number, control in folders)

    def relative(self, path: Path) -> str:
        """Return ``path`` relative to the work directory, as records store it."""
        return path.relative_to(self.work_dir).as_posix()

    def round_dirs(self) -> list[Path]:
        """List the folders of rounds that are there, in order; a copy of another name is none."""
        return sorted(path for path in self.work_dir.glob('round_*')
                      if re.fullmatch(r'round_\d{2,}', path.name))

    def own_files(self) -> list[Path]:
        """List what a job has written here so far: files and round folders."""
        files = [self.settings, self.log, self.shared, self.preflight_text, self.preflight,
                 self.positions, self.rewind, self.state, self.summary, self.summary_csv,
                 self.report,
                 self.work_dir / 'captured', self.work_dir / 'controls',
                 *self.round_dirs()]
        return [path for path in files if path.exists()]
