# The experiments of Girish et al., CVPR 2021, with their settings. Those that name no config run on any detector:
#   mmlth study plan mmlth::studies/paper.py --config my_config.py --only late_resetting rounds
# Lists are tried value by value, tuples are one value. Equal jobs are trained once, dense nets are shared.
boxes = ['mmlth::faster_rcnn/faster-rcnn_r18_fpn_1x_coco.py', 'mmlth::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py']
masks = ['mmlth::mask_rcnn/mask-rcnn_r18_fpn_1x_coco.py', 'mmlth::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py']
keypoints = ['mmlth::keypoint_rcnn/keypoint-rcnn_r18_fpn_1x_coco.py',
             'mmlth::keypoint_rcnn/keypoint-rcnn_r50_fpn_1x_coco.py']
classifier = 'mmlth::imagenet/resnet18_imagenet.py'

config = 'mmlth::faster_rcnn/faster-rcnn_r18_c4_1x_voc07.py'
# Modules of a C4 detector, as include patterns: shortcuts and the first convolution stay out, as in the paper.
base, top, rpn, heads = (r'^backbone\.layer\d\.\d\.conv', r'^roi_head\.shared_head\.layer\d\.\d\.conv', r'^rpn_head\.',
                         r'^roi_head\.bbox_head\.')
imp = dict(target_sparsity=0.8, rounds=1)
seeds = [0, 1, 2, 3, 4]
grid = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]

