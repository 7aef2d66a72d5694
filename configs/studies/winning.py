# Is it a winning ticket? Nets that are trained until twice as long adds less than 0.01 on average, paired seeds, equal budgets.
# The rule of the verdict: docs/verdict.md. Seed by seed, so that a study that is broken off has whole seeds.
# Data, pretrained backbones and all trainings: docs/experiments/winning.md.
config = 'mmlth::digit_scenes/faster-rcnn_r18-tiny_fpn_48e_digitscenes-half.py'
masks = 'mmlth::digit_scenes/mask-rcnn_r18-tiny_fpn_48e_digitscenes-half.py'
boxes_c4 = 'mmlth::digit_scenes/faster-rcnn_r18-tiny_c4_48e_digitscenes-half.py'
boxes_r50 = 'mmlth::digit_scenes/faster-rcnn_r50-tiny_fpn_48e_digitscenes-half.py'
keypoints = 'mmlth::digit_scenes/keypoint-rcnn_r18-tiny_fpn_88e_digitscenes-half.py'
classifier = 'mmlth::classification/resnet18-tiny_10e_digitscenes-crops.py'
# From a classifier, twice as long still adds 0.013, so that these dense nets aren't at their end.
pretrained = 'mmlth::digit_scenes/faster-rcnn_r18-tiny_fpn_48e_digitscenes-half_pretrained.py'
imp = dict(rounds=1, target_sparsity=0.9, rewind='init')
# The mask is found with one order of the data; ticket and controls are trained with another, the same for all.
five_seeds = [dict(seed=seed, order_seed=100 + seed) for seed in range(5)]
seeds = five_seeds[:3]

with_controls = dict(label='ticket', controls=(
    'dense_budget', 'dense_restart', 'shuffle', 'reinit', 'random', 'init_magnitude', 'shuffle_rms', 'reinit_rms'))
random_erk = dict(label='random, ERK', criterion='random', allocation='erk')
# Detectors of VOC's kind have four modules (the paper's Table 3); every tensor keeps a hundredth, else the RPN collapses.
modules = dict(
    base=r'^backbone\.layer\d\.\d\.conv', top=r'^roi_head\.shared_head\.layer\d\.\d\.conv', rpn=r'^rpn_head\.', heads=r'^roi_head\.bbox_head\.')
choices = (
    'heads', 'rpn', 'rpn+heads', 'base', 'base+heads', 'base+rpn', 'base+rpn+heads', 'top', 'top+heads', 'top+rpn', 'top+rpn+heads',
    'base+top', 'base+top+heads', 'base+top+rpn', 'base+top+rpn+heads')
half = {
    'train_cfg.max_epochs': 24,
    'train_cfg.val_interval': 24,
    'param_scheduler.1.end': 24,
    'param_scheduler.1.T_max': 24,
}
often = {'train_cfg.val_interval': 4}
# Half the channels everywhere, and a third: a quarter and a tenth of the multiply-adds.
widths = {'all channels': '', 'half of them': 8, 'a third': 5}
of_width = 'mmlth::digit_scenes/faster-rcnn_r18-tiny{}_fpn_48e_digitscenes-half_pretrained.py'

per_cost = dict(config=pretrained, criterion='magnitude_per_cost')

