"""tools/sizes: finds functions where people hide them, and is seen to fail."""

import pytest
from loader import load

sizes = load("tools/sizes")


@pytest.mark.parametrize("text, want", [
    ("int f(void)\n{\n\treturn 1;\n}\n", [("f", 1, 4)]),
    ("static const char *\ng(int a,\n    int b)\n{\n}\n", [("g", 1, 5)]),
    ("int x;\n\n__attribute__((format(printf, 1, 2))) void f(const char *s)\n{\n}\n",
     [("f", 3, 5)]),
    ("struct s {\n\tint (*call)(void);\n};\nint a[] = {1, 2};\n", []),
    ("static const struct t x = {.f = g(1)};\nvoid h(void)\n{\n\tif (1) {\n\t}\n}\n",
     [("h", 2, 6)]),
    ("int f(void)\n{\n\tputs(\"}}{\");\n\treturn '}'; /* } */ // }\n}\n", [("f", 1, 5)]),
    ("#define M(x) do { \\\n\tx; \\\n} while (0)\nvoid f(void)\n{\n}\n", [("f", 4, 6)]),
    ("int p(void);\nvoid f(void)\n{\n}\nvoid g(void)\n{\n}\n", [("f", 2, 4), ("g", 5, 7)]),
    ("/* a\n * comment */\nvoid f(void)\n{\n}\n", [("f", 3, 5)]),
])
def test_functions(text, want):
    assert sizes.functions(text) == want


@pytest.mark.parametrize("text", ["void f(void)\n{\n", "}\n"])
def test_unbalanced(text):
    with pytest.raises(ValueError):
        sizes.functions(text)


def test_percentile():
    assert sizes.percentile([], 50) == 0
    assert sizes.percentile([7], 95) == 7
    assert sizes.percentile([1, 2, 3, 4], 50) == 2
    assert sizes.percentile(list(range(1, 101)), 95) == 95


def function(name, lines):
    return f"void {name}(void)\n{{\n" + "\tx();\n" * (lines - 3) + "}\n"


@pytest.mark.parametrize("lengths, status, says", [
    ([100, 5, 5], 1, "95 % of the functions"),
    ([100] + [5] * 30, 0, "median 5 lines"),
    ([101] + [5] * 30, 1, "f0() has 101 lines, the maximum is 100"),
    ([17, 17, 4], 1, "50 % of the functions should have at most 16 lines, but that takes 17"),
])
def test_tree(tmp_path, capsys, lengths, status, says):
    (tmp_path / "src").mkdir()
    text = "".join(function(f"f{i}", n) for i, n in enumerate(lengths))
    (tmp_path / "src" / "a.c").write_text(text)
    assert sizes.main([str(tmp_path)]) == status
    assert says in capsys.readouterr().out


def test_long_file_is_reported(tmp_path, capsys):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.c").write_text(function("f", 5) + "int x;\n" * 800)
    assert sizes.main([str(tmp_path)]) == 0
    assert "src/a.c: 805 lines" in capsys.readouterr().out


def test_nothing_is_no_success(tmp_path):
    assert sizes.main([str(tmp_path)]) == 1
