"""A configuration with many kinds of sources, hyperparameter searches and two scenarios, for tests of queries."""

STUDY = """
classes:
  cat: {queries: [cat], prompts: [a cat], subjects: [a tabby cat], settings: [on a sofa]}
  dog: {queries: [dog], prompts: [a dog]}
contact: someone@example.org
sources:
  google: {kind: google, per_class: 100, connections_per_host: 1}
  bing: {kind: bing, per_class: 100}
  mine: {kind: folder, path: ., classes: [dog]}
  sd: {kind: diffusion, model: some/model, per_class: 50, shards: 3, seed: 5}
  varied: {kind: diffusion, model: some/model, per_class: 50, prompt_style: composed, random_weights: true}
  extra: {kind: bing, per_class: 9}
split:
  test: {google: 20, bing: 20}
  val: {google: 10}
  common: [google]
student: {steps: 7, tune: {lr: [0.1, 0.2], weight_decay: [0.001]}}
arms:
  scratch: {method: ce}
  kd: {temperature: 2, method: kd, tune: {lr: [0.3], weight_decay: [0, 0.01], seeds: 2}}
  published_kd: {method: published_kd}
scenarios:
  one: {train: {google: 80}}
  two: {train: {sd: 40, mine: 5, google: 20}, arms: [kd]}
"""
