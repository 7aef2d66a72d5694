"""Run one job of a study in a process of its own: ``python -m mmlth.study.job JOB.json``."""
import argparse
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process

from mmlth.analysis.report import write_report
from mmlth.core.files import read_json
from mmlth.core.layout import Layout
from mmlth.core.checkpoints import latest_checkpoint
from mmlth.engine.settings import IMPConfig
from mmlth.engine.config_files import load_config, set_data_root
from mmlth.engine.launch import stop_launcher
from mmlth.engine.imp_runner import IMPRunner
from mmlth.study.jobs import check_transfer
from mmlth.transfer.tickets import rank_checkpoint, target_settings, transfer_ticket


def read_config(job: dict[str, Any]) -> Config:
    """Read the config of a job, with the overrides of job and study."""
    cfg = load_config(job['config'], job['cfg_options'])
    if job.get('data_root'):
        cfg = set_data_root(cfg, job['data_root'])
    return cfg


def carry_ticket(job: dict[str, Any], cfg: Config) -> None:
    """Write the ticket that the job trains, from its source's; do nothing if it is there already.

    Raises:
        ValueError, OSError: Nothing matches, or the source isn't there.
    """
    out, options = Path(job['ticket']), dict(job['transfer'])
    if out.exists():
        return
    # Scope and seed of the job, which it checks the ticket against, not those of the config alone.
    settings = target_settings(cfg, **{**job['settings'], 'scope': options.get('scope', job['settings']['scope'])})
    source = Layout(Path(job['source']))
    common = dict(choice=check_transfer(options), settings=settings, overwrite=True)  # of a carry that was cut off
    if 'sparsity' in options:
        rank_checkpoint(latest_checkpoint(source.round_dir(0)), cfg, out, sparsity=options['sparsity'], **common)
    else:
        last = max(int(path.name.rpartition('_')[2]) for path in source.work_dir.glob('round_[0-9]*'))
        transfer_ticket(source.ticket(last), cfg, out, values=options.get('values', 'initial'), **common)


def run(job: dict[str, Any], launcher: str) -> None:
    """Carry the job's ticket over if it has a source, then train what isn't trained yet."""
    cfg, settings = read_config(job), dict(job['settings'])
    runner_settings = dict(settings, dense_from=job['dense_from'], capture=job['capture'] or None)
    if job['source']:
        if int(os.environ.get('RANK', 0)) == 0:
            carry_ticket(job, cfg)
        runner_settings['ticket'] = _wait_for(job['ticket'])
    IMPRunner(cfg, IMPConfig.from_config(cfg, runner_settings), job['work_dir'], launcher=launcher).run()
    barrier()
    if is_main_process():
        print(write_report(job['work_dir']))


def _wait_for(path: str) -> str:
    """Return the path once rank 0 has written it; processes of a launcher haven't met yet."""
    while not Path(path).exists():
        time.sleep(0.5)
    return path


def _end_with(study: int) -> None:
    """End this process when the study's is gone, so that none is left behind by ``kill -9``."""
    while True:
        try:
            os.kill(study, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('job', help='file that the study wrote')
    parser.add_argument('--launcher', default='none', choices=['none', 'pytorch'])
    parser.add_argument('--study', type=int, required=True, help='process of the study, with which this one ends')
    args = parser.parse_args()
    threading.Thread(target=_end_with, args=(args.study, ), daemon=True).start()
    try:
        run(read_json(args.job), args.launcher)
    except (ValueError, OSError) as error:
        traceback.print_exc()
        print(f'error: {error}', file=sys.stderr)
        return 1
    finally:
        stop_launcher()
    return 0


if __name__ == '__main__':
    sys.exit(main())
