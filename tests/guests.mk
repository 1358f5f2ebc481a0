# Tests, fuzz targets and benches of guests.
