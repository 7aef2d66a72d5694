"""Packaging of mmlth: ``pip install .``"""
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """Return ``__version__`` without importing the package."""
    scope: dict[str, str] = {}
    exec((ROOT / 'mmlth' / 'version.py').read_text(encoding='utf-8'), scope)
    return scope['__version__']


def read_readme() -> str:
    """Return the README, or nothing in a tree that has none."""
    readme = ROOT / 'README.md'
    return readme.read_text(encoding='utf-8') if readme.is_file() else ''


setup(
    name='mmlth',
    version=read_version(),
    description='Lottery tickets for MMDetection: iterative magnitude '
    'pruning with rewinding, as MMEngine hooks',
    long_description=read_readme(),
    long_description_content_type='text/markdown',
    packages=find_packages(include=['mmlth', 'mmlth.*']),
    package_data={'mmlth.analysis': ['paper_numbers/*.csv']},
    python_requires='>=3.10,<3.13',
    # MMEngine, MMCV and MMDetection come under two families of names, which
    # can't be told to pip as one requirement: choose one of the extras.
    install_requires=[
        'torch>=2.6',
        'numpy',
        'safetensors',
        'pycocotools',
        'matplotlib',
    ],
    extras_require={
        'openmmlab': [
            'mmengine>=0.10.7,<1.0.0',
            'mmcv>=2.1.0,<2.2.0',
            'mmdet>=3.3.0,<4.0.0',
        ],
        'onedl': [
            'onedl-mmengine>=0.10.12,<1.0.0',
            'onedl-mmcv>=2.3.6,<3.0.0',
            'onedl-mmdetection>=3.5.1,<4.0.0',
        ],
        # Upstream's mmpretrain>=1.2 provides the same module. Both import torchvision.
        'imagenet': ['onedl-mmpretrain>=1.3.6,<2.0.0', 'torchvision'],
        'tensorboard': ['tensorboard'],
        'digits': ['scikit-learn'],
        'tests': ['pytest', 'scikit-learn', 'tensorboard'],
        'dev': ['pytest>=8', 'ruff>=0.15', 'mypy>=1.18'],
    },
    zip_safe=False,
)
