"""Things that are dangerous to use unchecked: what the check, the use and a change of each look like.

In the templates `{v}` stands for the variable in question.
"""

from collections.abc import Callable
from dataclasses import dataclass

from trainers.demo_data.draft import Draft
from trainers.demo_data.names import (
    BUFFERS,
    CAPACITIES,
    COUNTERS,
    FIELDS,
    INDEXES,
    LENGTHS,
    POINTERS,
    STRINGS,
    STRUCTS,
)

UNSIGNED = ("size_t ", "unsigned int ", "unsigned long ")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One dangerous use and all that belongs to it.

    Args:
        cwe: The weakness when the use comes unchecked.
        names: Where names of such variables come from.
        type: C type, with the space that a name needs before it.
        source: Expression that an untrusted value comes from.
        unsafe: Condition that holds when the use must not happen.
        use: The dangerous statement.
        change: A statement after which an earlier check no longer holds.
        touch: A harmless statement that reads the variable.
    """

    cwe: int
    names: tuple[str, ...]
    type: str
    source: str
    unsafe: str
    use: str
    change: str
    touch: str


def number_touch(draft: Draft) -> str:
    """Return a harmless statement on a number."""
    if draft.random.random() < 0.3:
        return f"{draft.checksum()} ^= {{v}};"
    return draft.pick(("stats_add({v});", draft.log("value %u", "{v}")))


def text_touch(draft: Draft) -> str:
    """Return a harmless statement on a string."""
    if draft.random.random() < 0.3:
        return f"{draft.checksum()} ^= strlen({{v}});"
    return draft.pick(("puts({v});", draft.log("text %s", "{v}")))


def buffer_write(draft: Draft) -> Resource:
    """CWE-787: an index into a buffer that is written."""
    capacity = draft.pick(CAPACITIES)
    buffer, text = draft.array(BUFFERS, capacity), draft.parameter("const char *", STRINGS)
    limit = draft.pick((capacity, f"sizeof({buffer})"))
    return Resource(
        cwe=787,
        names=INDEXES,
        type=draft.pick(UNSIGNED),
        source=draft.pick((f"get_u16({text})", f"read_len({text})")),
        unsafe=draft.pick((f"{{v}} >= {limit}", f"{limit} <= {{v}}")),
        use=draft.pick((f"{buffer}[{{v}}] = {text}[0];", f"{buffer}[{{v}}] = 0;")),
        change=draft.pick((f"{{v}} += {text}[1];", f"{{v}} = get_u16({text});")),
        touch=number_touch(draft),
    )


def buffer_read(draft: Draft) -> Resource:
    """CWE-125: an index into a buffer that is read."""
    capacity = draft.pick(CAPACITIES)
    buffer, text = draft.array(BUFFERS, capacity), draft.parameter("const char *", STRINGS)
    value = draft.local("int ", COUNTERS, "0")
    limit = draft.pick((capacity, f"sizeof({buffer})"))
    return Resource(
        cwe=125,
        names=INDEXES,
        type=draft.pick(UNSIGNED),
        source=draft.pick((f"get_u16({text})", f"read_len({text})")),
        unsafe=draft.pick((f"{{v}} >= {limit}", f"{limit} <= {{v}}")),
        use=draft.pick((f"{value} += {buffer}[{{v}}];", f"{value} = {buffer}[{{v}}];")),
        change=draft.pick((f"{{v}} += {text}[1];", f"{{v}} = get_u16({text});")),
        touch=number_touch(draft),
    )


def copy_length(draft: Draft) -> Resource:
    """CWE-121: a length of bytes copied into a buffer on the stack."""
    capacity = draft.pick(CAPACITIES)
    buffer, text = draft.array(BUFFERS, capacity), draft.parameter("const char *", STRINGS)
    limit = draft.pick((capacity, f"sizeof({buffer})"))
    return Resource(
        cwe=121,
        names=LENGTHS,
        type=draft.pick(UNSIGNED),
        source=draft.pick((f"get_u16({text})", f"read_len({text})")),
        unsafe=draft.pick((f"{{v}} > {limit}", f"{limit} < {{v}}")),
        use=draft.pick((f"memcpy({buffer}, {text}, {{v}});", f"memmove({buffer}, {text}, {{v}});")),
        change=draft.pick((f"{{v}} += read_len({text});", f"{{v}} = get_u16({text});")),
        touch=number_touch(draft),
    )


def looked_up_pointer(draft: Draft) -> Resource:
    """CWE-476: a pointer that may be null."""
    struct, field = draft.pick(STRUCTS), draft.pick(FIELDS)
    key = draft.parameter("int ", COUNTERS)
    return Resource(
        cwe=476,
        names=POINTERS,
        type=f"struct {struct} *",
        source=draft.pick((f"find_{struct}({key})", f"malloc(sizeof(struct {struct}))", f"lookup({key})")),
        unsafe=draft.pick(("{v} == NULL", "!{v}")),
        use=draft.pick((f"{{v}}->{field} = {key};", f"{{v}}->{field}++;", f"{key} = {{v}}->{field};")),
        change=draft.pick((f"{{v}} = find_{struct}({key});", f"{{v}} = lookup({key});")),
        touch=draft.pick((draft.log("pointer %p", "{v}"), "list_note({v});")),
    )


def element_count(draft: Draft) -> Resource:
    """CWE-190: a count whose product with an element's size may wrap before an allocation."""
    struct, text = draft.pick(STRUCTS), draft.parameter("const char *", STRINGS)
    pointer = draft.local(f"struct {struct} *", POINTERS, "NULL")
    size = draft.pick((f"sizeof(*{pointer})", f"sizeof(struct {struct})"))
    return Resource(
        cwe=190,
        names=LENGTHS,
        type=draft.pick(UNSIGNED),
        source=draft.pick((f"get_u32({text})", f"read_len({text})")),
        unsafe=draft.pick((f"{{v}} > SIZE_MAX / {size}", "{v} > MAX_ENTRIES")),
        use=f"{pointer} = malloc({{v}} * {size});",
        change=draft.pick((f"{{v}} += read_len({text});", f"{{v}} = get_u32({text});")),
        touch=number_touch(draft),
    )


