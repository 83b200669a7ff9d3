"""Play one trace of a scenario: its clock, its events, and the line that describes it.

This file alone knows in which order the modules' events follow each other and what they carry. The
clock counts whole microseconds from the first day's midnight. An event is stamped when it is
recorded, at the *end* of what its ``duration_ms`` measures, as ``stage_completed`` is. Nothing is
drawn from anywhere but the trace's own random sources.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from scenarios import (
    APPROVER_COMMENTS,
    COUNTRIES,
    DEBUG_EVENTS,
    FAULTS,
    MODELS,
    SOURCES,
    Fault,
    Scenario,
    Stage,
    StageKind,
    Task,
)

JsonObject = dict[str, object]
Ending = Literal["completed", "failed", "cancelled", "expired", "overdue", "active"]

SEED = "mplp-trace sample project 1"
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)

MILLISECOND = 1_000
SECOND = 1_000 * MILLISECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
TIMEOUTS = (MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR)

INCIDENT_CONTEXT = "ctx-checkout"
INCIDENT_START = 2 * DAY + 14 * HOUR
INCIDENT_END = 2 * DAY + 16 * HOUR

CROWDED_PROMPT_TOKENS = 2_600
SLOW_TOOL_FACTOR = 3


@dataclass(frozen=True)
class Job:
    """One trace to be: what runs, when, and how it is to end.

    ``overdue`` is an active trace whose time is up without anybody having written so. A fault names
    what breaks a failed trace; without one any fault of the scenario's tools may.
    """

    scenario: Scenario
    started: int
    seed: str
    ending: Ending
    trace_id: str | None = None
    name: str | None = None
    execution_id: str | None = None
    fault: Fault | None = None

    @property
    def in_incident(self) -> bool:
        """Whether the trace starts during Wednesday's trouble at the payment gateway."""
        hit = self.scenario.context_id == INCIDENT_CONTEXT
        return hit and INCIDENT_START <= self.started < INCIDENT_END


def random_source(name: str) -> random.Random:
    """Return the random source of this name, the same at every run."""
    return random.Random(f"{SEED}/{name}")


def instant(microseconds: int) -> str:
    """Write a time of the project's clock as RFC 3339."""
    moment = MONDAY + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def without_absent(fields: Mapping[str, object]) -> JsonObject:
    """Leave out the keys that have no value."""
    return {key: value for key, value in fields.items() if value is not None}


