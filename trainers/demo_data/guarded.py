"""Weaknesses of a check: too late, in one branch only, without consequence, on another variable, outdated."""

from collections.abc import Callable
from dataclasses import dataclass

from trainers.demo_data.draft import Block, Draft, Statement, Statements, Twin
from trainers.demo_data.resources import RESOURCES, Resource
from trainers.demo_data.shares import Kind


@dataclass(frozen=True, kw_only=True)
class Site:
    """A resource with the variable in question and a second, like variable."""

    draft: Draft
    resource: Resource
    variable: str
    other: str

    @property
    def check(self) -> Block:
        """The check that leaves the function."""
        return Block(head=f"if ({self.on(self.resource.unsafe)})", body=(self.draft.leave,))

    @property
    def check_of_other(self) -> Block:
        """The same check, on the second variable."""
        return Block(head=f"if ({self.on(self.resource.unsafe, self.other)})", body=(self.draft.leave,))

    @property
    def use(self) -> str:
        """The dangerous statement."""
        return self.on(self.resource.use)

    @property
    def change(self) -> str:
        """The statement that makes an earlier check worthless."""
        return self.on(self.resource.change)

    @property
    def touch(self) -> str:
        """A harmless statement on the variable."""
        return self.on(self.resource.touch)

    @property
    def touch_of_other(self) -> str:
        """The same harmless statement, on the second variable."""
        return self.on(self.resource.touch, self.other)

    def on(self, template: str, variable: str | None = None) -> str:
        """Write `template` for a variable; default: the one in question."""
        return template.replace("{v}", variable or self.variable)


def guarded(kind: Kind, draft: Draft) -> Twin:
    """Return a twin whose members differ in how a dangerous use is checked.

    Args:
        kind: A key of `ARRANGEMENTS`.
        draft: Receives the declarations.
    """
    resource = draft.random.choice(RESOURCES)(draft)
    variable = draft.local(resource.type, resource.names, resource.source)
    other = draft.local(resource.type, resource.names, resource.source)
    # Declarations alone must not reveal which of the two is in question.
    if draft.random.random() < 0.5:
        variable, other = other, variable
    site = Site(draft=draft, resource=resource, variable=variable, other=other)
    safe, vulnerable = ARRANGEMENTS[kind](site)
    noise = draft.random.choice((site.touch, site.touch_of_other))
    return Twin(kind=kind, cwe=resource.cwe, safe=safe, vulnerable=vulnerable, noise=(noise,))


def late_check(site: Site) -> tuple[Statements, Statements]:
    """Checked before the use, or after it."""
    return (site.check, site.touch_of_other, site.use), (site.use, site.touch_of_other, site.check)


def branch_check(site: Site) -> tuple[Statements, Statements]:
    """Checked on every path, or only on the path through a branch."""
    counter = site.draft.counter()
    head = f"if ({site.draft.pick((f'{counter} > 2', f'{counter} & 4', f'{counter} == 1'))})"
    within_safe: Statement = Block(head=head, body=(site.touch_of_other,), braces=True)
    within_vulnerable: Statement = Block(head=head, body=(site.check,), braces=True)
    return (within_safe, site.check, site.use), (within_vulnerable, site.touch_of_other, site.use)


def check_goes_on(site: Site) -> tuple[Statements, Statements]:
    """The failed check leaves, or only logs and goes on; another condition does the opposite."""
    log = site.draft.log(site.draft.pick(("bad value", "too large", "refused")))
    failed = f"if ({site.on(site.resource.unsafe)})"
    unrelated = f"if ({site.draft.counter()} < {site.draft.pick(('0', '1', '3'))})"
    leaves, goes_on = (site.draft.leave,), (log,)
    safe = (Block(head=failed, body=leaves), Block(head=unrelated, body=goes_on), site.use)
    return safe, (Block(head=failed, body=goes_on), Block(head=unrelated, body=leaves), site.use)


def wrong_check(site: Site) -> tuple[Statements, Statements]:
    """The variable in question is checked, or the other one."""
    safe = (site.check, site.touch_of_other, site.use)
    return safe, (site.check_of_other, site.touch, site.use)


def changed_after_check(site: Site) -> tuple[Statements, Statements]:
    """Changed before the check, or between the check and the use."""
    return (site.change, site.check, site.use), (site.check, site.change, site.use)


ARRANGEMENTS: dict[Kind, Callable[[Site], tuple[Statements, Statements]]] = {
    Kind.LATE_CHECK: late_check,
    Kind.BRANCH_CHECK: branch_check,
    Kind.CHECK_GOES_ON: check_goes_on,
    Kind.WRONG_CHECK: wrong_check,
    Kind.CHANGED_AFTER_CHECK: changed_after_check,
}
