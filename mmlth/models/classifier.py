"""An image classifier over any backbone of MMDetection, for tickets that a detector takes over."""
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import METRICS, MODELS
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.nn import functional as F

_PROBE = (1, 3, 64, 64)  # an image to learn a backbone's channels from
_MODES = ('tensor', 'loss', 'predict')


@MODELS.register_module()
class ImageClassifier(BaseModel):
    """Classify images: backbone, average over the last feature map, one linear layer.

    Parameters of the backbone are named ``backbone.*`` as in the detectors, so that its ticket
    fits theirs; the linear layer is ``head.fc``.

    Args:
        backbone: Config of a backbone in MMDetection's registry.
        num_classes: Number of classes, at least 2.
        data_preprocessor: Config; it must stack the images, as MMEngine's ``ImgDataPreprocessor``
            does.
        init_cfg: Initialisation, as of any MMEngine model.

    Raises:
        ValueError: ``num_classes`` below 2.
    """

    def __init__(
        self,
        backbone: dict,
        num_classes: int,
        data_preprocessor: dict | None = None,
        init_cfg: Any = None,
    ) -> None:
        if num_classes < 2:
            raise ValueError(f'num_classes={num_classes} must be at least 2')
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        channels = _channels(self.backbone)
        self.head = nn.ModuleDict()
        self.head['fc'] = nn.Linear(channels, num_classes)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[BaseDataElement] | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """Run the network.

        Args:
            inputs: (N, 3, H, W) float.
            data_samples: N samples; ``gt_label`` is needed in the mode 'loss'.
            mode: 'tensor', 'loss' or 'predict'.

        Returns:
            'tensor': logits (N, C). 'loss': cross-entropy, and the share of right answers in
            [0, 1]. 'predict': the samples with ``pred_label`` (int) and ``pred_scores`` (C,),
            which sum to 1.

        Raises:
            ValueError: Unknown mode.
        """
        if mode not in _MODES:
            raise ValueError(f'mode={mode!r}: allowed are {", ".join(_MODES)}')
        features = self.backbone(inputs)[-1]
        means = features.mean((2, 3))
        logits = self.head['fc'](means)
        if mode == 'tensor':
            return logits
        if mode == 'loss':
            return _losses(logits, data_samples or ())
        samples = data_samples or [BaseDataElement() for _ in logits]
        return _predictions(logits, samples)


def _losses(logits: Tensor, samples: Sequence[BaseDataElement]) -> dict[str, Tensor]:
    known = [sample.gt_label for sample in samples]
    labels = torch.tensor(known, device=logits.device)
    right = logits.argmax(1) == labels
    loss = F.cross_entropy(logits, labels)
    return dict(loss=loss, accuracy=right.float().mean())


def _predictions(
    logits: Tensor,
    samples: Sequence[BaseDataElement],
) -> list[BaseDataElement]:
    for sample, scores in zip(samples, logits.softmax(1), strict=True):
        sample.pred_scores = scores
        sample.pred_label = int(scores.argmax())
    return list(samples)


def _channels(backbone: nn.Module) -> int:
    """Return the channels of a backbone's last feature map."""
    backbone.eval()
    with torch.no_grad():
        maps = backbone(torch.zeros(_PROBE))
    backbone.train()
    return maps[-1].shape[1]


@METRICS.register_module()
class TopOneAccuracy(BaseMetric):
    """Share of images whose highest score is that of their class: ``accuracy/top1``, in [0, 1]."""

    default_prefix = 'accuracy'

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Note which labels of a batch are right."""
        for sample in data_samples:
            right = sample['pred_label'] == sample['gt_label']
            self.results.append(right)

    def compute_metrics(self, results: list[bool]) -> dict[str, float]:
        """Return the share of right labels."""
        return dict(top1=sum(results) / len(results))
