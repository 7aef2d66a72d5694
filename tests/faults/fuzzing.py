"""Files for readers: whole ones that are spoilt, and values that hypothesis makes up."""
import json
import random
import resource
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
import toys
from hypothesis import HealthCheck, Phase, given, seed as with_seed, settings, strategies as st
from stand_ins import write_study
from ticket_files import TICKET, WEIGHTS, write

from mmlth.core import checkpoints, ticket
from mmlth.core.records import RoundRecord, Summary, load_round, load_summary, save
from mmlth.core.work_dir import WorkDir
from mmlth.engine.config_files import load_config
from mmlth.settings.imp_config import IMPConfig
from mmlth.study.plan import read_study

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner,
                                                                max_size=4),
    max_leaves=12)
RECORD = RoundRecord(
    round=1, sparsity=0.5, network_sparsity=0.4, kept=5, scope_size=10, parameters=12,
    metrics=dict(mAP=0.1), seconds=1.5, steps=3, ticket='t', checkpoint='c',
    layer_density=dict(w=0.5), policies=dict(rewind='init'), digests=dict(masks='ab'))
SUMMARY = Summary(config='c.py', settings=dict(rounds=1), rounds=[vars(RECORD)])
HEADER = dict(shapes={'a.weight': [2, 2]}, masks_digest='', rewind_file='r', rewind_digest='d',
              provenance={})


@dataclass
class Found:
    """What became of the inputs of one reader."""

    name: str
    inputs: int = 0
    read: int = 0
    refused: int = 0
    others: list = field(default_factory=list)
    seconds: float = 0.0
    mebibytes: int = 0

    def note(self, function, named=''):
        """Call a reader; a documented error is ValueError or OSError and names the file."""
        start = time.perf_counter()
        self.inputs += 1
        try:
            function()
            self.read += 1
        except (ValueError, OSError) as error:
            self.refused += 1
            if named not in str(error):
                self.others.append(f'names no file: {error}'[:200])
        except Exception as error:
            self.others.append(f'{type(error).__name__}: {error}'[:200])
        self.seconds = max(self.seconds, time.perf_counter() - start)


def spoilt(data, rng):
    """Return the bytes with some of them flipped, cut out, repeated, swapped or lost."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        i, j = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        kind = rng.randrange(5)
        if kind == 0 and i < len(data):
            data[i] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[i:j]
        elif kind == 2:
            data[i:i] = data[i:min(j, i + 64)]
        elif kind == 3:
            data[i:i + 8] = rng.randbytes(8)
        elif kind == 4:
            del data[i:]
        data = data or bytearray(b'\0')
    return bytes(data)


def _spoil(make, read, name='file'):
    """Fuzz a reader of files with spoilt copies of a whole one."""
    def run(found, folder, count, rng):
        whole, path = folder / 'whole', folder / name
        make(whole)
        data = whole.read_bytes()
        for _ in range(count):
            path.write_bytes(spoilt(data, rng))
            found.note(lambda: read(path), path.name)
    return run


def _make_up(strategy, read):
    """Fuzz a reader with values of hypothesis; ``read`` gets a value and a folder."""
    def run(found, folder, count, rng):
        @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        @with_seed(rng.randrange(2**32))
        @given(strategy)
        def each(value):
            if found.inputs < count:
                found.note(lambda: read(value, folder))
        each()
        while found.inputs < count:  # hypothesis ends where it finds nothing new
            found.note(lambda: read(strategy.example(), folder))
    return run


def _changed(values):
    """Return a strategy: a dict with some of its values replaced, or one more key."""
    pairs = st.dictionaries(st.sampled_from([*values, 'unknown']), JSON, min_size=1, max_size=3)
    return pairs.map(lambda new: {**values, **new})


def _read_json_as(load):
    def read(value, folder):
        path = folder / 'imp.json'
        path.write_text(json.dumps(value))
        load(path)
    return read


def _read_header(value, folder):
    write(folder / 'ticket', header=json.dumps(value))
    ticket.load_ticket(folder / 'ticket')


def _has_a_literal(value):
    """Tell whether Python can read back what repr says: nan and inf are names there."""
    return 'nan' not in repr(value) and 'inf' not in repr(value)


def _read_study(value, folder):
    config = folder / 'toy.py'
    if not config.exists():
        toys.write_config(folder)
    study = write_study(folder / 'study.py', config, dict(one=value))
    read_study(load_config(str(study)))


def _checkpoint(path):
    content = dict(meta=dict(iter=3, seed=0), state_dict={'w': torch.arange(6.).reshape(2, 3)},
                   optimizer=dict(state={}, param_groups=[dict(lr=0.1)]))
    torch.save(content, path)


def _job(path):
    WorkDir(path.parent).job()


SETTINGS = IMPConfig().as_dict()
EXPERIMENT = dict(title='T', section='1', kind='curve', x='rounds', jobs=[dict(rounds=1)])
READERS = {
    'ticket, bytes': _spoil(lambda p: ticket.save_ticket(TICKET, p), ticket.load_ticket),
    'ticket, header': _make_up(_changed(HEADER) | JSON, _read_header),
    'weights, bytes': _spoil(lambda p: ticket.save_weights(WEIGHTS, p, step=1),
                             ticket.load_weights),
    'checkpoint, bytes': _spoil(_checkpoint, checkpoints.load_state, 'epoch_1.pth'),
    'record, bytes': _spoil(lambda p: save(RECORD, p), load_round),
    'record, values': _make_up(_changed(vars(RECORD)) | JSON, _read_json_as(load_round)),
    'summary, values': _make_up(_changed(vars(SUMMARY)) | JSON, _read_json_as(load_summary)),
    'imp.json, values': _make_up(
        _changed(dict(version=2, identity={}, settings={})) | JSON, _read_json_as(_job)),
    'settings': _make_up(_changed(SETTINGS), lambda value, _: IMPConfig.from_dicts(value)),
    'study': _make_up(_changed(EXPERIMENT).filter(_has_a_literal), _read_study),
}


def fuzz(name, count, seed=0):
    """Give a reader so many inputs; returns what became of them."""
    found = Found(name)
    with tempfile.TemporaryDirectory() as folder:
        READERS[name](found, Path(folder), count, random.Random(f'{seed} {name}'))
    found.mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return found
