# DigitScenes' object crops, 48 x 48, a folder for each class; `mmlth digit-scenes` writes them.
# No flip: a mirrored 2 is no digit.
data_root = 'data/digit_scenes/'
classes = ('person', 'zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackClassInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='PackClassInputs'),
]
train_dataloader = dict(
    batch_size=32, num_workers=1, persistent_workers=True, drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ImageFolderDataset', metainfo=dict(classes=classes), data_root=data_root,
        data_prefix=dict(img_path='crops/train/'), pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64, num_workers=1, persistent_workers=False, drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ImageFolderDataset', metainfo=dict(classes=classes), data_root=data_root,
        data_prefix=dict(img_path='crops/val/'), test_mode=True, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='TopOneAccuracy')
test_evaluator = val_evaluator
custom_imports = dict(imports=['mmlth.models.classifier', 'mmlth.datasets.image_folders'])
