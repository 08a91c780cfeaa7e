"""Gather the images that the teacher trains on: CIFAR-10, class folders, a data set, sources, or drawn images."""

from distillery.curation.teacher_data.cifar10_images import load_cifar10
from distillery.curation.teacher_data.dataset_images import load_dataset
from distillery.curation.teacher_data.folder_images import load_folders
from distillery.curation.teacher_data.labeled_images import LabeledImages, no_images, write_teacher_data
from distillery.curation.teacher_data.source_images import load_sources
from distillery.jobs import job

with job(snakemake) as j:
    data, classes, side, seed = j.params.data, list(j.params.classes), int(j.params.image_size), int(j.params.seed)
    counts = (data["train"], data["test"])
    if data["kind"] == "cifar10":
        train, test = load_cifar10(data["path"], classes, side, counts, seed)
    elif data["kind"] == "folder":
        inside = data.get("inside", ""), data.get("test_inside", "")
        train, test = load_folders(data["path"], data["test_path"], classes, side, counts, seed, inside)
    elif data["kind"] == "huggingface":
        train, test = load_dataset(data, classes, side, counts, seed)
    elif data["kind"] == "sources":
        parts = ("train", "test")
        kinds = ("pixels", "thumbnails", "tables")
        files = (zip(*(j.input[f"{part}_{kind}"] for kind in kinds), strict=True) for part in parts)
        train, test = load_sources(*map(list, files), classes, counts, seed)
    elif data["kind"] == "none":
        train, test = no_images(side), no_images(side)
    else:
        from distillery_demo.drawing import draw_set  # imported only here: the library never imports the demo

        # an even and an odd seed, so that train and test never share an image
        train, test = (
            LabeledImages(*draw_set(classes, "teacher", n, side, 2 * seed + k)) for k, n in enumerate(counts)
        )
    write_teacher_data(j.output.data, train, test, classes, required=data["kind"] != "none")
