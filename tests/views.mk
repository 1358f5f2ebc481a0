# Tests, fuzz targets and benches of views.
