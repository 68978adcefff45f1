"""C and C++ that is made to cost time or memory: each shape by its size, so that size n and 2n can be compared.

A shape is a function of n that returns source of about `BYTES_PER_N * n` characters, one function of it where possible.
"""

from collections.abc import Callable, Mapping

Shape = Callable[[int], str]


def _nested(opening: str, inner: str, closing: str, *, around: tuple[str, str] = ("void f(int a) { ", " }")) -> Shape:
    return lambda n: around[0] + opening * n + inner + closing * n + around[1]


def _repeated(part: str, *, around: tuple[str, str] = ("void f(int a, int b) { ", " }")) -> Shape:
    return lambda n: around[0] + part * n + around[1]


def _numbered(part: str, *, around: tuple[str, str] = ("void f(int a) { ", " }"), joined: str = "") -> Shape:
    return lambda n: around[0] + joined.join(part.format(i=i, mirrored=n - 1 - i) for i in range(n)) + around[1]


TOP = ("", "")
VALUE = ("int f(int a, int b) { return ", "; }")
SHAPES: Mapping[str, Shape] = {
    # Nested.
    "blocks": _nested("{", "a--;", "}"),
    "ifs": _nested("if(a){", "a--;", "}"),
    "whiles": _nested("while(a){", "a--;", "}"),
    "whiles_that_assign": _numbered("while(a){{ v{i}=a;", around=("void f(int a){", "")),
    "fors": _nested("for(a=0;a<3;a++){", "a--;", "}"),
    "dos": _nested("do{", "a--;", "}while(a);"),
    "switches": _nested("switch(a){case 1:", "a--;", "}"),
    "tries": _nested("try{", "g();", "}catch(...){}"),
    "parentheses": _nested("(", "a", ")", around=VALUE),
    "ternaries": _nested("a?", "a", ":b", around=VALUE),
    "calls": _nested("g(", "a", ")", around=VALUE),
    "subscripts": _nested("a[", "a", "]", around=VALUE),
    "casts": _nested("(char*)", "a", "", around=VALUE),
    "pointers": _nested("*", "a=1;", ""),
    "lambdas": _nested("auto x=[](){", "", "};"),
    "namespaces": _nested("namespace a{", "void f(){}", "}", around=TOP),
    "namespaces_with_functions": _nested("namespace a{void g(){}", "", "}", around=TOP),
    "structs": _nested("struct a{", "int x;", "};", around=TOP),
    "templates": _nested("A<", "int", ">", around=("", " f(){}")),
    "initialisers": _nested("{", "1", "}", around=("int a[]=", ";")),
    "conditions": _nested("#if A\n", "int f(){return 1;}\n", "#endif\n", around=TOP),
    # One after another.
    "else_ifs": _repeated("if(a==1){a=2;}else ", around=("void f(int a){", "{a--;}}")),
    "assignments": _repeated("a=a+1;"),
    "assignments_that_may_be_skipped": lambda n: "void f(int a,int b){" + "if(b)a=1;" * n + "g(a);" * n + "}",
    "assignments_in_conditions": lambda n: "void f(int a,int b){" + "b&&(a=1);" * n + "g(a);" * n + "}",
    "assignment_chain": _repeated("a=", around=("void f(int a){", "1;}")),
    "commas": _repeated("a=b,", around=("void f(int a,int b){", "a=b;}")),
    "variables": _numbered("int v{i}=v{mirrored};"),
    "declarators": _numbered("v{i}", around=("void f(){int ", ";}"), joined=","),
    "members": _repeated(".b", around=("void f(int a){a", "=1;}")),
    "member_calls": _repeated(".b(a)", around=("void f(int a){a", ";}")),
    "arguments_that_change": _repeated("a,", around=("void f(int a){memcpy(", "a);}")),
    "operators": _repeated("+a", around=("int f(int a){return a", ";}")),
    "gotos": _numbered("l{i}: if(a) goto l{mirrored};"),
    "labels": _numbered("l{i}:", around=("void f(){", ";}")),
    "cases": _numbered("case {i}: a={i}; break;", around=("void f(int a){switch(a){", "}}")),
    "functions": _repeated("void f(){}\n", around=TOP),
    "functions_in_branches": _repeated("#if A\nvoid f(){\n#else\nvoid g(){\n#endif\n}\nvoid h(){}\n", around=TOP),
    "statements_in_branches": lambda n: (
        "void f(int a){\n#if A\n" + "a=1;" * n + "\n#else\n" + "a=2;" * n + "\n#endif\n}"
    ),
    "strings": _repeated('"a"', around=("char*f(){return ", ";}")),
    "macros": _repeated("#define A(x) x\n", around=("", "void f(){A(1);}")),
    # Not whole.
    "open_blocks": _repeated("{", around=("void f(){", "")),
    "open_parentheses": _repeated("(", around=("void f(){", "")),
    "open_conditions": _repeated("#if A\n", around=("", "void f(){}")),
    "closing_braces": _repeated("}", around=TOP),
    "unclosed_comments": _repeated("/*", around=("void f(){", "")),
    "unclosed_strings": _repeated('\\"', around=('void f(){\ng("', "\n}")),
    "unclosed_characters": _repeated("\\'\\\"", around=("void f(){\ng('", "\n}")),
    "stray_marks": _repeated("@ ", around=("void f(){", "}")),
    "exported_classes": _repeated("class A ", around=("", "B{void f(){}};")),
    "spaces_after_a_class": _repeated(" ", around=("class AB", "c")),
    "one_line_of_letters": _repeated("abcdefgh", around=("void f(){", ";}")),
}

# Whole files for those who look for functions: mistakes at which something is looked for, again and again.
FILE_SHAPES: Mapping[str, Shape] = {
    "unclosed_functions": _repeated("void f(int a){\n  x();\n", around=TOP),
    "unclosed_functions_in_ever_other_columns": lambda n: "".join(
        " " * (i % 40) + "void f(int a){\n" + " " * (i % 40) + "  x();\n" for i in range(n)
    ),
    "unclosed_heads": _repeated("int f(int\n", around=TOP),
    "unclosed_calls": _repeated("f(", around=TOP),
    "branches_in_branches": lambda n: "#if A\n{\n#else\n{\n" * n + "x\n" + "#endif\n" * n,
    "branches_in_a_row": lambda n: "#if A\n{\n" + "#elif B\n{ ;\n" * n + "#endif\n",
    "unclosed_raw_strings": _numbered('R"{i}(', around=TOP),
    "old_style_heads": _repeated("f(a) int a;{", around=TOP),
    "values": _repeated("a={1},", around=("int ", "")),
    "members": _repeated("a{1},", around=("A::A():", "")),
    "template_heads": lambda n: "template<" * n + ">" * n + " void f(){}",
    "requirements": _repeated("requires(T t){t;} ", around=("template<class T> ", "")),
    "signs_of_directives": _repeated("# ", around=TOP),
    "conversions": _repeated("operator x() ", around=TOP),
    "groups": _repeated("f(a) ", around=("", "{}")),
    "open_classes": _repeated("class A : B {", around=TOP),
    "lines_like_heads": _repeated("int x y\n", around=("void f(){\n  a;\n", "}")),
    "lines_like_open_heads": _repeated("int x((((((((((a\n", around=("void f(){\n  a;\n", "}")),
    "braces_too_many": _repeated("void f()\n{\n  x\n  }\n  y\n", around=TOP),
    "lines_of_a_value": _repeated("a b\n", around=("int x=", "{}")),
    "blank_lines": _repeated(" " * 50 + "\n", around=("void f(){", "}")),
}
