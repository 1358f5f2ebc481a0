# Tests, fuzz targets and benches of devices.
