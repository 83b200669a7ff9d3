"""How alerts reach people: email, chat, webhooks, commands."""

from __future__ import annotations

from mplp_trace_cli.delivery.sending import MOST_SECONDS, deliver
from mplp_trace_cli.delivery.settings import check_action

__all__ = ["MOST_SECONDS", "check_action", "deliver"]
