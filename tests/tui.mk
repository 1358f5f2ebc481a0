# Tests, fuzz targets and benches of tui.
