"""IMPConfig: the only reader of the ``imp = dict(...)`` block and of the command line's flags."""
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmlth.core.masks import density
from mmlth.core.ticket import load_ticket
from mmlth.core.training import Training
from mmlth.settings.checks import check_settings
from mmlth.settings.fields import SettingFields
from mmlth.settings.trainings import list_trainings

_NAMES_OR_LISTS = ('schedule', 'scope')
_LISTS = ('schedule', 'scope', 'include', 'exclude', 'controls', 'control_rounds', 'capture',
          'capture_states')


@dataclass(frozen=True, kw_only=True)
class IMPConfig(SettingFields):
    """Settings of one IMP job, checked at construction.

    ``IMPConfig.describe()`` lists every setting with its meaning and default.

    Raises:
        ValueError: A value outside what is allowed; names setting, value and what is allowed.
    """

    def __post_init__(self) -> None:
        for name in _LISTS:
            object.__setattr__(self, name, _as_tuple(name, getattr(self, name)))
        if isinstance(self.early_bird, Mapping):  # of a Config: its own kind of dict
            object.__setattr__(self, 'early_bird', dict(self.early_bird))
        try:
            check_settings(self)
        except (TypeError, AttributeError) as error:
            raise ValueError(f'imp = dict(...): {_of_wrong_types(self) or error}') from error

    def trainings(self) -> tuple[Training, ...]:
        """List every training of the job in order: dense, tickets, controls."""
        return list_trainings(self)

    @classmethod
    def from_dicts(
        cls, block: Mapping[str, Any], flags: Mapping[str, Any] | None = None,
    ) -> 'IMPConfig':
        """Build from the config's ``imp`` block; flags that are not None override it.

        Raises:
            ValueError: An unknown setting (lists the known ones) or a bad value.
        """
        flags = {k: v for k, v in (flags or {}).items() if v is not None}
        given = {**block, **flags}
        for name in _NAMES_OR_LISTS:
            if name in given:
                given[name] = _as_tuple(name, given[name])
        planned = [k for k in ('target_sparsity', 'rounds') if k in flags]
        if planned and not isinstance(given.get('schedule', ''), str):
            if 'schedule' in flags:
                raise ValueError(f'a list of sparsities says what {planned} would; give one or the '
                                 'other')
            given['schedule'] = 'geometric'
        if given.get('ticket'):
            given.update(_schedule_of(given['ticket'], flags))
        known = [f.name for f in dataclasses.fields(cls)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f'imp = dict(...) has unknown settings {unknown}; known are {known}')
        return cls(**given)

    @classmethod
    def from_config(
        cls, cfg: Mapping[str, Any], flags: Mapping[str, Any] | None = None,
    ) -> 'IMPConfig':
        """Read the ``imp`` block of a config; its seed is by default that of ``randomness``."""
        seed = cfg.get('randomness', {}).get('seed')
        block = {} if seed is None else dict(seed=seed)
        return cls.from_dicts({**block, **cfg.get('imp', {})}, flags)

    @classmethod
    def describe(cls) -> str:
        """List every setting: name, default, meaning."""
        return '\n'.join(f'  {f.name} (default {f.default!r}): {f.metadata["help"]}'
                         for f in dataclasses.fields(cls))

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON would hold them."""
        values = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _as_tuple(name: str, value: Any) -> Any:
    """Return a list setting as a tuple; those that may be one name are a text where it is one."""
    if isinstance(value, (str, int)) and name not in _NAMES_OR_LISTS:
        value = (value, )
    if not isinstance(value, (str, list, tuple)):
        raise ValueError(f'{name}={value!r} must be a text or a list')
    if name in _NAMES_OR_LISTS and len(value) == 1 and isinstance(value[0], str):
        return value[0]  # of a flag, or of a list of one
    return value if isinstance(value, str) else tuple(value)


def _of_wrong_types(settings: SettingFields) -> str:
    """Name the settings whose values, or values of values, are of other types than they may be."""
    wrong = []
    for f in dataclasses.fields(settings):
        value, allowed = getattr(settings, f.name), str(f.type)
        inner = value if isinstance(value, tuple) else (value, )
        nested = any(isinstance(each, (dict, list, tuple)) for each in inner)
        named = any(kind in allowed for kind in _kinds_of(value))
        if not named or (nested and 'Mapping' not in allowed):
            readable = allowed.removeprefix("<class '").removesuffix("'>")
            wrong.append(f'{f.name}={value!r} must be {readable}')
    return '; '.join(wrong)


def _kinds_of(value: Any) -> tuple[str, ...]:
    if isinstance(value, dict):
        return ('Mapping', )
    name = type(value).__name__.removesuffix('Type')  # NoneType
    return (name, 'float') if name == 'int' else (name, )


def _schedule_of(path: str, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schedule of a job that trains a given ticket: its sparsity."""
    planned = [k for k in ('target_sparsity', 'rounds', 'schedule', 'rewind') if k in flags]
    if planned:
        raise ValueError(f'ticket={path!r} says what {planned} would; leave {planned} out')
    if not isinstance(path, str):
        raise ValueError(f'ticket={path!r} must be the path of a file')
    sparsity = 1 - density(load_ticket(path).masks)
    if not sparsity:
        raise ValueError(f'ticket={path!r} prunes nothing; the dense net is trained by every job')
    return dict(schedule=(sparsity, ), rewind='init')
