"""What a training came to."""
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Describe a training that has ended.

    Attributes:
        metrics: Of the final weights; {} where the evaluator returned none.
        seconds: Wall time of training and evaluation, resumed parts included.
        steps: Optimizer steps done.
        iterations: Forward passes of the training done; more than steps where gradients accumulate.
        saved_steps: Steps that weren't done because it ended early.
        trained_in: Work directory of the job that trained it, relative to this one's, or ''.
    """

    metrics: dict[str, float]
    seconds: float
    steps: int
    iterations: int
    saved_steps: int = 0
    trained_in: str = ''
