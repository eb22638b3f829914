"""tools/layers: each kind of violation is seen."""

import pytest
from loader import load

layers = load("tools/layers")


@pytest.mark.parametrize("path, text, want", [
    ("smtp/a.c", '#include "base/str.h"\n', []),
    ("smtp/a.c", '#include "smtp/b.h"\n#include "sasl/c.h"\n', []),
    ("base/a.c", '#include <unistd.h>\n', []),
    ("mime/mime_idn.c", '#include <idn2.h>\n', []),
    ("mime/mime_local.c", '#include <unicase.h>\n', []),
    ("mime/mime_idn.c", '#include <unicase.h>\n',
     [(1, "mime is pure and must not include <unicase.h>")]),
    ("smtp/a.c", '\n#include "store/db.h"\n', [(2, "smtp must not include store")]),
    ("base/a.c", '#include "mime/x.h"\n', [(1, "base must not include mime")]),
    ("proc/a.c", '#include "cli/x.h"\n', [(1, "proc must not include cli")]),
    ("smtp/a.c", '# include <sys/socket.h>\n',
     [(1, "smtp is pure and must not include <sys/socket.h>")]),
    ("mime/a.c", '#include <idn2.h>\n', [(1, "mime is pure and must not include <idn2.h>")]),
    ("smtp/a.c", '#include "b.h"\n',
     [(1, '"b.h" names no folder of src: write "folder/file.h"')]),
    ("strange/a.c", "", [(1, "the folder strange is not in the table of tools/layers")]),
    ("store/a.c", "\tx();\n\tfprintf (stderr, s);\n",
     [(2, "fprintf(): only proc and cli write to the outside world")]),
    ("store/a.c", '/* printf(x) */ // syslog(1)\nconst char *s = "puts(x)";\n', []),
    ("store/a.c", "snprintf(b, n, f); buf_printf(b, f);\n", []),
    ("proc/log.c", "dprintf(2, s);\n", []),
    ("cli/a.c", "printf(s);\n", []),
])
def test_file(path, text, want):
    assert layers.check_file(path, text) == want


def test_arrows_have_no_cycle():
    seen = set()
    for folder, allowed in layers.MAY_INCLUDE.items():
        assert set(allowed) <= seen, folder
        seen.add(folder)


def test_tree(tmp_path, capsys):
    (tmp_path / "src" / "base").mkdir(parents=True)
    assert layers.main([str(tmp_path)]) == 1  # nothing there is no success
    (tmp_path / "src" / "base" / "a.c").write_text('#include "base/b.h"\n')
    assert layers.main([str(tmp_path)]) == 0
    (tmp_path / "src" / "base" / "b.h").write_text('#include "net/b.h"\n')
    assert layers.main([str(tmp_path)]) == 1
    assert "src/base/b.h:1: base must not include net" in capsys.readouterr().out


def test_what_the_invariants_name_is_there(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "docs" / "invariants").mkdir(parents=True)
    (tmp_path / "src" / "a.c").write_text("void there_is_one(void);\n")
    page = tmp_path / "docs" / "invariants" / "a.md"
    page.write_text("`there_is_one`, `there_is_one()`, `a phrase`, `WORD`\n")
    assert not layers.check_cited(tmp_path)
    page.write_text("`there_is_one`\nand [`test_a.c`: `there_is_none`]\n")
    assert layers.check_cited(tmp_path) == ["docs/invariants/a.md:2: there is no there_is_none in src, tests, tools"]
