"""The use cases around damaged files: what a check finds, and saving what can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mplp_trace_cli.service.base import ServiceBase, operation

if TYPE_CHECKING:
    from mplp_trace_cli.storage.mending.findings import Finding
    from mplp_trace_cli.storage.mending.repair import RepairReport


class MendingService(ServiceBase):
    """Checks and repairs a store."""

    @operation
    def doctor(self) -> list[Finding]:
        """What a check of the store and its inbox found; it changes nothing."""
        from mplp_trace_cli.storage.mending.doctor import Looking, examine

        options = self._wiring.options
        return examine(Looking(self.paths, self.now(), options.memory_limit, options.threads))

    @operation
    def repair(self, to: str | None = None, *, in_place: bool = False) -> RepairReport:
        """Saves what can be read into a new store and inbox, and says what could not be.

        They go to `to`, else beside the damaged ones, `in_place` into their places; those are only read
        and, in place, renamed.
        """
        from mplp_trace_cli.storage.mending.repair import RepairPlan, beside, repair
        from mplp_trace_cli.storage.paths import StorePaths

        place = StorePaths.at(to) if to is not None else beside(self.paths)
        if in_place:
            with self._lock:
                self._close_recorder()  # which has the damaged inbox open
        return repair(RepairPlan(self.paths, None if in_place else place, self.now()))
