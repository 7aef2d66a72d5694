"""An experiment whose package is missing doesn't stop the others."""
import pytest
import toys

from mmlth.engine.config_files import MissingPackageError, load_config
from mmlth.study.plan import read_study


@pytest.fixture
def study(tmp_path):
    """A study of an experiment that can run, and one whose config imports what isn't there."""
    toys.write_config(tmp_path)
    imports = dict(imports=['no_such_package'])
    toys.write_config(tmp_path, 'missing.py', custom_imports=imports)
    path = tmp_path / 'study.py'
    path.write_text("""
config = 'toy.py'
experiments = dict(
    works=dict(title='Works', section='1', kind='curve', jobs=[dict(rounds=1)]),
    misses=dict(title='Misses', section='1', kind='curve', jobs=[dict(config='missing.py')]))
""")
    return load_config(str(path))


def test_it_is_left_out_and_named(study):
    found = read_study(study)
    assert list(found.experiments) == list(found.points) == ['works']
    assert list(found.left_out) == ['misses']
    assert 'no_such_package' in found.left_out['misses']


def test_asked_for_by_name_it_is_an_error(study):
    with pytest.raises(MissingPackageError, match="experiment 'misses'.*no_such_package"):
        read_study(study, only=('misses', 'works'))


def test_a_study_that_can_run_nothing_is_an_error(study):
    del study.experiments['works']
    with pytest.raises(ValueError, match='no experiment can run.*no_such_package'):
        read_study(study)
