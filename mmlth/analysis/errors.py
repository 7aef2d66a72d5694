"""Which errors a detector makes, before and after pruning (the paper's supplement B)."""

from mmlth.analysis import keypoint_errors, tide
from mmlth.analysis.measurements import Measurement
from mmlth.analysis.objects import Loaded
from mmlth.analysis.predictions import narrowed

UNITS = {'TIDE': 'AP50 that mending it gains (points)', 'keypoint errors': 'share (%)'}


def check_tide(loaded: Loaded) -> None:
    """Raise RuntimeError where errors of boxes or masks are asked for and can't be had."""
    if any(task != 'keypoints' for _, found in loaded for task in found.found):
        tide.import_tide()


def measure_errors(loaded: Loaded) -> list[Measurement]:
    """Return TIDE's errors of boxes and masks, and those of keypoints, of every training."""
    tasks = dict.fromkeys(task for _, found in loaded for task in found.found)
    measured = []
    for task in tasks:
        for training, found in loaded:
            if task not in found.found:
                continue
            own = narrowed(found, task)
            if task == 'keypoints':
                shares = keypoint_errors.keypoint_errors(own)
                values = {name: 100 * share for name, share in shares.items()}
            else:
                values = tide.tide_errors(own, task)
            measured += [
                Measurement(question='keypoint errors' if task == 'keypoints' else 'TIDE',
                            job=str(training.job), training=training.label, task=task, item=item,
                            value=value, shows='points')
                for item, value in values.items()]
    return measured
