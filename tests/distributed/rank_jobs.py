"""Jobs of two ranks that take a few seconds, and what must not depend on being interrupted."""
import json
import time

import as_two_ranks
import toys
from rank_digests import what_ranks_hold


def write_slow_config(folder):
    """Write the config of a toy job whose ranks tell their processes and digests."""
    return toys.write_config(
        folder,
        model=dict(type='ToyNet', seconds_per_step=0.3),
        custom_hooks=[dict(type='RankDigests'), dict(type='RankProcess')],
        custom_imports=dict(imports=['toys', 'rank_digests']))


def outcome(work_dir):
    """Return what must be equal: of every ticket, every record and every rank."""
    rounds = json.loads((work_dir / 'summary.json').read_text())['rounds']
    records = [{key: each[key] for key in ('digests', 'metrics', 'steps')} for each in rounds]
    weights = [[rank['weights'] for rank in what_ranks_hold(work_dir / f'round_{number:02d}')]
               for number in (1, 2)]
    return as_two_ranks.tickets(work_dir), records, weights


def processes(work_dir):
    """Return the process of each rank of a job that was begun here."""
    return [int((work_dir / f'pid_{rank}').read_text()) for rank in (0, 1)]


def wait_for(path, is_running):
    """Wait until a running job has written a file; returns whether it did."""
    while not path.exists() and is_running():
        time.sleep(0.05)
    return path.exists()
