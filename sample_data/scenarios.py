"""What the sample company does: its scenarios, its tools' faults and its load.

Only facts stand here, as frozen values; ``playback.py`` turns a scenario into a trace and
``generate.py`` decides which run when. Times are medians in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

StageKind = Literal["context", "team", "role", "plan", "confirm", "execute", "extension"]


@dataclass(frozen=True)
class Fault:
    """A kind of error that comes back with other ids and numbers in it.

    A fault with a limit takes about that many milliseconds to show; a staged one happens only where
    ``generate.py`` asks for it.
    """

    code: str
    message: str
    tools: tuple[str, ...]
    retryable: bool = True
    limit_ms: float | None = None
    staged: bool = False
    critical: bool = False


@dataclass(frozen=True)
class Task:
    """A step of a plan and the tool its agent calls for it."""

    name: str
    tool: str


@dataclass(frozen=True)
class Stage:
    """A named stretch of a trace; the kind says which modules' events it plays."""

    name: str
    kind: StageKind
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True)
class Scenario:
    """Everything that traces of one sort have in common."""

    context_id: str
    trace_type: str
    names: tuple[str, ...]
    tags: tuple[str, ...]
    agents: tuple[str, ...]
    stages: tuple[Stage, ...]
    tool_ms: float
    approval_ms: float
    description: str | None = None

    @property
    def is_workflow(self) -> bool:
        """Whether the core module frames the stages with workflow events."""
        return self.trace_type in {"workflow_execution", "background_task"}

    @property
    def tasks(self) -> list[Task]:
        """The tasks of all stages, in order."""
        return [task for stage in self.stages for task in stage.tasks]


@dataclass(frozen=True)
class Load:
    """How many traces of a scenario start on each of the five days, and at which hours."""

    scenario: Scenario
    per_day: tuple[int, int, int, int, int]
    hours: Mapping[int, int]


GATEWAY_TIMEOUT = Fault(
    "GATEWAY_TIMEOUT",
    "Payment gateway timed out after {took} ms (order {order}, attempt {attempt})",
    ("payment.charge", "payment.authorize"),
    limit_ms=10_000,
)
GATEWAY_503 = Fault(
    "GATEWAY_UNAVAILABLE",
    "HTTP 503 from https://psp.example/v2/charges/ch_{hex} (request {request})",
    ("payment.charge", "payment.authorize"),
)
DOUBLE_CHARGE = Fault(
    "DOUBLE_CHARGE",
    "Order {order} charged twice: ch_{hex} and ch_{request}",
    ("payment.charge",),
    retryable=False,
    staged=True,
    critical=True,
)
REFUND_DENIED = Fault(
    "PERMISSION_DENIED",
    "Permission denied: role support-agent may not refund {euros} EUR (policy {n})",
    ("billing.refund",),
    retryable=False,
)
BAD_ROW = Fault(
    "BAD_VALUE",
    'Row {row} of batch {n}: value "n/a" in column net_amount is not a decimal',
    ("sql.run",),
    retryable=False,
)
DISK_FULL = Fault(
    "DISK_FULL",
    "Disk 97 % full on worker etl-{n}: {row} MB needed",
    ("warehouse.copy",),
    retryable=False,
    staged=True,
    critical=True,
)
FAULTS = (
    GATEWAY_TIMEOUT,
    GATEWAY_503,
    DOUBLE_CHARGE,
    REFUND_DENIED,
    BAD_ROW,
    DISK_FULL,
    Fault(
        "CONNECTION_REFUSED",
        "Connection to inventory-db-{n}:5432 refused",
        ("inventory.reserve", "pricing.quote"),
    ),
    Fault(
        "RATE_LIMIT",
        "Rate limit exceeded: {tokens} of 60000 tokens per minute used by tenant {tenant}",
        ("fraud.score", "kb.search", "mailer.draft", "eval.generate", "registry.lookup"),
    ),
    Fault(
        "MODEL_OUTPUT",
        "Model lumen-large-2 returned invalid JSON at line {n} column {column}",
        ("fraud.score", "mailer.draft", "eval.grade", "eval.compare", "crm.write"),
    ),
    Fault(
        "CONFLICT",
        "CRM record {tenant} changed since version {n}; write refused",
        ("crm.write",),
    ),
    Fault("MAIL_DEFERRED", "SMTP 451 from mx{n}.mail.example: {hex} deferred", ("mailer.send",)),
    Fault(
        "LOCK_TIMEOUT",
        "Table staging.orders locked by session {row} for {took} ms",
        ("warehouse.copy", "warehouse.swap", "warehouse.list"),
        limit_ms=60_000,
    ),
)

CONTEXT = Stage("context", "context")
TEAM = Stage("context", "team")
ROLE = Stage("role", "role")
PLAN = Stage("plan", "plan")
CONFIRM = Stage("confirm", "confirm")