experiments = dict(
    direct_pruning=dict(
        title='Direct pruning', section='After Girish et al., CVPR 2021', kind='curve', x_label='pruned (%)',
        jobs=[dict(target_sparsity=grid)]),
    direct_pruning_coco=dict(
        title='Direct pruning: boxes, masks, keypoints', section='After Girish et al., CVPR 2021', kind='curve',
        x_label='pruned (%)', reference='direct_pruning',
        jobs=[dict(config=boxes, target_sparsity=grid), dict(config=masks, target_sparsity=grid),
              dict(config=keypoints, target_sparsity=grid)]),
    controls=dict(
        title='Controls of the ticket', section='Not in the paper', kind='bars',
        jobs=[dict(target_sparsity=[0.8, 0.9], label='ticket', line='{target_sparsity:.0%}',
                   controls=('random', 'shuffle', 'reinit', 'dense_budget', 'reverse'))]),
    rounds=dict(
        title='Number of pruning rounds',
        section='After Girish et al., CVPR 2021', kind='curve', x='rounds', x_label='rounds',
        reference='effect_of_rounds', jobs=[dict(rounds=[1, 2, 3, 4, 5, 6], seed=seeds)]),
    late_resetting=dict(
        title='Late resetting', section='After Girish et al., CVPR 2021', kind='curve', x='rewind',
        x_label='reset to the weights after (% of training)', reference='late_reset',
        jobs=[dict(rewind=['init', '3%', '6%', '16%', '26%', '36%', '46%', '56%', '66%', '76%', '86%', '96%'],
                   seed=seeds)]),
    allocation=dict(
        title='Layerwise and global pruning',
        section='After Girish et al., CVPR 2021', kind='curve', x_label='pruned (%)',
        reference='layerwise_vs_global',
        jobs=[dict(allocation=['global', 'layerwise'], target_sparsity=[*grid, 0.95], line='{allocation}',
                   seed=seeds)]),
    layers=dict(
        title='Pruned share of each layer', section='After Girish et al., CVPR 2021', kind='layers',
        reference='prune_percent_across_layers',
        jobs=[dict(target_sparsity=[0.5, 0.8, 0.9, 0.95], line='{target_sparsity:.0%}')]),
    early_bird=dict(
        title='Early-bird masks', section='After Girish et al., CVPR 2021', kind='curve', x='early_bird',
        x_label='pruned after (% of training)', reference='early_bird',
        jobs=[dict(early_bird=dict(fraction=[0.06, 0.16, 0.26, 0.36, 0.46, 0.56, 0.66, 0.76, 0.86, 0.96]), seed=seeds),
              dict(seed=seeds)]),
    backbones=dict(
        title='Two backbones', section='After Girish et al., CVPR 2021', kind='curve', y='change', x_label='pruned (%)',
        reference='backbone_effect', jobs=[dict(config=boxes, target_sparsity=grid)]),
    modules=dict(
        title='Which modules are pruned',
        section='After Girish et al., CVPR 2021, Table 3', kind='bars', reference='modules_voc',
        jobs=[
            dict(scope=(), include=(base, top, rpn, heads), label='all', seed=seeds),
            dict(scope=(), include=(top, rpn, heads), label='all but base', seed=seeds),
            dict(scope=(), include=(base, rpn, heads), label='all but top', seed=seeds),
            dict(scope=(), include=(base, top, heads), label='all but RPN', seed=seeds),
            dict(scope=(), include=(base, top, rpn), label='all but heads', seed=seeds),
            dict(scope=(), include=(base, top), label='base and top', seed=seeds),
            dict(scope=(), include=(base, rpn), label='base and RPN', seed=seeds),
            dict(scope=(), include=(base, heads), label='base and heads', seed=seeds),
            dict(scope=(), include=(top, rpn), label='top and RPN', seed=seeds),
            dict(scope=(), include=(top, heads), label='top and heads', seed=seeds),
            dict(scope=(), include=(rpn, heads), label='RPN and heads', seed=seeds),
            dict(scope=(), include=(base, ), label='base alone', seed=seeds),
            dict(scope=(), include=(top, ), label='top alone', seed=seeds),
            dict(scope=(), include=(rpn, ), label='RPN alone', seed=seeds),
            dict(scope=(), include=(heads, ), label='heads alone', seed=seeds)]),
    task_transfer=dict(
        title='Tickets of another task',
        section='After Girish et al., CVPR 2021', kind='bars', reference='task_transfer',
        jobs=[
            dict(config=masks[0], label='own ticket', line='masks'),
            dict(config=masks[0], label='ticket of keypoints', line='masks',
                 transfer=dict(source=dict(config=keypoints[0]))),
            dict(config=keypoints[0], label='own ticket', line='keypoints'),
            dict(config=keypoints[0], label='ticket of masks', line='keypoints',
                 transfer=dict(source=dict(config=masks[0])))]),
    imagenet_transfer=dict(
        title='ImageNet tickets',
        section='After Girish et al., CVPR 2021, and its supplement A', kind='curve',
        x_label='pruned in the backbone (%)',
        reference='imagenet_transfer',
        jobs=[
            dict(config=[boxes[0], masks[0], keypoints[0]], scope='backbone', line='ticket, values and mask',
                 transfer=dict(source=dict(config=classifier, target_sparsity=[0.5, 0.8, 0.9]), values='trained')),
            dict(config=[boxes[0], masks[0], keypoints[0]], scope='backbone', line='mask of dense magnitudes',
                 transfer=dict(source=dict(config=classifier, rounds=0), sparsity=[0.5, 0.8, 0.9], scope='backbone'))]))

# Which objects suffer, which errors are made, who learns faster, what it costs.
experiments.update({
    f'changed_{task}_{sparsity:.0%}'.replace('%', ''): dict(
        title=f'What pruning changed: {task}, {sparsity:.0%}', section='After Girish et al., CVPR 2021, and its supplements B to D',
        kind='bars', analyses=('images', 'objects', 'errors', 'convergence', 'cost'),
        jobs=[dict(config=net, target_sparsity=sparsity, label='ticket', line=f'{sparsity:.0%}', seed=seed) for seed in seeds])
    for task, net in (('boxes', boxes[0]), ('masks', masks[0]), ('keypoints', keypoints[0]))
    for sparsity in (0.8, 0.9)})
