# Tests, fuzz targets and benches of client.
