"""Scores and masks written as rows, and the rankings that tests compare with."""
import numpy as np
import torch


def tensors(**rows):
    return {name: torch.tensor(row, dtype=torch.float32) for name, row in rows.items()}


def masks(**texts):
    return {name: torch.tensor([c == '1' for c in text]) for name, text in texts.items()}


def texts(found):
    return {name: ''.join('01'[int(x)] for x in m.flatten()) for name, m in found.items()}


def naive(scores, old, count):
    """Rank what is kept by a stable sort, first tensors and positions first."""
    flat = np.concatenate([s.flatten().numpy() for s in scores.values()])
    alive = np.concatenate([m.flatten().numpy() for m in old.values()])
    order = [i for i in np.argsort(-flat, kind='stable') if alive[i]]
    chosen = np.zeros(len(flat), bool)
    chosen[order[:count]] = True
    parts = np.split(chosen, np.cumsum([s.numel() for s in scores.values()])[:-1])
    return {name: torch.from_numpy(part).reshape(old[name].shape) for name, part in zip(old, parts)}


def random_case(rng, ties=True):
    """Draw up to five tensors with small integer scores and old masks that keep about 70%."""
    shapes = [tuple(rng.integers(1, 5, rng.integers(1, 4))) for _ in range(rng.integers(1, 6))]
    scores, old = {}, {}
    for i, shape in enumerate(shapes):
        drawn = rng.integers(0, rng.integers(1, 5), shape) if ties else rng.random(shape)
        scores[f'layer{i}'] = torch.from_numpy(np.asarray(drawn, np.float32))
        old[f'layer{i}'] = torch.from_numpy(np.asarray(rng.random(shape) < 0.7))
    return scores, old
