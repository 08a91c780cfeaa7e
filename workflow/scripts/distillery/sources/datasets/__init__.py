"""Images of data sets in the form of the Hugging Face hub: parquet files with a column of images and one of labels."""
