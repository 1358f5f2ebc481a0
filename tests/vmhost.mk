# Tests, fuzz targets and benches of vmhost.
