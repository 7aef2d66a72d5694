# The paper's experiments on DigitScenes: tiny detectors, one seed unless a list says otherwise.
# Lists are tried value by value, tuples are one value. Equal jobs are trained once, dense nets are shared.
#   mmlth study run mmlth::studies/digit_scenes.py --workers 2
boxes = 'mmlth::digit_scenes/faster-rcnn_r18-tiny_fpn_digitscenes.py'
masks = 'mmlth::digit_scenes/mask-rcnn_r18-tiny_fpn_digitscenes.py'
keypoints = 'mmlth::digit_scenes/keypoint-rcnn_r18-tiny_fpn_digitscenes.py'

config = boxes
imp = dict(target_sparsity=0.8, rounds=1, rewind='init', seed=0)

experiments = dict(
    direct_pruning=dict(
        title='Direct pruning: boxes, masks, keypoints', section='After Girish et al., CVPR 2021', kind='curve',
        x_label='pruned (%)', reference='direct_pruning',
        jobs=[
            dict(config=boxes, target_sparsity=[0.5, 0.8, 0.9, 0.95], line='boxes', seed=[0, 1, 2]),
            dict(config=masks, target_sparsity=[0.5, 0.8, 0.9, 0.95], line='masks'),
            dict(config=keypoints, target_sparsity=[0.5, 0.8, 0.9, 0.95], line='keypoints')]))
