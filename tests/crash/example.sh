#!/bin/sh
# example.sh MODE SYNCHRONOUS: sqlite3 stores numbers and says each that is stored.
# example.sh check: is what was said there? See docs/crash-testing.md.
if [ "$1" = check ]; then
	said=$(sed -n 's/^stored //p' "$CRASH_SAID" | tail -1)
	[ -n "$said" ] || exit 0
	[ "$(sqlite3 -batch numbers.db 'PRAGMA integrity_check')" = ok ] || exit 1
	found=$(sqlite3 -batch numbers.db 'SELECT max(n) FROM numbers')
	[ "${found:-0}" -ge "$said" ]
	exit
fi
exec sqlite3 -batch numbers.db "PRAGMA journal_mode = $1" "PRAGMA synchronous = $2" \
	"CREATE TABLE numbers (n INTEGER)" \
	"INSERT INTO numbers VALUES (1)" "SELECT 'stored ' || max(n) FROM numbers" \
	"INSERT INTO numbers VALUES (2)" "SELECT 'stored ' || max(n) FROM numbers"
