_base_ = ['./faster-rcnn_r50_fpn_1x_voc0712.py', '../_base_/resnet18_fpn.py']
model = _base_.resnet18_fpn
