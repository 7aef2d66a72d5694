"""The whole way on DigitScenes: train, prune, deploy, evaluate; the mAPs are equal."""
import re
import sys

import pytest
from conftest import ROOT, run_process


@pytest.mark.slow
def test_the_deployed_map_is_that_of_the_checkpoint(tmp_path):
    script = ROOT / 'benchmarks' / 'deployed_map.py'
    short = ['--train', 16, '--val', 8, '--epochs', 1]
    out = run_process(
        sys.executable, script, '--out', tmp_path / 'out', '--tasks', 'faster-rcnn', *short).stdout
    assert re.search(r'faster-rcnn +coco/bbox_mAP +(0\.\d+) +\1\n', out)
    assert 'largest difference of all metrics: 0.0e+00' in out