CHECKOUT_API = Scenario(
    context_id="ctx-checkout",
    trace_type="api_request",
    names=("POST /v2/checkout", "POST /v2/checkout", "POST /v2/express", "PUT /v2/order"),
    tags=("prod", "checkout", "api"),
    agents=("checkout-agent",),
    stages=(
        Stage(
            "execute",
            "execute",
            (Task("price basket", "pricing.quote"), Task("authorize card", "payment.authorize")),
        ),
    ),
    tool_ms=130,
    approval_ms=400,
)
CHECKOUT_FLOW = Scenario(
    context_id="ctx-checkout",
    trace_type="workflow_execution",
    names=(
        "Checkout order {order}",
        "Checkout order {order}",
        "Checkout Bestellung {order} (Köln)",
    ),
    tags=("prod", "checkout"),
    agents=("checkout-agent", "risk-reviewer"),
    stages=(
        TEAM,
        PLAN,
        CONFIRM,
        Stage(
            "execute",
            "execute",
            (
                Task("hold stock", "inventory.reserve"),
                Task("score fraud risk", "fraud.score"),
                Task("charge card", "payment.charge"),
                Task("send receipt", "mailer.send"),
            ),
        ),
    ),
    tool_ms=240,
    approval_ms=1_500,
    description="Agents take an order from basket to paid: reserve, score, charge, confirm.",
)
ONBOARDING_FLOW = Scenario(
    context_id="ctx-onboarding",
    trace_type="workflow_execution",
    names=(
        "Onboard Müller GmbH",
        "Onboard Acme Tooling",
        "Onboard 株式会社さくら",
        "Onboard Łódź Logistics",
        "Onboard Bäckerei Grün & Söhne",
        "Onboard Northwind Farms",
    ),
    tags=("prod", "onboarding"),
    agents=("intake-agent", "compliance-agent", "account-manager"),
    stages=(
        CONTEXT,
        ROLE,
        PLAN,
        CONFIRM,
        Stage(
            "provision",
            "execute",
            (
                Task("check company register", "registry.lookup"),
                Task("create account", "crm.write"),
                Task("invite users", "mailer.send"),
            ),
        ),
        Stage("welcome", "extension"),
    ),
    tool_ms=900,
    approval_ms=240_000,
    description="A new business customer, from signed contract to first login.",
)
ONBOARDING_REPLAN = Scenario(
    context_id="ctx-onboarding",
    trace_type="module_operation",
    names=("plan.replan", "confirm.remind", "role.rebalance"),
    tags=("prod", "onboarding", "maintenance"),
    agents=("intake-agent",),
    stages=(CONTEXT, PLAN, Stage("apply", "execute", (Task("update plan", "crm.write"),))),
    tool_ms=350,
    approval_ms=30_000,
)
SUPPORT_FLOW = Scenario(
    context_id="ctx-support-bot",
    trace_type="workflow_execution",
    names=(
        "Ticket {tenant}: invoice missing",
        "Ticket {tenant}: wo ist mein Paket?",
        "Ticket {tenant}: お支払い方法の変更",
        "Ticket {tenant}: refund request",
        "Ticket {tenant}: login loop 🔁",
    ),
    tags=("prod", "support"),
    agents=("support-agent", "knowledge-agent"),
    stages=(
        TEAM,
        PLAN,
        Stage(
            "answer",
            "execute",
            (
                Task("search knowledge base", "kb.search"),
                Task("settle refund", "billing.refund"),
                Task("draft reply", "mailer.draft"),
            ),
        ),
        CONFIRM,
    ),
    tool_ms=420,
    approval_ms=45_000,
    description="One customer question, from first message to closed ticket.",
)
SUPPORT_API = Scenario(
    context_id="ctx-support-bot",
    trace_type="api_request",
    names=("POST /v1/messages", "GET /v1/answers"),
    tags=("prod", "support", "api"),
    agents=("support-agent",),
    stages=(
        CONTEXT,
        Stage("answer", "execute", (Task("search knowledge base", "kb.search"),)),
    ),
    tool_ms=160,
    approval_ms=5_000,
)
LAB_RUN = Scenario(
    context_id="ctx-agent-lab",
    trace_type="custom",
    names=("Prompt A/B 🧪", "Bewertung: Übersetzungsqualität", "プロンプト評価 第3回"),
    tags=("lab", "evaluation"),
    agents=("judge-agent", "writer-agent"),
    stages=(
        ROLE,
        PLAN,
        Stage(
            "evaluate",
            "execute",
            (
                Task("generate candidates", "eval.generate"),
                Task("grade candidates", "eval.grade"),
                Task("compare with baseline", "eval.compare"),
            ),
        ),
        Stage("report", "extension"),
    ),
    tool_ms=5_000,
    approval_ms=60_000,
    description="Try a changed prompt against the last accepted one.",
)
NIGHTLY_ETL = Scenario(
    context_id="ctx-nightly-etl",
    trace_type="background_task",
    names=("Nightly ETL",),
    tags=("prod", "batch", "nightly"),
    agents=("etl-planner", "etl-worker"),
    stages=(
        CONTEXT,
        PLAN,
        Stage(
            "extract",
            "execute",
            (
                Task("copy orders", "warehouse.copy"),
                Task("copy tickets", "warehouse.copy"),
                Task("copy customers", "warehouse.copy"),
            ),
        ),
        Stage(
            "transform",
            "execute",
            (Task("clean amounts", "sql.run"), Task("join customers", "sql.run")),
        ),
        Stage(
            "load",
            "execute",
            (Task("publish orders mart", "warehouse.swap"), Task("publish KPIs", "warehouse.swap")),
        ),
        Stage("report", "extension"),
    ),
    tool_ms=110_000,
    approval_ms=1_000,
    description="Copies the day's data to the warehouse and rebuilds the marts.",
)
ETL_OPERATION = Scenario(
    context_id="ctx-nightly-etl",
    trace_type="module_operation",
    names=("extension.snapshot", "context.archive", "plan.vacuum"),
    tags=("prod", "batch"),
    agents=("etl-worker",),
    stages=(
        CONTEXT,
        Stage(
            "work",
            "execute",
            (Task("list partitions", "warehouse.list"), Task("copy partitions", "warehouse.copy")),
        ),
    ),
    tool_ms=25_000,
    approval_ms=1_000,
)

