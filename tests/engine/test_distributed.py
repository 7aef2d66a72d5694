"""Two gloo processes on the CPU end with one ticket and a summary like that of one process."""
import json
import os
import subprocess

import toys
from conftest import ROOT, tool_env

from mmlth.core.ticket import load_ticket


def launch(config, work_dir, *args):
    env = {**tool_env(), 'PORT': str(29500 + os.getpid() % 2000)}
    done = subprocess.run(['bash', str(ROOT / 'tools' / 'dist_imp.sh'), str(config), '2', '--work-dir',
                           str(work_dir), *args], env=env, cwd=ROOT, capture_output=True, text=True,
                          timeout=300)
    return done


def test_two_ranks_prune_the_same(tmp_path, run_tool):
    config = toys.write_config(tmp_path, custom_hooks=[dict(type='RankDigests')],
                               custom_imports=dict(imports=['toys', 'rank_digests']),
                               model_wrapper_cfg=dict(type='MMDistributedDataParallel'))
    done = launch(config, tmp_path / 'two')
    assert done.returncode == 0, done.stdout + done.stderr
    two = json.loads((tmp_path / 'two' / 'summary.json').read_text())['rounds']
    single = toys.write_config(tmp_path, 'single.py')
    run_tool('imp_train.py', single, '--work-dir', tmp_path / 'one')
    one = json.loads((tmp_path / 'one' / 'summary.json').read_text())['rounds']
    for key in ('kept', 'sparsity', 'network_sparsity', 'scope_size', 'parameters'):
        assert [r[key] for r in two] == [r[key] for r in one]
    assert [set(r['metrics']) for r in two] == [{'toy/mAP'}] * 3
    assert [r['steps'] for r in two] == [6, 6, 6] and [r['steps'] for r in one] == [12, 12, 12]
    for number in (1, 2):  # what each rank held in memory at the end of the round
        folder = tmp_path / 'two' / f'round_{number:02d}'
        ranks = [json.loads((folder / f'rank_{rank}.json').read_text()) for rank in (0, 1)]
        assert ranks[0] == ranks[1]
        masks = load_ticket(folder / 'ticket.safetensors').masks
        assert ranks[0]['pruned_nonzero'] == 0 and ranks[0]['zeros'] == sum(
            int((~m).sum()) for m in masks.values())


def test_two_ranks_go_on_after_a_finished_job(tmp_path):
    config = toys.write_config(tmp_path)
    assert launch(config, tmp_path / 'job').returncode == 0
    again = launch(config, tmp_path / 'job')
    assert again.returncode == 0, again.stderr
    assert 'mAP' in again.stdout
