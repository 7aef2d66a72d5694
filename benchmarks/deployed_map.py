#!/usr/bin/env python
"""mAP of trained tickets and of what they are deployed to, by MMDet's own tools/test.py.

For every task: one round is pruned to 80% on DigitScenes, trained for a short time, exported as a
plain checkpoint and deployed; MMDet's tools/test.py evaluates both on all validation images. Ends
with exit code 1 where a metric differs by more than 1e-4. What lies in --out already isn't trained
again.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TASKS = ('faster-rcnn', 'mask-rcnn', 'keypoint-rcnn')
MOST = 1e-4  # that a metric may differ by
HOOK = 'default_hooks.deployed.type=mmlth.DeployedHook'


def run(folder: Path, *command: object) -> None:
    """Run a Python program from a folder; its output goes to log.txt there."""
    path = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    with open(folder / 'log.txt', 'a') as log:
        subprocess.run([sys.executable, *map(str, command)], check=True, cwd=folder, stdout=log,
                       stderr=subprocess.STDOUT, env={**os.environ, 'PYTHONPATH': path})


def find_ticket(folder: Path, config: Path, epochs: int) -> str:
    """Train the dense net and one ticket; return the work directory in the folder."""
    work_dir = f'job_{config.stem}'
    schedule = [f'train_cfg.max_epochs={epochs}', f'train_cfg.val_interval={epochs}',
                f'param_scheduler.1.end={epochs}', f'param_scheduler.1.T_max={epochs}']
    run(folder, '-m', 'mmlth', 'train', config, '--work-dir', work_dir, '--target-sparsity', 0.8,
        '--rounds', 1, '--cfg-options', *schedule)
    return work_dir


def evaluate(folder: Path, config: Path, checkpoint: str, *options: str) -> dict[str, float]:
    """Return the metrics of MMDet's tools/test.py."""
    import mmdet

    tool = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'test.py'
    logs = f'test_{checkpoint}'
    run(folder, tool, config, checkpoint, '--work-dir', logs,
        *(('--cfg-options', *options) if options else ()))
    newest = max((folder / logs).glob('*/*.json'), key=lambda path: path.stat().st_mtime)
    found = json.loads(newest.read_text())
    return {name: value for name, value in found.items() if name.startswith('coco/')}


def compare(folder: Path, task: str, epochs: int) -> float:
    """Print every mAP of a task twice; return the largest difference of all its metrics."""
    config = ROOT / 'configs' / 'digit_scenes' / f'{task}_r18-tiny_fpn_digitscenes.py'
    job = find_ticket(folder, config, epochs)
    plain, deployed = f'{task}.pth', f'{task}_deployed'
    run(folder, '-m', 'mmlth', 'export', job, plain, '--overwrite')
    run(folder, '-m', 'mmlth', 'deploy', job, '--out', deployed, '--overwrite')
    expected = evaluate(folder, config, plain)
    found = evaluate(folder, config, deployed, HOOK)
    for name, value in expected.items():
        if name.endswith('mAP'):
            print(f'{task:<14} {name:<20} {value:>10.6f} {found[name]:>10.6f}', flush=True)
    return max(abs(found[name] - value) for name, value in expected.items())


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', default='work_dirs/deployed_map', metavar='DIR')
    parser.add_argument('--tasks', nargs='+', choices=TASKS, default=TASKS)
    parser.add_argument('--train', type=int, default=500, help='images (default: %(default)s)')
    parser.add_argument('--val', type=int, default=200, help='images (default: %(default)s)')
    parser.add_argument('--epochs', type=int, default=3, help='(default: %(default)s)')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    folder = Path(args.out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    run(folder, '-m', 'mmlth', 'digit-scenes', '--train', args.train, '--val', args.val)
    print(f'{"task":<14} {"metric":<20} {"checkpoint":>10} {"deployed":>10}')
    largest = max(compare(folder, task, args.epochs) for task in args.tasks)
    print(f'largest difference of all metrics: {largest:.1e}')
    return 0 if largest <= MOST else 1


if __name__ == '__main__':
    sys.exit(main())
