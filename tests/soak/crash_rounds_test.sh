#!/bin/sh
# Servers and agents, real programs, are killed 20 times, and LL_SOAK_FACTOR times as often where it is set.
exec /usr/bin/python3 "$(dirname "$0")/crash_rounds.py" --programs . --rounds $((20 * ${LL_SOAK_FACTOR:-1}))
