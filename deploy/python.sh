#!/bin/sh
# Prints the first Python that is new enough; says so in one sentence where there is none.
for python in python3 python3.14 python3.13 python3.12 /usr/bin/python3; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; then
        echo "$python"
        exit 0
    fi
done
echo "Python 3.12 or newer is needed, with its venv module, and none was found: install one (on Debian 13:" \
    "apt-get install python3-venv; elsewhere https://www.python.org/downloads)." >&2
exit 1
