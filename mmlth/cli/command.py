"""What all commands share: a line for an expected error, an exit code, options of a config."""
import argparse
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
STANDARD_LIBRARY = Path(sysconfig.get_path('stdlib')).resolve()
# What the commands that read a ticket take.
TICKET_HELP = ('a ticket.safetensors, the folder of its round, or a work dir, whose last finished '
               'round is taken')
CHECKPOINT_HELP = ('trained checkpoint (default: the one that the round ended with, or the newest '
                   'beside the ticket)')
Run = Callable[[argparse.Namespace], int | None]


class KeyValues(argparse.Action):
    """``KEY=VALUE ...``, as a dict; numbers become numbers."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        found = {}
        for text in values:
            key, equals, value = text.partition('=')
            if not equals:
                parser.error(f'{option} {text}: must be KEY=VALUE')
            found[key] = int(value) if value.isdigit() else value
        setattr(namespace, self.dest, found)


def parser_of(name: str, doc: str | None, examples: str = '') -> argparse.ArgumentParser:
    """Return the parser of ``mmlth NAME``, which prints its text as it was written."""
    return argparse.ArgumentParser(
        prog=f'mmlth {name}', description=doc, epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter)


def run_command(name: str, run: Run, args: argparse.Namespace) -> int:
    """Run a command; return its exit code.

    Errors that mmlth raises, or meets in the standard library, are a line on stderr and exit code
    1; those of other packages keep their traceback. Ctrl-C is exit code 130, also where another
    package made another error of it, as MMEngine does while it formats a config.
    """
    try:
        return run(args) or 0
    except (KeyboardInterrupt, ValueError, OSError, RuntimeError, SyntaxError) as error:
        if _is_interrupt(error):
            print('\nstopped; give the same command again to go on', file=sys.stderr)
            return 130
        if not _raised_by_mmlth(error):
            raise
        print(f'mmlth {name}: error: {error}', file=sys.stderr)
        return 1


def _is_interrupt(error: BaseException | None) -> bool:
    """Tell whether an error is Ctrl-C, or was raised while Ctrl-C was being handled."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _raised_by_mmlth(error: BaseException) -> bool:
    frames = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    outside = [path for path in frames if not _is_standard(path)]
    return PACKAGE in outside[-1].resolve().parents


def _is_standard(path: Path) -> bool:
    return path.name.startswith('<frozen') or (
        STANDARD_LIBRARY in path.resolve().parents and 'site-packages' not in path.parts)


class ConfigOptions(argparse.Action):
    """``--cfg-options KEY=VALUE ...`` as MMEngine's DictAction reads them, which loads torch."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        from mmengine.config import DictAction

        DictAction(self.option_strings, self.dest)(parser, namespace, values, option)


def add_config_options(group: Any, text: str = 'override settings of the config') -> None:
    """Give a parser or group the flag ``--cfg-options``."""
    group.add_argument(
        '--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE', help=text)


def add_launcher(group: Any) -> None:
    """Give a parser or group the flag ``--launcher``, and what torch adds to a command line."""
    group.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    group.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def run_launched(name: str, run: Run, args: argparse.Namespace) -> int:
    """Run a command that may be one of several processes of ``--launcher``; return its exit code.

    Refused where that launcher did not start it; what was joined is left at the end.
    """
    def joined(given: argparse.Namespace) -> int | None:
        from mmlth.engine.launch import check_launcher, stop_launcher

        os.environ.setdefault('LOCAL_RANK', str(given.local_rank))
        check_launcher(given.launcher)
        try:
            return run(given)
        finally:
            stop_launcher()

    return run_command(name, joined, args)