class Recording:
    """A trace being played: its clock, its random sources and the events so far.

    What decides how it breaks has a source of its own, so that a trace that fails and one that does
    not are alike up to that point.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.scenario = job.scenario
        self.rng = random_source(job.seed)
        self.fate = random_source(f"{job.seed}/fate")
        self.trace_id = job.trace_id or self.new_id()
        self.now = job.started
        self.events: list[JsonObject] = []
        self.parents: list[str] = []
        self.tool_calls = 0
        self.order = self.rng.randint(40_000, 59_999)

    def new_id(self) -> str:
        """Return a version 4 UUID drawn from the trace's own random source."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def next_event_id(self) -> str:
        """Return a UUID, or in a trace with a readable id that id and a number."""
        if self.job.trace_id is None:
            return self.new_id()
        return f"{self.job.trace_id}.{len(self.events) + 1:02d}"

    def chance(self, probability: float) -> bool:
        """Return true with this probability."""
        return self.rng.random() < probability

    def spend(self, median_ms: float, sigma: float = 0.55) -> int:
        """Let a log-normal time pass and return it in microseconds."""
        took = max(1, round(self.rng.lognormvariate(0.0, sigma) * median_ms * MILLISECOND))
        self.now += took
        return took

    def wait_out(self, limit_ms: float) -> int:
        """Let a time limit pass and the little until somebody notices; return both in µs."""
        limit = round(limit_ms * MILLISECOND)
        self.now += limit
        return limit + self.spend(12)

    def tool_median_ms(self, tool: str) -> float:
        """Return how long a tool takes: at the incident's peak payments are far slower."""
        if not self.job.in_incident:
            return self.scenario.tool_ms
        if not tool.startswith("payment."):
            return self.scenario.tool_ms * 1.6
        middle = (INCIDENT_START + INCIDENT_END) / 2
        distance = abs(self.job.started - middle) / (INCIDENT_END - middle)
        return self.scenario.tool_ms * (24.0 - 12.0 * distance)

    def emit(
        self,
        event_type: str,
        message: str,
        data: Mapping[str, object],
        *,
        level: str | None = None,
        took: int | None = None,
    ) -> str:
        """Record an event under the current parent and return its id; ``took`` is in µs."""
        self.now += round(self.rng.lognormvariate(0.0, 0.5) * 900)
        event_id = self.next_event_id()
        event: JsonObject = {
            "kind": "event",
            "event_id": event_id,
            "trace_id": self.trace_id,
            "event_type": event_type,
            "level": level or ("debug" if event_type in DEBUG_EVENTS else "info"),
            "message": message,
            "data": dict(data),
            "timestamp": instant(self.now),
            "duration_ms": None if took is None else took / MILLISECOND,
            "parent_event_id": self.parents[-1] if self.parents else None,
            "source": SOURCES[event_type],
        }
        self.events.append(without_absent(event))
        return event_id

    @contextmanager
    def inside(self, event_id: str) -> Iterator[None]:
        """Make this event the parent of those recorded within."""
        self.parents.append(event_id)
        yield
        self.parents.pop()

    def measure(self, name: str, value: float, unit: str, **tags: str) -> None:
        """Record a performance metric."""
        data: JsonObject = {"metric_name": name, "metric_value": value, "metric_unit": unit}
        if tags:
            data["tags"] = tags
        self.emit("performance_metric", f"{name} = {value} {unit}", data)

    def fill(self, template: str, **known: int) -> str:
        """Put the known numbers, and else believable ids and numbers, into a template."""
        rng = self.rng
        invented: JsonObject = {
            "order": self.order,
            "hex": f"{rng.getrandbits(40):010x}",
            "request": f"{rng.getrandbits(32):08x}",
            "n": rng.randint(1, 9),
            "column": rng.randint(1, 80),
            "tenant": rng.randint(100, 9_999),
            "tokens": rng.randint(60_001, 91_000),
            "row": rng.randint(1_000, 99_999),
            "euros": f"{rng.randint(500, 40_000) / 100:.2f}",
        }
        return template.format_map(invented | known)


# --- What happens in a stage ----------------------------------------------------------------------


def play_context(rec: Recording, _: Stage) -> None:
    """Open the context and read what is known about it."""
    context: JsonObject = {"context_id": rec.scenario.context_id, "version": rec.rng.randint(2, 40)}
    rec.spend(3)
    rec.emit("context_created", f"Context {rec.scenario.context_id} opened", context)
    if rec.chance(0.4):
        key = f"profile:{rec.rng.randint(100, 9_999)}"
        took = rec.spend(18)
        rec.emit("cache_miss", f"No cached {key}", {"key": key, "cache": "profiles"}, took=took)
    if rec.chance(0.7):
        change = {"from": "draft", "to": "active"}
        rec.emit("context_status_changed", "Context draft → active", change, level="debug")


def play_role(rec: Recording, _: Stage) -> None:
    """Give each agent its role and check what it may do."""
    for agent in rec.scenario.agents:
        role = {"role_id": f"role-{rec.rng.randint(1, 99):02d}", "agent": agent}
        rec.spend(2)
        if rec.chance(0.4):
            rec.emit("role_created", f"Role for {agent}", role)
        rec.emit("role_assigned", f"{agent} takes {role['role_id']}", role)
    agent = rec.scenario.agents[0]
    tool = rec.rng.choice(rec.scenario.tasks).tool
    check = {"agent": agent, "permission": tool, "granted": True}
    took = rec.spend(1.5)
    rec.emit("permission_checked", f"{agent} may call {tool}", check, took=took)


def play_team(rec: Recording, stage: Stage) -> None:
    """Open the context and give out the roles in one stage."""
    play_context(rec, stage)
    play_role(rec, stage)


def play_plan(rec: Recording, _: Stage) -> None:
    """Let the model draft a plan of the tasks to come."""
    play_llm_call(rec, "draft plan")
    names = [task.name for task in rec.scenario.tasks]
    plan: JsonObject = {"plan_id": f"plan-{rec.rng.getrandbits(24):06x}", "tasks": names}
    plan["strategy"] = rec.rng.choice(("sequential", "sequential", "parallel"))
    rec.emit("plan_created", f"Plan with {len(names)} task{'s'[: len(names) - 1]}", plan)


