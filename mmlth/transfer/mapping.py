"""Which tensors may be carried, and under which names."""
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmlth.core.scope import check_scope
from mmlth.transfer.choices import LEFT_OUT


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which tensors may be carried, and under which names.

    Attributes:
        values: Whether the source's values are carried too, or its masks alone.
        prefixes: Starts of the target's names that may be carried; empty allows all.
        groups: Groups of :data:`mmlth.core.roles.GROUPS` that may be carried; empty allows all.
        leave_out: Groups that may not.
        rename: (regular expression, replacement) pairs, applied in order to the source's names.

    Raises:
        ValueError: An unknown group, or what is no regular expression.
    """

    values: bool = True
    prefixes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = LEFT_OUT
    rename: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_scope(self.groups)
        check_scope(self.leave_out)
        for pattern, new in self.rename:
            try:
                re.sub(pattern, new, '')
            except (re.error, IndexError) as error:
                raise ValueError(f'rename {pattern!r}={new!r} is no regular expression with its '
                                 f'replacement: {error}') from error

    def forbids(self, names: Sequence[str], group: str) -> str:
        """Return why a tensor of the target may not be carried, or ''.

        Args:
            names: All its names; one that may be carried is enough.
            group: Its group.

        >>> Choice(prefixes=('neck.', )).forbids(['backbone.conv1.weight'], 'backbone')
        'not below neck.'
        """
        if group in self.leave_out:
            return f'group {group} is left out'
        if self.groups and group not in self.groups:
            return f'group {group} was not chosen'
        if self.prefixes and not any(name.startswith(self.prefixes) for name in names):
            return f'not below {" or ".join(self.prefixes)}'
        return ''

    def check_prefixes(self, names: Iterable[str]) -> None:
        """Raise ValueError for a prefix that starts none of the target's names."""
        known = list(names)
        for prefix in self.prefixes:
            if not any(name.startswith(prefix) for name in known):
                tops = sorted({name.split('.')[0] + '.' for name in known})
                raise ValueError(f'prefix {prefix!r} starts no tensor of the target, whose first '
                                 f'parts are {tops}')


def renamed(names: Iterable[str], rename: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return new name -> old name, after (regular expression, replacement) pairs in order.

    Raises:
        ValueError: Two tensors would get one name.

    >>> renamed(['encoder.conv1.weight'], [('^encoder', 'backbone')])
    {'backbone.conv1.weight': 'encoder.conv1.weight'}
    """
    origin: dict[str, str] = {}
    for name in names:
        new = name
        for pattern, replacement in rename:
            new = re.sub(pattern, replacement, new)
        if new in origin:
            raise ValueError(f'rename gives {origin[new]!r} and {name!r} one name, {new!r}; make '
                             'its patterns more exact')
        origin[new] = name
    return origin
