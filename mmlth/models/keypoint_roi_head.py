"""The RoI head of Keypoint R-CNN: MMDet's standard one plus a keypoint branch."""
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.models.task_modules.samplers import SamplingResult
from mmdet.models.utils import unpack_gt_instances
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.structures.bbox import bbox2roi, get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from mmlth.models.heatmaps import encode

Features = Sequence[Tensor]


@MODELS.register_module()
class KeypointRoIHead(StandardRoIHead):
    """Add keypoints to boxes (and masks, if there is a mask head).

    Training needs ``gt_instances.keypoints`` (N, K, 3) float, (x, y, v) in the input image's
    coordinates; predictions carry ``pred_instances.keypoints`` (N, K, 3) float, (x, y, score in
    [0, 1]).

    Source: Mask R-CNN (He et al., ICCV 2017), section 5; detectron2's Keypoint R-CNN.

    Args:
        keypoint_roi_extractor: Config of the RoI extractor, 14x14 in the paper.
        keypoint_head: Config of the head, :class:`KeypointRCNNHead`.
        kwargs: Those of MMDet's ``StandardRoIHead``.
    """

    def __init__(
        self,
        *,
        keypoint_roi_extractor: dict,
        keypoint_head: dict,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.keypoint_roi_extractor = MODELS.build(keypoint_roi_extractor)
        self.keypoint_head = MODELS.build(keypoint_head)

    def forward(
        self,
        x: Features,
        rpn_results_list: list[InstanceData],
        batch_data_samples: SampleList | None = None,
    ) -> tuple[Tensor, ...]:
        """Return raw outputs: those of ``StandardRoIHead``, then heatmaps of the first 100 RoIs."""
        boxes = [results.bboxes for results in rpn_results_list]
        rois = bbox2roi(boxes)[:100]
        outputs = super().forward(x, rpn_results_list, batch_data_samples)
        return (*outputs, self._heatmaps(x, rois))

    def loss(
        self,
        x: Features,
        rpn_results_list: list[InstanceData],
        batch_data_samples: SampleList,
    ) -> dict[str, Tensor]:
        """Return the losses of ``StandardRoIHead`` and ``loss_keypoint``.

        Raises:
            ValueError: The ground truth has no keypoints, or another number than the head.
        """
        gts, ignored, _ = unpack_gt_instances(batch_data_samples)
        self._check_keypoints(gts)
        samples = []
        for i, proposals in enumerate(rpn_results_list):
            features = [level[i:i + 1] for level in x]
            sample = self._sample(features, proposals, gts[i], ignored[i])
            samples.append(sample)
        boxes = self.bbox_loss(x, samples)
        losses = dict(boxes['loss_bbox'])
        if self.with_mask:
            masks = self.mask_loss(x, samples, boxes['bbox_feats'], gts)
            losses.update(masks['loss_mask'])
        losses['loss_keypoint'] = self.keypoint_loss(x, samples, gts)
        return losses

    def keypoint_loss(
        self,
        x: Features,
        samples: list[SamplingResult],
        gts: list[InstanceData],
    ) -> Tensor:
        """Return the loss over positive proposals that hold a labelled keypoint of their object."""
        rois = bbox2roi([sample.pos_priors for sample in samples])
        assigned = []
        for gt, sample in zip(gts, samples, strict=True):
            assigned.append(gt.keypoints[sample.pos_assigned_gt_inds])
        keypoints = torch.cat(assigned)
        _, valid = encode(keypoints, rois[:, 1:], 1)
        useful = valid.any(1)
        rois = rois[useful]
        heatmaps = self._heatmaps(x, rois)
        return self.keypoint_head.loss(heatmaps, keypoints[useful], rois[:, 1:])

    def predict(
        self,
        x: Features,
        rpn_results_list: list[InstanceData],
        batch_data_samples: SampleList,
        rescale: bool = False,
    ) -> list[InstanceData]:
        """Predict boxes, then the keypoints in each; see ``StandardRoIHead.predict``.

        Returns:
            Per image: bboxes, scores, labels (and masks) as MMDet has them, and ``keypoints``
            (N, K, 3) float, (x, y, score), zeros for classes without keypoints. In the original
            image's coordinates if ``rescale``.
        """
        results = super().predict(x, rpn_results_list, batch_data_samples, rescale=rescale)
        chosen = [self.keypoint_head.has_keypoints(r.labels) for r in results]
        scales = []
        boxes = []
        for result, sample, of_result in zip(results, batch_data_samples, chosen, strict=True):
            found = get_box_tensor(result.bboxes)
            scale = found.new_tensor(sample.scale_factor if rescale else (1, 1))
            in_input = found * scale.repeat(2)
            scales.append(scale)
            boxes.append(in_input[of_result])
        rois = bbox2roi(boxes)
        keypoints = self.keypoint_head.predict(self._heatmaps(x, rois), rois[:, 1:])
        per_image = keypoints.split([len(b) for b in boxes])
        for result, scale, of_result, points in zip(
            results, scales, chosen, per_image, strict=True
        ):
            in_output = torch.cat([points[..., :2] / scale, points[..., 2:]], dim=-1)
            result.keypoints = points.new_zeros((len(result), *points.shape[1:]))
            result.keypoints[of_result] = in_output
        return results

    def _heatmaps(self, x: Features, rois: Tensor) -> Tensor:
        levels = x[:self.keypoint_roi_extractor.num_inputs]
        features = self.keypoint_roi_extractor(levels, rois)
        return self.keypoint_head(features)

    def _sample(
        self,
        features: list[Tensor],
        proposals: InstanceData,
        gt: InstanceData,
        ignored: InstanceData,
    ) -> SamplingResult:
        proposals.priors = proposals.pop('bboxes')
        assigned = self.bbox_assigner.assign(proposals, gt, ignored)
        return self.bbox_sampler.sample(assigned, proposals, gt, feats=features)

    def _check_keypoints(self, gts: list[InstanceData]) -> None:
        wanted = self.keypoint_head.num_keypoints
        for gt in gts:
            if 'keypoints' not in gt:
                raise ValueError(
                    'the ground truth has no keypoints: the training pipeline needs '
                    'LoadKeypointAnnotations and PackKeypointInputs'
                )
            shape = tuple(gt.keypoints.shape)
            if shape[1:] != (wanted, 3):
                raise ValueError(
                    f'ground-truth keypoints have shape {shape}, but the head predicts '
                    f"(N, {wanted}, 3): set keypoint_head.num_keypoints to the data set's"
                )
