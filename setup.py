"""Packaging of mmlth: ``pip install .``

A wheel holds ``mmlth/.mim/{tools,configs}`` as those of MMDetection do, so that ``mim`` and
``mmlth::...`` find them where there is no checkout. An editable install links to the checkout's.
"""
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MIM = ('tools', 'configs')
INDEX = 'Import: []\n'  # MMEngine looks for published models here before it looks for configs


class BuildWithTools(build_py):
    """Put tools and configs beside the modules that are built."""

    def run(self) -> None:
        super().run()
        parent = ROOT if self.editable_mode else Path(self.build_lib)
        target = parent / 'mmlth' / '.mim'
        target.mkdir(parents=True, exist_ok=True)
        (target / 'model-index.yml').write_text(INDEX)
        for name in MIM:
            if not self.editable_mode:
                shutil.copytree(ROOT / name, target / name, dirs_exist_ok=True,
                                ignore=shutil.ignore_patterns('__pycache__'))
            elif not (target / name).exists():
                (target / name).symlink_to(Path('..', '..', name))


def read_version() -> str:
    """Return ``__version__`` without importing the package."""
    scope: dict[str, str] = {}
    exec((ROOT / 'mmlth' / 'version.py').read_text(encoding='utf-8'), scope)
    return scope['__version__']


setup(
    name='mmlth',
    version=read_version(),
    description='Lottery tickets for MMDetection: iterative magnitude '
    'pruning with rewinding, as MMEngine hooks',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='The mmlth authors',
    license='Apache License 2.0',
    keywords='lottery ticket hypothesis, pruning, sparsity, object detection, MMDetection',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'License :: OSI Approved :: Apache Software License',
        'Operating System :: POSIX',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    packages=find_packages(include=['mmlth', 'mmlth.*']),
    package_data={'mmlth.analysis': ['paper_numbers/*.csv'], 'mmlth.deploy': ['*.cpp'],
                  'mmlth.html_report': ['page.html', 'page.css', 'page.js']},
    cmdclass=dict(build_py=BuildWithTools),
    entry_points=dict(console_scripts=['mmlth = mmlth.cli.main:main']),
    python_requires='>=3.10,<3.13',
    # MMEngine, MMCV and MMDetection come under two families of names, which
    # can't be told to pip as one requirement: choose one of the extras.
    install_requires=[
        'torch>=2.1',
        'numpy',
        'safetensors',
        'pycocotools',
        'matplotlib',
        'scipy',
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
        'errors': ['tidecv>=1.0.1'],
        'slurm': ['submitit>=1.5'],
        'ray': ['ray>=2.9'],
        # Rivals of benchmarks/deploy_engines.py.
        'engines': ['onnx', 'onnxscript', 'onnxruntime>=1.20', 'openvino>=2025.0'],
        'report': ['altair>=5.5.0', 'vl-convert-python>=1.9.0', 'pillow'],
        'docs': ['mkdocs-material>=9.5', 'mkdocstrings>=1.0', 'mkdocstrings-python>=2.0',
                 'nbconvert>=7.16', 'nbclient>=0.10', 'ipykernel>=6.29'],
        'tests': ['pytest', 'pytest-xdist', 'hypothesis', 'scikit-learn', 'tensorboard', 'tidecv',
                  'altair', 'vl-convert-python', 'playwright'],
        'dev': ['pytest>=8', 'pytest-xdist', 'ruff>=0.15', 'mypy>=1.18'],
    },
    zip_safe=False,
)
