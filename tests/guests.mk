# Tests, fuzz targets and benches of guests.
EXTRA_DIST += tests/kvm/guests.sh
