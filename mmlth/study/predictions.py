"""Keep the predictions of a job's dense net and last ticket, for an experiment's analyses."""
from contextlib import ExitStack

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process

from mmlth.core.dump import has_dump
from mmlth.study.folder import StudyFolder
from mmlth.study.study_job import StudyJob
from mmlth.trained import dump
from mmlth.trained.evaluate import evaluate_ticket, leave_test_alone


def keep_predictions(
    folder: StudyFolder, job: StudyJob, data_root: str | None, launcher: str,
) -> None:
    """Test both nets and leave what they predict beside their tickets, unless it lies there.

    Args:
        folder: Of the study.
        job: Whose trainings are finished.
        data_root: Where the data lies, if not where it was trained with.
        launcher: That started this process; all of its processes must call this.

    Raises:
        BlockingIOError: Another process works on one of them.
        FileNotFoundError, ValueError: See :func:`mmlth.trained.evaluate.evaluate_ticket`.
    """
    store = folder.store(job.name)
    for training in job.compared:
        place = store.layout.round_dir(*training.key)
        if has_dump(place):
            continue
        with ExitStack() as held:
            if is_main_process():
                held.enter_context(store.training_locked(training))
            evaluate_ticket(store.layout.ticket(*training.key), data_root=data_root, dump=True,
                            launcher=launcher)
            barrier()


def check_evaluator(cfg: Config) -> None:
    """Raise ValueError for a config whose evaluators leave no predictions in COCO's form."""
    cfg = cfg.copy()
    leave_test_alone(cfg)
    dump.check_evaluator(cfg)
