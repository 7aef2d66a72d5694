"""Data sets: DigitScenes, which is made without MMDet, and COCO keypoints (see ``mmlth.keypoints``)."""
