"""The words that generated functions are written with."""

INDEXES = ("idx", "pos", "off", "slot", "at", "where", "row", "col", "cursor", "start")
LENGTHS = ("len", "size", "count", "total", "nbytes", "amount", "need", "avail", "want", "chunk")
POINTERS = ("node", "hdr", "obj", "item", "entry", "req", "conn", "sess", "pkt", "elem", "rec", "task")
STRINGS = ("name", "path", "user", "host", "msg", "arg", "text", "line", "key", "title")
BUFFERS = ("buf", "dst", "out", "tmp", "data", "table", "cache", "page")
COUNTERS = ("flags", "mode", "state", "level", "retries", "status", "opts", "depth")
LOOP_INDEXES = ("i", "j", "k", "n")

VERBS = (
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
)
NOUNS = (
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
)
STRUCTS = ("node", "request", "session", "device", "packet", "entry")
FIELDS = ("len", "type", "next", "state", "id", "refs", "size")
LOGGERS = ("log_debug", "trace", "pr_info", "log_warn")
CAPACITIES = ("16", "32", "64", "128", "256", "MAX_LEN", "BUF_SIZE", "LIMIT")
EXITS = ("return -1;", "return -EINVAL;", "return 1;", "goto out;", "goto fail;")
PROJECTS = (
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
)
