"""The command ``mmlth``: choose a subcommand, load it, run it."""
import difflib
import sys
from importlib import import_module

from mmlth.version import __version__

# subcommand -> its module, and what it does
COMMANDS = {
    'train': ('train', 'find winning tickets: train, prune, rewind, repeat'),
    'dry-run': ('train', 'show what `train` would prune, without data'),
    'inspect': ('inspect', 'show what is in a ticket'),
    'test': ('test', "evaluate a ticket's trained checkpoint"),
    'export': ('export', 'write a ticket as a plain .pth'),
    'deploy': ('deploy', 'write a detector that skips zeros on this CPU'),
    'transfer': ('transfer', 'carry a ticket to another model'),
    'study': ('study', 'run a grid of jobs, with tables and figures'),
    'overlap': ('overlap', 'compare masks and signs of several tickets'),
    'barrier': ('barrier', 'error barrier between two trained nets'),
    'analyse': ('analyse', 'ask what pruning changed, from records and dumped predictions'),
    'plot': ('plot', "draw the figures of a job's summary"),
    'digit-scenes': ('digit_scenes', 'write DigitScenes, the embedded data set'),
    'network-sparsity': ('network_sparsity', 'what a sparsity is of the whole network'),
}


def usage() -> str:
    """Return the list of subcommands."""
    lines = [f'  {name:<18}{text}' for name, (_, text) in COMMANDS.items()]
    return '\n'.join([
        'usage: mmlth COMMAND [arguments]', '',
        'Winning lottery tickets in MMDetection detectors.', '', *lines, '',
        'mmlth COMMAND --help says more; mmlth --version prints the version.'])


def main(argv: list[str] | None = None) -> int:
    """Run the subcommand that the first argument names; return its exit code."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ['--help']
    if name in ('-h', '--help'):
        print(usage())
        return 0
    if name == '--version':
        print(f'mmlth {__version__}')
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f'; did you mean {near[0]}?' if near else ''
        print(f'mmlth: error: there is no command {name!r}{hint}\n\n{usage()}', file=sys.stderr)
        return 2
    module = import_module(f'mmlth.cli.{COMMANDS[name][0]}')
    code: int = module.main([*rest, '--dry-run'] if name == 'dry-run' else rest)
    return code
