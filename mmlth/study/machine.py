"""What jobs may use of this machine: how many run at once, their GPUs and threads."""
import os
from dataclasses import dataclass, field

_VISIBLE = 'CUDA_VISIBLE_DEVICES'


def visible_gpus() -> tuple[str, ...] | None:
    """Return the GPUs that this process was given, by number or UUID; None means all there are."""
    given = os.environ.get(_VISIBLE)
    if given is None:
        return None
    names = [name.strip() for name in given.split(',') if name.strip()]
    hidden_from = names.index('-1') if '-1' in names else len(names)  # as CUDA reads it
    return tuple(names[:hidden_from])


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What jobs may use.

    Attributes:
        workers: Jobs that run at once, at least 1.
        gpus_per_job: GPUs of each, dealt out in order; 0 leaves the choice to torch.
        threads: Threads of torch per process on a CPU; 0 leaves it to torch. One thread a worker
            does the most work where workers share cores.
        gpus: Those that may be dealt out; None takes 0, 1, 2 and so on.

    Raises:
        ValueError: A number is too small, or there are too few GPUs; names the flag.
    """

    workers: int = 1
    gpus_per_job: int = 0
    threads: int = 1
    gpus: tuple[str, ...] | None = field(default_factory=visible_gpus)

    def __post_init__(self) -> None:
        for name, least in dict(workers=1, gpus_per_job=0, threads=0).items():
            value = getattr(self, name)
            if value < least:
                flag = name.replace('_', '-')
                raise ValueError(f'--{flag} {value}: must be at least {least}')
        wanted = self.workers * self.gpus_per_job
        if self.gpus is not None and wanted > len(self.gpus):
            raise ValueError(
                f'--workers {self.workers} --gpus-per-job {self.gpus_per_job}: {wanted} GPUs are '
                f'needed, but {_VISIBLE} names {len(self.gpus)} ({",".join(self.gpus) or "none"}). '
                'Lower one of the two, or name more')

    def environment(self, worker: int) -> dict[str, str]:
        """Return the environment of a job.

        Args:
            worker: Its place among those that run at once, from 0.
        """
        env = dict(os.environ)
        if self.threads:
            env['OMP_NUM_THREADS'] = str(self.threads)
        if self.gpus_per_job:
            env[_VISIBLE] = ','.join(self._gpus_of(worker))
        return env

    def _gpus_of(self, worker: int) -> tuple[str, ...]:
        count = self.gpus_per_job
        gpus = self.gpus if self.gpus is not None else tuple(map(str, range(self.workers * count)))
        return gpus[worker * count:(worker + 1) * count]
