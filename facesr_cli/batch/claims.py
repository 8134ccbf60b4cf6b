"""The output directories of a run while it writes to them: locked, with open journals, without leftovers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from facesr_cli.batch.agenda import Plan, refused
from facesr_cli.batch.atomic import sweep_parts
from facesr_cli.batch.descriptors import make_room
from facesr_cli.batch.lock import DirectoryLock
from facesr_cli.batch.plan import Job
from facesr_cli.errors import CapabilityError, WriteFailedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What `claim` gives."""

    plan: Plan
    """As planned while nobody else could write; photographs that have nowhere to go are settled as failed."""
    unlocked: tuple[Path, ...]
    """Output directories on file systems that know no locks."""


@contextmanager
def claim(make_plan: Callable[[], Plan]) -> Iterator[Claimed]:
    """Make a plan, and keep other runs out of the directories that it will write to.

    Locked are directories in which there is something to do, and those that a killed run has left in
    disorder. All others stay as they are.

    Args:
        make_plan: Called once more where another run has worked between planning and locking.

    Raises:
        CapabilityError: Another run writes to one of the directories, or they are more than the system lets
            one process hold open.
    """
    plan = make_plan()
    locks: dict[Path, DirectoryLock] = {}
    unusable: dict[Path, WriteFailedError] = {}
    try:
        while fresh := {job.out_root for job in plan.todo} - locks.keys() - unusable.keys():
            make_room(len(locks) + len(fresh))
            for root in fresh:
                lock = DirectoryLock(root)
                try:
                    lock.take()
                except WriteFailedError as error:
                    unusable[root] = error
                else:
                    locks[root] = lock
            if any(journal.is_stale() for root, journal in plan.journals.items() if root in locks):
                plan = make_plan()
        locks |= _left_in_disorder(plan, locks)
        for root in locks.keys() & plan.journals.keys():  # a second plan may do without a directory
            try:
                plan.journals[root].open()
            except WriteFailedError as error:
                unusable[root] = error
        failed = {job: refused(job, unusable[job.out_root]) for job in plan.todo if job.out_root in unusable}
        plan = replace(plan, settled=plan.settled | failed)
        # The roots too: there journals are put in order.
        sweep_parts(locks.keys() | {job.destination.parent for job in _inside(plan) if job.out_root in locks})
        yield Claimed(plan=plan, unlocked=tuple(root for root, lock in locks.items() if not lock.supported))
    finally:
        for journal in plan.journals.values():
            journal.close()
        for lock in locks.values():
            lock.release()


def _left_in_disorder(plan: Plan, locks: Mapping[Path, DirectoryLock]) -> dict[Path, DirectoryLock]:
    """Lock directories with nothing to do in them where a killed run has left its lock file.

    Closing their journals then brings them in order. Where another run is at work, that is its business.
    """
    found: dict[Path, DirectoryLock] = {}
    for root in plan.journals.keys() - locks.keys():
        lock = DirectoryLock(root)
        if os.path.lexists(lock.path):
            with suppress(CapabilityError, WriteFailedError):
                make_room(len(locks) + len(found) + 1)
                lock.take()
                found[root] = lock
                if plan.journals[root].is_stale():  # its own run has brought it in order meanwhile
                    found.pop(root).release()
    return found


def _inside(plan: Plan) -> Iterator[Job]:
    """Yield the jobs whose directories really lie in their output directory."""
    for job in plan.jobs:
        result = plan.settled.get(job)
        if result is None or result.reason != "outside-output":
            yield job
