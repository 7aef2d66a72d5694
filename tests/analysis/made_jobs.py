"""Work directories as trainings leave them: records, logs and dumped predictions."""
import json

import numpy as np

from mmlth.analysis.predictions import Predictions
from mmlth.core import records
from mmlth.core.dump import result_name, write_facts
from mmlth.core.layout import Layout
from mmlth.core.records import Summary

# Three categories, each with one object an image: tall, square, wide.
BOXES = {1: [10, 10, 20, 60], 2: [50, 10, 40, 40], 3: [10, 110, 120, 30]}
NAMES = {1: 'tall', 2: 'square', 3: 'wide'}


def truth(images=2, boxes=BOXES):
    annotations = [
        dict(id=10 * image + category, image_id=image, category_id=category, bbox=box,
             area=box[2] * box[3], iscrowd=0,
             segmentation=[[box[0], box[1], box[0] + box[2], box[1], box[0] + box[2],
                            box[1] + box[3], box[0], box[1] + box[3]]])
        for image in range(1, images + 1) for category, box in boxes.items()]
    return dict(
        images=[dict(id=i, width=200, height=200, file_name=f'{i}.jpg')
                for i in range(1, images + 1)],
        categories=[dict(id=number, name=name) for number, name in NAMES.items()],
        annotations=annotations)


def found(image=1, category=1, score=0.9, **changes):
    return dict(image_id=image, category_id=category, bbox=BOXES[category], score=score) | changes


def perfect(images=2, categories=BOXES):
    return [found(image, category) for image in range(1, images + 1) for category in categories]


def moved(annotations):
    """Return predictions of a COCO file: its boxes, moved, some of them as other categories."""
    content = json.loads(annotations.read_text())
    generator = np.random.default_rng(0)
    categories = {c['id']: c['name'] for c in content['categories']}
    results = []
    for ann in content['annotations']:
        x, y, w, h = ann['bbox']
        dx, dy = generator.normal(0, 0.1, 2) * (w, h)
        category = int(generator.choice([ann['category_id']] * 4 + list(categories)))
        results.append(dict(image_id=ann['image_id'], category_id=category,
                            bbox=[x + dx, y + dy, w, h], score=float(generator.random())))
    return Predictions(truth=content, found=dict(bbox=results), categories=categories)


def dump(folder, results, annotations, train_annotations='', **facts):
    folder.mkdir(parents=True, exist_ok=True)
    for task, rows in results.items():
        (folder / result_name(task)).write_text(json.dumps(rows))
    facts = dict(classes=list(NAMES.values()), sigmas=[], mirrored=[],
                 positions={}) | facts
    write_facts(folder, annotations=str(annotations), train_annotations=str(train_annotations),
                files={task: result_name(task) for task in results}, **facts)


def write_log(folder, losses, evaluations, name='1'):
    """Write what MMEngine logs: {iteration: loss} and {epoch: metrics}, in this order."""
    path = folder / name / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [dict(lr=0.1, loss=loss, iter=step, step=step) for step, loss in losses.items()]
    lines += [dict(metrics, time=0.1, data_time=0.1, step=step)
              for step, metrics in evaluations.items()]
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))


def write_job(work_dir, metrics=(0.5, 0.25), config='c.py', steps=100, **settings):
    """Write the summary of a dense net and tickets of 50, 67, ... per cent."""
    rounds = [
        dict(round=i, control='', sparsity=i / (i + 1), trained_in='', steps=steps,
             metrics={'coco/bbox_mAP': value}, parameters=14, scope_size=4)
        for i, value in enumerate(metrics)]
    work_dir.mkdir(parents=True, exist_ok=True)
    settings = dict(seed=0, allocation='global') | settings
    records.save(Summary(config=config, settings=settings, rounds=rounds), Layout(work_dir).summary)
    return [Layout(work_dir).round_dir(i) for i in range(len(rounds))]
