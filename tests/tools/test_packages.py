"""tools/packages with a pretended Debian: what it asks for, what it says, how it ends."""

import os
import subprocess

import pytest
from loader import ROOT

TOOL = f"{ROOT}/tools/packages"


@pytest.fixture
def debian(tmp_path):
    """A PATH whose dpkg-query knows the given packages and whose apt-get writes down its call."""
    def make(installed, uid=0, sudo=False, apt_fails=0):
        bin_dir = tmp_path / "bin"
        bin_dir.mkdir(exist_ok=True)
        calls = tmp_path / "calls"
        calls.write_text("")
        (tmp_path / "failures").write_text("x" * apt_fails)
        answers = "".join(f"echo 'ii  {name}'\n" for name in installed)
        scripts = {
            "dpkg-query": f"{answers}echo 'un  libuv1-dev'\nexit 1\n",
            "id": f"echo {uid}\n",
            "sudo": "[ \"$2\" = true ] && exit 0\nshift\nexec \"$@\"\n",
            "apt-get": f"echo \"$@\" >>{calls}\n"
                       f"[ \"$1\" = update ] && exit 0\n"
                       f"sh {tmp_path}/policy-rc.d; [ $? -eq 101 ] || exit 99\n"  # no service starts
                       f"left=$(cat {tmp_path}/failures)\n"
                       f"printf %s \"${{left%x}}\" >{tmp_path}/failures\n"
                       f"[ -z \"$left\" ]\n",
        }
        if not sudo:
            scripts["sudo"] = "exit 1\n"
        for name, body in scripts.items():
            (bin_dir / name).write_text(f"#!/bin/sh\n{body}")
            (bin_dir / name).chmod(0o755)
        env = {**os.environ, "PATH": f"{bin_dir}:/usr/bin:/bin",
               "PACKAGES_POLICY": str(tmp_path / "policy-rc.d")}
        done = subprocess.run([TOOL, "build"], env=env, text=True, capture_output=True)
        assert not (tmp_path / "policy-rc.d").exists()
        return done, calls.read_text().splitlines()
    return make


def names(part):
    found, inside = [], False
    with open(f"{ROOT}/packages", encoding="utf-8") as file:
        for line in file:
            line = line.split("#")[0].strip()
            if line.startswith("["):
                inside = line == f"[{part}]"
            elif line and inside:
                found.append(line)
    return found


def test_all_there(debian):
    done, calls = debian(names("build"))
    assert (done.returncode, done.stdout, calls) == (0, "", [])


def test_missing_as_root(debian):
    missing = names("build")[0]
    done, calls = debian(names("build")[1:])
    assert done.returncode == 0
    assert calls == [f"install -y -q --no-install-recommends {missing}"]


def test_old_lists_are_fetched_once(debian):
    done, calls = debian(names("build")[1:], apt_fails=1)
    assert done.returncode == 0
    assert [call.split()[0] for call in calls] == ["install", "update", "install"]


def test_cannot_install(debian):
    done, calls = debian(names("build")[1:], apt_fails=5)
    assert done.returncode == 69 and len(calls) == 3
    assert "could not install" in done.stderr


def test_missing_with_sudo(debian):
    done, calls = debian(names("build")[1:], uid=1000, sudo=True)
    assert done.returncode == 0 and len(calls) == 1


def test_missing_as_ordinary_user(debian):
    missing = names("build")[0]
    done, calls = debian(names("build")[1:], uid=1000)
    assert done.returncode == 69 and calls == []
    assert f"sudo apt-get update && sudo apt-get install --no-install-recommends {missing}\n" in done.stderr
    assert f"sudo '{TOOL}' build\n" in done.stderr


def test_wrong_part():
    done = subprocess.run([TOOL, "nonsense"], text=True, capture_output=True)
    assert done.returncode == 64 and "nonsense" in done.stderr
    assert subprocess.run([TOOL], capture_output=True).returncode == 64
