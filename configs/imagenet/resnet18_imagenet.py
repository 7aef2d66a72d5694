# Tickets of an ImageNet classifier at the sparsities that the paper transfers: 50, 80 and 90%.
# Needs MMPretrain (pip install .[imagenet]) and ImageNet below data/imagenet/ (--data-root moves it).
_base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'
data_root = 'data/imagenet/'
imp = dict(schedule=[0.5, 0.8, 0.9], scope='backbone')
