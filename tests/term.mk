# Tests, fuzz targets and benches of term.
