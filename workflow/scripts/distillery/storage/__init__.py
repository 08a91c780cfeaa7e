"""Files on disk: written whole, arrays, parquet tables, image shards with their provenance."""
