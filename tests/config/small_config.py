"""A small configuration with four sources, which tests change."""

STUDY = """
classes:
  cat: {queries: [cat], prompts: [a cat]}
  dog: {queries: [dog], prompts: [a dog]}
sources:
  google: {kind: google, per_class: 100}
  bing: {kind: bing, per_class: 100}
  mine: {kind: folder, path: ., classes: [dog]}
  sd: {kind: diffusion, model: some/model, revision: 0123456789abcdef0123456789abcdef01234567, per_class: 50}
split:
  test: {google: 20, bing: 20}
scenarios:
  one: {train: {google: 80}}
  two: {train: {sd: 100, mine: 5}, augment: color, arms: [kd]}
"""


def merge(into, change):
    """Change keys of a configuration in place, also in sections."""
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