experiments = dict(
    winning=dict(
        title='Ticket of 90%, dense nets of equal budget, controls', section='Not in the paper', kind='bars',
        jobs=[
            dict(each, target_sparsity=0.9, line='90%', **seed)
            for seed in five_seeds for each in (with_controls, random_erk)]),
    winning_80=dict(
        title='Ticket of 80%, dense nets of equal budget, controls', section='Not in the paper', kind='bars',
        jobs=[
            dict(each, target_sparsity=0.8, line='80%', **seed)
            for seed in five_seeds for each in (with_controls, random_erk)]),
    winning_95=dict(
        title='Ticket of 95%, dense nets of equal budget, controls', section='Not in the paper', kind='bars',
        jobs=[
            dict(each, target_sparsity=0.95, line='95%', **seed)
            for seed in five_seeds for each in (with_controls, random_erk)]),
    pruned=dict(
        title='How much can be pruned', section='Not in the paper', kind='curve', x_label='pruned (%)',
        jobs=[
            dict(config=start, target_sparsity=sparsity, line=line, **seed)
            for start, line, own in ((config, 'from scratch', five_seeds), (pretrained, 'from a classifier', seeds))
            for seed in own for sparsity in (0.8, 0.9, 0.95)]),
    direct_pruning=dict(
        title='Direct pruning: boxes, masks, keypoints', section='After Girish et al., CVPR 2021', kind='curve',
        x_label='pruned (%)', reference='direct_pruning',
        jobs=[
            dict(config=task, target_sparsity=sparsity, line=line, **seed)
            for seed in seeds for task, line in ((config, 'boxes'), (masks, 'masks'), (keypoints, 'keypoints'))
            for sparsity in (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)]),
    changed_80=dict(
        title='What pruning to 80% changed', section='After Girish et al., CVPR 2021, and its supplements B and D', kind='bars',
        analyses=('images', 'objects', 'errors', 'cost'),
        jobs=[dict(target_sparsity=0.8, label='ticket', line='80%', **seed) for seed in seeds]),
    changed_95=dict(
        title='What pruning to 95% changed', section='After Girish et al., CVPR 2021, and its supplements B and D', kind='bars',
        analyses=('images', 'objects', 'errors', 'cost'),
        jobs=[dict(target_sparsity=0.95, label='ticket', line='95%', **seed) for seed in seeds]),
    convergence=dict(
        title='Who learns faster', section='After Girish et al., CVPR 2021, supplement C', kind='bars', analyses=('convergence', ),
        jobs=[dict(target_sparsity=0.8, label='ticket', line='80%', cfg_options=often, **seeds[0])]),
    convergence_90=dict(
        title='Who learns faster, at 90%', section='After Girish et al., CVPR 2021, supplement C', kind='bars', analyses=('convergence', ),
        jobs=[dict(label='ticket', line='90%', controls=('shuffle', 'reinit'), cfg_options=often, **seeds[0])]),
    pretrained=dict(
        title='The same from a classifier', section='Not in the paper', kind='bars',
        jobs=[
            dict(config=pretrained, label='ticket', line='90%', controls=('dense_budget', 'shuffle'), **seed)  # reinit loads the classifier
            for seed in seeds]),
    cost=dict(
        title='Ranked by what a weight costs; narrower nets', section='Not in the paper', kind='curve', x='multiply_adds',
        x_label='multiply-adds of kept weights (%)',
        jobs=[
            dict(config=pretrained, target_sparsity=sparsity, line='magnitude', **seed)
            for seed in seeds for sparsity in (0.8, 0.9, 0.95)] + [
            dict(per_cost, target_sparsity=sparsity, line='per cost^0.25, floor 2%', cost_exponent=0.25, min_kept=0.02, **seed)
            for seed in seeds for sparsity in (0.8, 0.95)] + [
            dict(per_cost, target_sparsity=sparsity, line='per cost^0.5', **seeds[0]) for sparsity in (0.8, 0.9, 0.95)] + [
            dict(config=of_width.format(width), rounds=0, label=label, seed=seed['seed']) for seed in seeds for label, width in widths.items()]),
    budget=dict(
        title='How far dense nets are trained', section='Not in the paper', kind='bars',
        jobs=[
            dict(rounds=0, cfg_options=half, seed=0, label='half'),
            dict(label='ticket', line='90%', controls=('dense_budget', ), **seeds[0]),
            dict(rounds=3, label='ticket of three rounds', line='90%', controls=('dense_budget', ), **seeds[0])]),
    rounds=dict(
        title='One pruning or three', section='After Girish et al., CVPR 2021', kind='bars',
        jobs=[
            dict(each, label='ticket', controls=('dense_budget', 'shuffle', 'reinit'), **seed)
            for seed in five_seeds for each in (dict(rounds=1, line='one round'), dict(rounds=3, line='three rounds'))]),
    rewinds=dict(
        title='Rewinding weights, or the learning rate alone', section='After Renda et al., ICLR 2020', kind='bars',
        jobs=[dict(rewind=rewind, label=rewind, line='90%', **seed) for seed in seeds for rewind in ('init', '25%', 'lr')]),
    modules=dict(
        title='Which modules are pruned', section='After Girish et al., CVPR 2021, Table 3', kind='bars', reference='modules_voc',
        jobs=[
            dict(config=boxes_c4, target_sparsity=0.8, min_kept=0.01, scope=(), include=tuple(modules[name] for name in names.split('+')),
                 label=names, line='80%', **seed)
            for seed in seeds for names in choices]),
    backbones=dict(
        title='Two backbones', section='After Girish et al., CVPR 2021', kind='curve', y='change', x_label='pruned (%)',
        reference='backbone_effect',
        jobs=[
            dict(config=net, target_sparsity=sparsity, min_kept=0.01, line=line, **seed)
            for seed in seeds for net, line in ((config, 'ResNet-18'), (boxes_r50, 'ResNet-50')) for sparsity in (0.5, 0.8, 0.9)]),
    task_transfer=dict(
        title='Tickets of another task', section='After Girish et al., CVPR 2021', kind='bars', reference='task_transfer',
        jobs=[
            dict(each, config=task, target_sparsity=0.8, line=line, **seed)
            for seed in seeds for task, line, other, others in (
                (config, 'boxes', keypoints, 'keypoints'), (keypoints, 'keypoints', config, 'boxes'))
            for each in (
                dict(label='own ticket'),
                dict(label=f'ticket of {others}', controls=('shuffle', 'random'),
                     transfer=dict(source=dict(config=other, target_sparsity=0.8, **seed))))]),
    # All start from the classifier's weights: dense nets, own tickets, tickets of the classifier (their values and masks), masks of its magnitudes.
    classification_transfer=dict(
        title='Tickets of a classifier', section='After Girish et al., CVPR 2021, and its supplement A', kind='curve',
        x_label='pruned in the backbone (%)', reference='imagenet_transfer',
        jobs=[
            dict(each, config=pretrained, scope='backbone', **seed)
            for seed in seeds for sparsity in (0.8, 0.9) for each in (
                dict(target_sparsity=sparsity, line='own ticket'),
                dict(line='ticket of the classifier',  # a shuffle would keep weights that it starts at zero
                     transfer=dict(source=dict(config=classifier, target_sparsity=sparsity), values='trained')),
                dict(line="the classifier's largest weights",
                     transfer=dict(source=dict(config=classifier, rounds=0), sparsity=sparsity, scope='backbone')))]),
    layers=dict(
        title='Pruned share of each layer', section='After Girish et al., CVPR 2021', kind='layers',
        reference='prune_percent_across_layers',
        jobs=[dict(target_sparsity=sparsity, line=f'{sparsity:.0%}', **seeds[0]) for sparsity in (0.8, 0.9, 0.95)] + [
            dict(target_sparsity=0.8, criterion='initial_magnitude', line='80%, ranked before training', **seeds[0])]),
    # The floor of each tensor is half of the share that is kept of all.
    allocation=dict(
        title='Layerwise, global and normalized pruning, a floor', section='After Girish et al., CVPR 2021', kind='curve',
        x_label='pruned (%)', reference='layerwise_vs_global',
        jobs=[
            dict(each, target_sparsity=sparsity, **seed)
            for seed in seeds for sparsity in (0.8, 0.9, 0.95) for each in (
                *(dict(allocation=allocation, line=allocation) for allocation in ('global', 'layerwise', 'normalized')),
                dict(min_kept=round((1 - sparsity) / 2, 3), line='global, a floor'))]),
    early_bird=dict(
        title='Early-bird masks', section='After Girish et al., CVPR 2021', kind='curve', x='early_bird',
        x_label='pruned after (% of training)', reference='early_bird',
        jobs=[
            dict(target_sparsity=0.8, line='80%', **fraction, **seed)
            for seed in seeds for fraction in (
                {}, *(dict(early_bird=dict(fraction=share)) for share in (0.1, 0.25, 0.5, 0.75)))]),
    # Schedules go on from ends of epochs: 1, 2 and 43 of 48 are 2, 4 and 90%.
    late_resetting=dict(
        title='Late resetting, schedule restarted and continued', section='After Girish et al., CVPR 2021', kind='curve',
        x='rewind', x_label='reset to the weights after (% of training)', reference='late_reset',
        jobs=[
            dict(rewind=rewind, lr_schedule=schedule, line=f'90%, {schedule}', **seed)
            for seed in seeds for rewind in ('init', 'epoch_1', 'epoch_2', '25%', '75%', 'epoch_43')
            for schedule in ('restart', 'continue') if (rewind, schedule) != ('init', 'continue')]))