def play_confirm(rec: Recording, _: Stage) -> None:
    """Ask for approval and get it."""
    with rec.inside(ask_for_approval(rec)):
        took = rec.spend(rec.scenario.approval_ms, sigma=0.8)
        comment = rec.rng.choice(APPROVER_COMMENTS)
        approval = {"approver": "duty-lead", "decision": "approved", "comment": comment}
        rec.emit("approval_submitted", "Approved by duty-lead", approval, took=took)
    rec.emit("confirmation_completed", "Confirmation approved", {"outcome": "approved"})


def ask_for_approval(rec: Recording) -> str:
    """Record the request for approval and return its event id."""
    risk = rec.rng.choice(("low", "low", "medium", "high"))
    request: JsonObject = {
        "confirmation_id": f"cnf-{rec.rng.getrandbits(24):06x}",
        "risk": {"level": risk, "score": round(rec.rng.random(), 3)},
        "approvers": ["duty-lead"],
    }
    return rec.emit("confirmation_created", f"Waiting for approval, risk {risk}", request)


def play_execute(rec: Recording, stage: Stage) -> None:
    """Work through the stage's tasks."""
    for task in stage.tasks:
        play_task(rec, task)
    if rec.chance(0.25):
        checkpoint: JsonObject = {"events": len(rec.events), "stage": stage.name}
        rec.emit("trace_checkpoint", f"{len(rec.events)} events so far", checkpoint)


def play_task(rec: Recording, task: Task) -> None:
    """Run a task to its good end: perhaps a model call, then the tool."""
    begun = rec.now
    with rec.inside(begin_task(rec, task)):
        if rec.chance(0.25):
            play_llm_call(rec, task.name)
        play_tool_call(rec, task)
        change = {"task": task.name, "from": "running", "to": "completed"}
        took = rec.now - begun
        rec.emit("task_status_changed", f"{task.name}: completed", change, took=took)


def begin_task(rec: Recording, task: Task) -> str:
    """Record that a task runs and return the event's id."""
    agent = rec.rng.choice(rec.scenario.agents)
    change = {"task": task.name, "from": "pending", "to": "running", "agent": agent}
    return rec.emit("task_status_changed", f"{task.name}: running", change)


def play_llm_call(rec: Recording, purpose: str) -> None:
    """Ask a model, and sometimes measure what that took."""
    model = rec.rng.choice(list(MODELS))
    prompt = round(rec.rng.lognormvariate(0.0, 0.6) * 1_400)
    answer = round(rec.rng.lognormvariate(0.0, 0.7) * 260)
    took = rec.spend(350 + answer * 4.5, sigma=0.35)
    usage = {"prompt_tokens": prompt, "completion_tokens": answer}
    call: JsonObject = {"model": model, "purpose": purpose, "usage": usage, "temperature": 0.2}
    note, level = f"{model}: {prompt} tokens in, {answer} out", "info"
    if prompt > CROWDED_PROMPT_TOKENS:
        note, level = f"{model}: prompt of {prompt} tokens crowds the context window", "warn"
    with rec.inside(rec.emit("llm_call", note, call, level=level, took=took)):
        if rec.chance(0.5):
            rec.measure("tokens_used", prompt + answer, "tokens", model=model)
        if rec.chance(0.35):
            rec.measure("llm_latency", took / MILLISECOND, "ms", model=model)
        if rec.chance(0.3):
            rec.measure("cost", round((prompt + answer) * MODELS[model], 6), "USD", model=model)


def play_tool_call(rec: Recording, task: Task) -> None:
    """Call a tool that answers in the end; in bad times it stumbles first."""
    with rec.inside(begin_tool_call(rec, task)):
        if rec.chance(0.3 if rec.job.in_incident else 0.17):
            stumble(rec, task)
        took = rec.spend(rec.tool_median_ms(task.tool), sigma=0.65)
        limit = round(rec.scenario.tool_ms * SLOW_TOOL_FACTOR)
        result: JsonObject = {"tool": task.tool, "ok": True, "rows": rec.rng.randint(0, 500)}
        note, level = f"{task.tool} answered", "info"
        if took > limit * MILLISECOND:
            note = f"{task.tool} is slow: {took // MILLISECOND} ms, limit {limit} ms"
            result["limit_ms"], level = limit, "warn"
        rec.emit("tool_result", note, result, level=level, took=took)


