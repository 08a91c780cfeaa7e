"""Import images of data sets in the Hugging Face hub's format: parquet files with a column of images, one of labels."""