def shell_command(draft: Draft) -> Resource:
    """CWE-78: a string that goes to a shell."""
    text = draft.parameter("const char *", STRINGS)
    return Resource(
        cwe=78,
        names=STRINGS,
        type="char *",
        source=draft.pick((f"get_field({text})", f"strdup({text})", f"getenv({text})")),
        unsafe=draft.pick(("!is_safe({v})", "strpbrk({v}, SHELL_CHARS)", "has_meta({v})")),
        use=draft.pick(("system({v});", "run_shell({v});")),
        change=draft.pick((f"{{v}} = get_field({text});", f"{{v}} = read_text({text});")),
        touch=text_touch(draft),
    )


def format_string(draft: Draft) -> Resource:
    """CWE-134: a string that becomes a format."""
    text = draft.parameter("const char *", STRINGS)
    return Resource(
        cwe=134,
        names=STRINGS,
        type="char *",
        source=draft.pick((f"get_field({text})", f"strdup({text})", f"getenv({text})")),
        unsafe=draft.pick(("strchr({v}, PERCENT)", "has_percent({v})", "!is_plain({v})")),
        use=draft.pick(("printf({v});", "syslog(LOG_INFO, {v});", "fprintf(stderr, {v});")),
        change=draft.pick((f"{{v}} = get_field({text});", f"{{v}} = read_text({text});")),
        touch=text_touch(draft),
    )


RESOURCES: tuple[Callable[[Draft], Resource], ...] = (
    buffer_write,
    buffer_read,
    copy_length,
    looked_up_pointer,
    element_count,
    shell_command,
    format_string,
)
