#!/usr/bin/env bash
# What libweir.so exports is exactly the list in symbols.txt. usage: symbols.sh SOURCE_DIR LIBRARY
# After a wanted change: nm -D --defined-only LIBRARY | awk '{print $3}' | sort > tests/house/symbols.txt
set -euo pipefail
diff -u "$1/tests/house/symbols.txt" <(nm -D --defined-only "$2" | awk '{print $3}' | sed 's/@.*//' | sort)
