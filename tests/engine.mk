# Tests, fuzz targets and benches of engine.
