"""Command-line flags of the settings, made from their own metadata."""
import argparse
import dataclasses
from typing import Any

from mmlth.settings.fields import SettingFields


def add_flags(parser: Any, names: tuple[str, ...] | None = None) -> None:
    """Give an argparse parser (or group) a flag for every setting that has one.

    Args:
        parser: ArgumentParser or argument group.
        names: Settings that get a flag; None: all that can be given in words.
    """
    for each in dataclasses.fields(SettingFields):
        flag = each.metadata['flag']
        if flag is None or (names is not None and each.name not in names):
            continue
        text = f'{each.metadata["help"]} (default: {_shown(each.default)})'
        parser.add_argument(f'--{each.name.replace("_", "-")}', dest=each.name,
                            help=text.replace('%', '%%'), **flag)


def read_flags(args: argparse.Namespace) -> dict[str, Any]:
    """Return setting -> value of every flag that was given."""
    names = {each.name for each in dataclasses.fields(SettingFields)}
    return {name: value for name, value in vars(args).items()
            if name in names and value is not None}


def _shown(default: Any) -> str:
    if default == () or default is None:
        return 'none'
    return str(default)
