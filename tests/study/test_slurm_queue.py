"""The queue of a Slurm cluster, as squeue tells it."""
import pytest

from mmlth.study import slurm


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Put a squeue on the path that fails as often as it is told, and then names two jobs."""
    def squeue(failures):
        (tmp_path / 'left').write_text('x' * failures)
        script = tmp_path / 'squeue'
        script.write_text(f"""#!/bin/sh
if [ -s {tmp_path}/left ]; then
  truncate -s -1 {tmp_path}/left; echo 'slurm_load_jobs error: timed out' >&2; exit 1
fi
echo 11; echo 12
""")
        script.chmod(0o755)
        monkeypatch.setenv('PATH', str(tmp_path), prepend=':')
        monkeypatch.setattr(slurm, 'LOOK_AGAIN', 0)
    return squeue


def test_a_server_that_is_away_for_a_while_ends_nothing(squeue):
    squeue(3)
    assert slurm._queue(tries=4) == {'11', '12'}


def test_one_that_stays_away_is_named(squeue):
    squeue(3)
    with pytest.raises(ValueError, match='squeue failed: .*timed out'):
        slurm._queue(tries=3)