def begin_tool_call(rec: Recording, task: Task) -> str:
    """Record that a tool is called and return the event's id."""
    rec.tool_calls += 1
    arguments: JsonObject = {"ref": rec.order, "dry_run": False}
    data: JsonObject = {"tool": task.tool, "arguments": arguments}
    return rec.emit("tool_call", f"Call {task.tool}", data)


def faults_of(task: Task) -> list[Fault]:
    """Return what may go wrong with a task's tool on any day."""
    return [fault for fault in FAULTS if task.tool in fault.tools and not fault.staged]


def stumble(rec: Recording, task: Task) -> None:
    """Announce a second attempt, and now and then say what was wrong with the first."""
    passing = [fault for fault in faults_of(task) if fault.retryable]
    if passing and rec.chance(0.33):
        fail_tool(rec, task, rec.rng.choice(passing), attempt=1)
    announce_retry(rec, task, attempt=2)


def fail_tool(rec: Recording, task: Task, fault: Fault, attempt: int) -> None:
    """Record a tool's failed answer."""
    if fault.limit_ms is None:
        took = rec.spend(rec.tool_median_ms(task.tool))
    else:
        took = rec.wait_out(fault.limit_ms)
    error = {"code": fault.code, "retryable": fault.retryable, "attempt": attempt}
    data: JsonObject = {"tool": task.tool, "ok": False, "error": error}
    note = rec.fill(fault.message, took=took // MILLISECOND, attempt=attempt)
    level = "critical" if fault.critical else "error"
    rec.emit("tool_result", note, data, level=level, took=took)


def announce_retry(rec: Recording, task: Task, attempt: int) -> None:
    """Record that the tool is tried again, and wait as long as that says."""
    pause = 200 * 2**attempt
    data = {"tool": task.tool, "attempt": attempt, "backoff_ms": pause}
    rec.emit("retry", f"Retry {task.tool}, attempt {attempt} in {pause} ms", data, level="warn")
    rec.now += pause * MILLISECOND


def play_extension(rec: Recording, stage: Stage) -> None:
    """Run the extension that ends the scenario."""
    extension: JsonObject = {"extension": f"ext-{stage.name}", "version": "1.4.2"}
    with rec.inside(rec.emit("extension_activated", f"Extension {stage.name} on", extension)):
        took = rec.spend(rec.scenario.tool_ms)
        data: JsonObject = {**extension, "result": {"delivered": True, "recipients": [rec.order]}}
        rec.emit("extension_executed", f"Extension {stage.name} ran", data, took=took)


PLAYS: Mapping[StageKind, Callable[[Recording, Stage], None]] = {
    "context": play_context,
    "team": play_team,
    "role": play_role,
    "plan": play_plan,
    "confirm": play_confirm,
    "execute": play_execute,
    "extension": play_extension,
}


# --- Stages and workflows, and how they end -------------------------------------------------------


def play_stages(rec: Recording) -> None:
    """Play the stages up to the one in which a trace that does not complete stops."""
    last = None if rec.job.ending == "completed" else last_stage(rec)
    for stage in rec.scenario.stages:
        begun = rec.now
        started = rec.emit("stage_started", f"Stage {stage.name}", {"stage": stage.name})
        with rec.inside(started):
            if stage is last:
                end_early(rec, stage, begun)
                return
            PLAYS[stage.kind](rec, stage)
            complete_stage(rec, stage, begun)


def last_stage(rec: Recording) -> Stage:
    """Return the stage in which a trace fails, is called off or falls silent."""
    stages = rec.scenario.stages
    asking = [stage for stage in stages if stage.kind == "confirm"]
    if asking and rec.job.ending != "failed":
        return asking[0]
    return rec.fate.choice([stage for stage in stages if breakable_tasks(rec.job, stage)])


def breakable_tasks(job: Job, stage: Stage) -> list[int]:
    """Return the numbers of a stage's tasks that the job's fault, or else any, may break."""
    return [
        number
        for number, task in enumerate(stage.tasks)
        if (task.tool in job.fault.tools if job.fault else faults_of(task))
    ]


def complete_stage(rec: Recording, stage: Stage, begun: int) -> None:
    """Record a stage's good end with what it produced."""
    data: JsonObject = {"stage": stage.name, "status": "success"}
    if stage.tasks:
        data["output"] = {"tasks_done": len(stage.tasks), "artifacts": [f"{stage.name}.json"]}
    took = rec.now - begun
    rec.emit("stage_completed", f"Stage {stage.name} done", data, took=took)


def end_early(rec: Recording, stage: Stage, begun: int) -> None:
    """Play the part of a stage that comes before its failure, refusal or silence."""
    if rec.job.ending == "failed":
        break_down(rec, stage, begun)
        return
    with rec.inside(leave_waiting(rec, stage)):
        took = rec.spend(rec.scenario.approval_ms)
        if rec.job.ending == "cancelled":
            cancel(rec, stage, took)
        else:
            data: JsonObject = {"events": len(rec.events), "waiting_for": stage.name}
            rec.emit("trace_checkpoint", f"Still waiting in {stage.name}", data)
    if rec.job.ending == "cancelled":
        data = {"stage": stage.name, "status": "failure", "output": None}
        note = f"Stage {stage.name} called off"
        rec.emit("stage_completed", note, data, level="warn", took=rec.now - begun)


def leave_waiting(rec: Recording, stage: Stage) -> str:
    """Record a request that gets no answer and return its event id."""
    if stage.kind == "confirm":
        return ask_for_approval(rec)
    with rec.inside(begin_task(rec, stage.tasks[0])):
        return begin_tool_call(rec, stage.tasks[0])


def cancel(rec: Recording, stage: Stage, waited: int) -> None:
    """Record that a person called it off."""
    if stage.kind == "confirm":
        refusal = {"approver": "duty-lead", "decision": "rejected", "comment": "Bitte stoppen"}
        note = "Rejected by duty-lead"
        rec.emit("approval_submitted", note, refusal, level="warn", took=waited)
    change = {"from": "active", "to": "cancelled", "by": "duty-lead"}
    rec.emit("context_status_changed", "Cancelled by duty-lead", change)


def break_down(rec: Recording, stage: Stage, begun: int) -> None:
    """Do the tasks before the broken one, then fail it and the stage for good."""
    broken = rec.fate.choice(breakable_tasks(rec.job, stage))
    task = stage.tasks[broken]
    fault = rec.job.fault or rec.fate.choice(faults_of(task))
    for earlier in stage.tasks[:broken]:
        play_task(rec, earlier)
    fail_task(rec, task, fault)
    error = {"stage": stage.name, "task": task.name, "error": {"code": fault.code}}
    note = f"Stage {stage.name} failed: {fault.code}"
    rec.emit("stage_failed", note, error, level="error", took=rec.now - begun)


def fail_task(rec: Recording, task: Task, fault: Fault) -> None:
    """Try a tool until there is no hope, and give the task up."""
    attempts = rec.fate.randint(2, 3) if fault.retryable else 1
    with rec.inside(begin_task(rec, task)):
        with rec.inside(begin_tool_call(rec, task)):
            for attempt in range(1, attempts + 1):
                if attempt > 1:
                    announce_retry(rec, task, attempt)
                fail_tool(rec, task, fault, attempt)
        change = {"task": task.name, "from": "running", "to": "failed", "attempts": attempts}
        rec.emit("task_status_changed", f"{task.name}: failed", change, level="warn")


def play_workflow(rec: Recording) -> None:
    """Frame the stages with the core module's workflow events."""
    names = [stage.name for stage in rec.scenario.stages]
    workflow_id = f"wf-{rec.rng.getrandbits(32):08x}"
    data: JsonObject = {"workflow_id": workflow_id, "stages": names}
    data["estimated_duration"] = estimated_ms(rec.scenario)
    begun = rec.now
    started = rec.emit("workflow_started", f"Workflow {workflow_id} started", data)
    with rec.inside(started):
        play_stages(rec)
        end_workflow(rec, workflow_id, begun)


def estimated_ms(scenario: Scenario) -> int:
    """Return the planned length of a workflow from its medians, to the tenth of a second."""
    asking = any(stage.kind == "confirm" for stage in scenario.stages)
    work = scenario.tool_ms * (len(scenario.tasks) + 1) + 1_000 * len(scenario.stages)
    return round((work + (scenario.approval_ms if asking else 0)) / 100) * 100


def end_workflow(rec: Recording, workflow_id: str, begun: int) -> None:
    """Record a workflow's end, unless it is still waiting or was called off."""
    data: JsonObject = {"workflow_id": workflow_id}
    if rec.job.ending == "completed":
        tasks = len(rec.scenario.tasks)
        rec.emit("plan_completed", f"All {tasks} tasks done", {"tasks": tasks})
        note = f"Workflow {workflow_id} completed"
        rec.emit("workflow_completed", note, data, took=rec.now - begun)
    if rec.job.ending == "failed":
        level = "critical" if rec.job.fault and rec.job.fault.critical else "error"
        note = f"Workflow {workflow_id} failed after {(rec.now - begun) // MILLISECOND} ms"
        rec.emit("workflow_failed", note, data, level=level, took=rec.now - begun)


def measure_trace(rec: Recording) -> None:
    """Record, for about half of the traces, what the whole used."""
    if rec.chance(0.5):
        rec.measure("tool_calls", rec.tool_calls, "count")
    if rec.chance(0.5):
        peak = round(rec.rng.lognormvariate(0.0, 0.4) * 210, 1)
        rec.measure("memory_peak", peak, "MB", agent=rec.scenario.agents[0])


# --- The trace itself -----------------------------------------------------------------------------


def play(job: Job) -> list[JsonObject]:
    """Return the line of a trace, followed by those of its events."""
    rec = Recording(job)
    name = rec.fill(job.name or rec.rng.choice(job.scenario.names))
    if job.scenario.is_workflow:
        play_workflow(rec)
    else:
        play_stages(rec)
    if job.ending in {"completed", "failed"}:
        measure_trace(rec)
    rec.spend(0.4)
    return [trace_line(rec, name), *rec.events]


def trace_line(rec: Recording, name: str) -> JsonObject:
    """Return the line of a trace with its final state."""
    status, completed, expires = final_state(rec)
    described = rec.job.trace_id is not None or rec.chance(0.35)
    return without_absent(
        {
            "kind": "trace",
            "trace_id": rec.trace_id,
            "context_id": rec.scenario.context_id,
            "execution_id": execution_id(rec),
            "trace_type": rec.scenario.trace_type,
            "name": name,
            "description": rec.scenario.description if described else None,
            "status": status,
            "metadata": metadata(rec),
            "tags": tags(rec),
            "started_at": instant(rec.job.started),
            "completed_at": None if completed is None else instant(completed),
            "expires_at": None if expires is None else instant(expires),
        }
    )


def final_state(rec: Recording) -> tuple[str, int | None, int | None]:
    """Return status, completed_at and expires_at."""
    elapsed = rec.now - rec.job.started
    deadline = rec.job.started + next(limit for limit in TIMEOUTS if limit > elapsed)
    match rec.job.ending:
        case "expired":
            return "expired", deadline, deadline
        case "overdue":
            return "active", None, deadline
        case "active":
            return "active", None, None
        case _:
            return rec.job.ending, rec.now, deadline if rec.chance(0.25) else None


def execution_id(rec: Recording) -> str | None:
    """Return the run that a trace belongs to; about a quarter belong to none."""
    fallback = f"exec-{rec.rng.getrandbits(32):08x}" if rec.chance(0.75) else None
    return rec.job.execution_id or fallback


def metadata(rec: Recording) -> JsonObject:
    """Return nested facts about deployment, customer and agents."""
    rng = rec.rng
    release = 14 + rec.job.started // DAY
    deploy: JsonObject = {"version": f"2.{release}.{rng.randint(0, 3)}", "canary": rec.chance(0.1)}
    facts: JsonObject = {"deploy": deploy, "agents": list(rec.scenario.agents)}
    if rec.scenario.context_id in {"ctx-checkout", "ctx-onboarding", "ctx-support-bot"}:
        country = rng.choice(COUNTRIES)
        facts["customer"] = {"id": rng.randint(1_000, 9_999), "country": country}
    if rec.scenario.context_id == "ctx-checkout":
        facts["basket"] = {"items": rng.randint(1, 9), "total": rng.randint(900, 45_000) / 100}
    return facts


def tags(rec: Recording) -> list[str]:
    """Return the scenario's tags, and one more for a trace in Wednesday's incident."""
    extra = ["incident-2026-03-04"] if rec.job.in_incident else []
    return [*rec.scenario.tags, *extra]
