import pytest

from mmlth.versions import SUPPORTED, check_versions, installed_versions


@pytest.mark.parametrize(
    'found',
    [
        dict(torch='2.13.0+cpu', mmengine='0.10.12', mmcv='2.3.6', mmdet='3.5.1'),
        dict(torch='2.13.0', mmengine='0.10.7', mmcv='2.1.0', mmdet='3.3.0'),
        dict(torch='2.1.2+cu121', mmengine='0.10.7', mmcv='2.1.0', mmdet='3.3.0'),
    ],
)
def test_both_distributions_of_the_stack_are_fine(found):
    check_versions(found)


@pytest.mark.parametrize(
    'module, version',
    [
        ('torch', '1.13.1'),
        ('mmengine', '0.9.0'),
        ('mmcv', '1.7.2'),
        ('mmdet', '2.28.0'),
        ('mmdet', '4.0.0'),
    ],
)
def test_versions_that_do_not_work_are_named_with_those_that_do(module, version):
    with pytest.raises(
        ImportError, match=f'needs {module} .*{version} is installed. Known to work: torch'
    ):
        check_versions({module: version})


def test_what_is_installed_here_is_looked_at():
    assert set(installed_versions()) == set(SUPPORTED)