OFFICE_HOURS = {7: 1, 8: 4, 9: 8, 10: 9, 11: 8, 12: 4, 13: 6, 14: 8, 15: 7, 16: 6, 17: 3, 18: 1}
SHOP_DAY = {8: 4, 9: 6, 10: 8, 11: 8, 12: 7, 13: 6, 14: 7, 15: 6, 16: 6, 17: 6}
SHOP_EVENING = {18: 5, 19: 5, 20: 5, 21: 3, 22: 2}
SHOP_HOURS = {0: 1, 7: 2} | SHOP_DAY | SHOP_EVENING
LAB_HOURS = {10: 2, 11: 3, 14: 3, 15: 3, 17: 2, 19: 1}

LOADS = (
    Load(CHECKOUT_API, (10, 9, 9, 9, 7), SHOP_HOURS),
    Load(CHECKOUT_FLOW, (7, 6, 5, 6, 5), SHOP_HOURS),
    Load(ONBOARDING_FLOW, (5, 4, 5, 4, 4), OFFICE_HOURS),
    Load(ONBOARDING_REPLAN, (2, 2, 2, 2, 2), OFFICE_HOURS),
    Load(SUPPORT_FLOW, (6, 6, 6, 5, 4), OFFICE_HOURS),
    Load(SUPPORT_API, (4, 4, 4, 4, 3), OFFICE_HOURS),
    Load(LAB_RUN, (1, 2, 2, 2, 2), LAB_HOURS),
)

# What comes on top on Wednesday afternoon: customers who try again.
INCIDENT_LOADS = ((CHECKOUT_FLOW, 8), (CHECKOUT_API, 6))

# Invented models, with their price in USD a token.
MODELS = {"lumen-large-2": 9e-6, "lumen-mini-2": 8e-7, "kestrel-70b": 3e-6, "pinyon-chat-1": 1.5e-6}
COUNTRIES = ("DE", "JP", "PL", "US", "FR")
APPROVER_COMMENTS = ("ok", "looks right", "Passt, danke!", "問題ありません", "go 👍", "")

SOURCES = {
    "context_created": "context",
    "context_status_changed": "context",
    "cache_miss": "context",
    "plan_created": "plan",
    "task_status_changed": "plan",
    "plan_completed": "plan",
    "confirmation_created": "confirm",
    "approval_submitted": "confirm",
    "confirmation_completed": "confirm",
    "role_created": "role",
    "role_assigned": "role",
    "permission_checked": "role",
    "llm_call": "role",
    "tool_call": "extension",
    "tool_result": "extension",
    "retry": "extension",
    "extension_activated": "extension",
    "extension_executed": "extension",
    "workflow_started": "core",
    "workflow_completed": "core",
    "workflow_failed": "core",
    "stage_started": "core",
    "stage_completed": "core",
    "stage_failed": "core",
    "performance_metric": "core",
    "trace_checkpoint": "trace",
}
DEBUG_EVENTS = frozenset(
    {"cache_miss", "permission_checked", "role_created", "role_assigned", "trace_checkpoint"}
)
