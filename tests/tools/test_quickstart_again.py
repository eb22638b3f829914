"""./quickstart with a pretended Godwit: what it does about a data directory that has grown."""

import os
import shutil
import subprocess

from loader import ROOT

MUCH = "seq -f '{\"name\": \"more%g.example\"},' 30000"  # more than a pipe holds

OPTIONS = "".join(f', {{"name": "ports.{name}", "value": "1"}}' for name in ("smtp", "submission", "pop3", "pop3s"))

GODWIT = f"""#!/bin/sh
set -e
trap '' PIPE
case "$1 $2" in
"domain list") echo '[{{"domain": "example.test"}},' && {MUCH} && echo ']' ;;
"account list") echo '[{{"account": "alice@example.test"}}, {{"account": "bob@example.test"}},' && {MUCH} ;;
"check-config --data") echo '{{"options": [{{"name": "port_offset", "value": "10000"}}{OPTIONS}]}}' ;;
"serve --data") exit 3 ;;
*) echo "not asked for: $*" >&2 && exit 65 ;;
esac 2>/dev/null || exit 74
"""


def a_checkout(folder):
    """What ./quickstart needs of one in which everything is built."""
    shutil.copy(f"{ROOT}/quickstart", folder)
    scripts = {"build/godwit": GODWIT, "bin/ninja": "#!/bin/sh\n", "tools/packages": "#!/bin/sh\n",
               "tools/users": "#!/bin/sh\n", "build/build.ninja": ""}
    for name, text in scripts.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    (data / "godwit.conf").write_text("port_offset = 10000;\n")
    (data / "first-accounts").write_text("alice@example.test a\nbob@example.test b\n")


def run(tmp_path, *words):
    a_checkout(tmp_path)
    env = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    return subprocess.run([tmp_path / "quickstart", *words], env=env, text=True, capture_output=True, timeout=60)


def test_what_is_there_is_found_among_much(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 3, (done.stdout, done.stderr)  # it came to serve


def test_the_same_offset_with_zeros_in_front(tmp_path):
    done = run(tmp_path, "--port-offset", "0010000")
    assert done.returncode == 3, (done.stdout, done.stderr)
