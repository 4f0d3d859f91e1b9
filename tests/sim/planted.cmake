# Builds of the same tests with one bug planted at link time: each must be found.
