"""The words that generated functions are written with."""

INDEXES = tuple(["idx", "pos", "off", "slot", "at", "where", "row", "col", "cursor", "start"])
LENGTHS = tuple(["len", "size", "count", "total", "nbytes", "amount", "need", "avail", "want", "chunk"])
POINTERS = tuple(["node", "hdr", "obj", "item", "entry", "req", "conn", "sess", "pkt", "elem", "rec", "task"])
STRINGS = tuple(["name", "path", "user", "host", "msg", "arg", "text", "line", "key", "title"])
BUFFERS = tuple(["buf", "dst", "out", "tmp", "data", "table", "cache", "page"])
COUNTERS = tuple(["flags", "mode", "state", "level", "retries", "status", "opts", "depth"])
LOOP_INDEXES = ("i", "j", "k", "n")

VERBS = tuple(
    [
        "parse",
        "read",
        "load",
        "handle",
        "update",
        "process",
        "copy",
        "fill",
        "decode",
        "build",
        "send",
        "apply",
        "push",
        "merge",
        "open",
        "scan",
    ]
)
NOUNS = tuple(
    [
        "packet",
        "header",
        "entry",
        "record",
        "frame",
        "config",
        "option",
        "segment",
        "token",
        "message",
        "session",
        "block",
        "attr",
        "chunk",
    ]
)
STRUCTS = tuple(["node", "request", "session", "device", "packet", "entry"])
FIELDS = tuple(["len", "type", "next", "state", "id", "refs", "size"])
LOGGERS = ("log_debug", "trace", "pr_info", "log_warn")
CAPACITIES = ("16", "32", "64", "128", "256", "MAX_LEN", "BUF_SIZE", "LIMIT")
EXITS = ("return -1;", "return -EINVAL;", "return 1;", "goto out;", "goto fail;")
PROJECTS = tuple(
    [
        "amber",
        "basalt",
        "cobalt",
        "dolomite",
        "ebony",
        "flint",
        "garnet",
        "heather",
        "indigo",
        "jasper",
        "kelp",
        "linden",
    ]
)
