"""The texts of the configurations that `distillery.new` writes, for `str.format`."""

# of a study whose images come from searches
CLASS = """\
  {name}: # also the name of the class's folder, if you add images of your own
    queries: # search queries, used in this order
{queries}
    prompts: # for a diffusion source, if you add one
{prompts}"""
COMMONS = """\
  commons: {{ kind: commons, per_class: {} }} # Wikimedia Commons: free licenses, needs contact"""
NO_COMMONS = """\
  # commons: { kind: commons, per_class: 150 } # Wikimedia Commons: give your contact above first"""
ABOUT = {
    "bing": "only images from Bing",
    "openverse": "as many from Openverse",
    "commons": "as many from Wikimedia Commons",
    "both": "as many in all, half from each",
    "bing_more": "twice as many from Bing",
    "mine": "your labeled images",
    "mine_unlabeled": "and some that the teacher labels",
}
# of both kinds of study
HEAD = """\
# A study made by `python -m distillery.new` for {machine}. Edit it as you like: a change reruns only what
# depends on it. Every key, its unit and its default: docs/configuration.md. Counts are totals over the classes.

title: {title} # the heading of figures and of the page
# about: Why you made this study, and what a reader should not conclude from it. # your own words on the page
# authors: [Your Name] # on the page too
image_size: {preset.image_size} # pixels a side; larger images show more and train slower
seeds: 6 # trainings of each scenario and arm; six pairs can reach p = 0.03
"""
TRAINED = """\
  network: {preset.teacher} # suits {machine}
  steps: {preset.teacher_steps} # optimizer steps
  batch: {preset.batch} # images a step
  lr: 0.1 # highest learning rate
"""
STUDENT = """\
student: # the small network, and how it is trained
  network: {preset.student} # the network that you will use
  steps: {preset.student_steps} # the same for every scenario
  batch: {preset.batch} # images a step
"""
ARMS = """\
arms: # training methods; others: docs/arms.md
  scratch: {{ method: ce }} # from scratch, on the labels only
  kd: {{ method: kd }} # distilled from the teacher
"""
# a study of images from searches
SEARCHED = (
    HEAD
    + """\
contact: {contact} # your e-mail address or page, sent with web requests
unavailable: skip # leave out a source that refuses, with the scenarios that need it; stop would end the study

classes: # made from the names you gave: better queries improve a study more than any other edit of this file
{classes}

sources: # none of these needs an account; Bing and Openverse need no contact either
  bing: {{ kind: bing, per_class: {each.more} }} # more than the study uses, since curation drops some
  openverse: {{ kind: openverse, per_class: {each.source}, filters: {{ size: medium }} }} # free licenses, with creators
{commons}
  # Every study needs a teacher. Without labeled images, it trains on results of a search that no student may use.
  # Openverse sorts its images by size: large ones train the teacher, small ones test it, and students get medium ones.
  teacher_train: {{ kind: openverse, per_class: {each.teacher_train}, filters: {{ size: large }} }} # trains the teacher
  teacher_test: {{ kind: openverse, per_class: {each.teacher_test}, filters: {{ size: small }} }} # tests the teacher
  # mine: {{ kind: folder, path: images }} # your own images: images/{{class}}/*.jpg beside this file
  # phone: {{ kind: folder, path: phone, labels: teacher }} # without labels: phone/*.jpg; the teacher gives them

curation: # which images are kept
  min_side: {preset.image_size} # pixels; smaller images are dropped

split: # which images are for training, validation and test
  test: {test} # the final test, the same for all students
  val: {val} # to choose the learning rate
  shortfall: shrink # use fewer images where a search gives fewer; error would stop
  leakage: drop # leave out images that the teacher trained on

teacher: # the network that students are distilled from
  # Its labels are those of its queries. With labeled images, which are better:
  # data: {{ kind: folder, path: labeled/train, test_path: labeled/test }}
  data: {{ kind: sources, train_sources: [teacher_train], test_sources: [teacher_test] }} # sources no student uses
"""
    + TRAINED
    + """\

"""
    + STUDENT
    + """\
  tune: {{ lr: [0.03, 0.1, 0.3], weight_decay: [0.0005] }} # tried from scratch; the best on val is used

"""
    + ARMS
    + """\

comparisons: # questions for statistical tests
  distilling: {{ question: "Does distilling help?", arms: [scratch, kd] }} # in every scenario
  sources: {{ question: "Are Openverse's images better than Bing's?", scenarios: [bing, openverse] }} # with each arm

scenarios: # sets of train images to compare
{scenarios}
"""
)

CLIP = """\
  # A CLIP teaches by the words below: it needs no labeled images. It is downloaded once (600 MB). Without a GPU it
  # takes a second or more a step. Other teachers, such as a classifier that you have: docs/teachers.md
  kind: zero_shot # instead: train (the default), with data: {{ kind: folder, path: …, test_path: … }}
  image_size: {teacher_size} # pixels a side of the images that it sees
  zero_shot: # what it is, and what it looks for
    model: openai/clip-vit-base-patch32 # an id on the Hugging Face hub, or the folder of a model
    templates: ["a photo of a {{}}."] # sentences, with the words of the class in place of {{}}
    prompts: # the better these words describe a class, the better the teacher
{prompts}
"""
LEAKAGE = """\
  leakage: drop # leave out images that the teacher trained on
"""
OWN_TEACHER = """\
  data: {{ kind: folder, path: {train}, test_path: {test} }} # labeled images that no source has
"""
OWN_UNLABELED = """\
  unlabeled: {{ kind: folder, path: {}, labels: teacher }} # {} images, which the teacher labels"""
NO_UNLABELED = """\
  # unlabeled: { kind: folder, path: phone, labels: teacher } # without labels: phone/*.jpg"""
OWN_COMPARISON = """\
  unlabeled: { question: "Do the unlabeled images help?", scenarios: [mine, mine_unlabeled] } # with each arm
  together: { question: "Do both together help?", students: [mine.scratch, mine_unlabeled.kd] } # one test
"""
# a study of images that the user has
OWN = (
    HEAD
    + """\

classes: # the names of your folders; each class gives as many images as the smallest
{classes}

sources: # your images; paths are relative to this file's folder. Others, such as searches: docs/sources.md
  mine: {{ kind: folder, path: {images} }} # one folder for each class
{unlabeled}

curation: # which images are kept; near-duplicates are dropped too
  min_side: {seen} # pixels; smaller images are dropped

split: # which images are for test; the scenarios train on others
  test: {{ mine: {test} }} # the more, the smaller the differences that the study can find
  shortfall: shrink # use fewer images where curation drops more than the spare ones; error would stop
{leakage}
teacher: # the network that students are distilled from
{teacher}

"""
    + STUDENT
    + """\
  lr: 0.1 # highest learning rate; to choose it on validation images: tune in docs/arms.md

"""
    + ARMS
    + """\

comparisons: # questions for statistical tests
  distilling: {{ question: "Does distilling help?", arms: [scratch, kd] }} # in every scenario
{comparison}
scenarios: # sets of train images to compare
{scenarios}
"""
)
