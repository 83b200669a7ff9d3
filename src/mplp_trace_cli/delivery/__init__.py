"""How alerts reach people: email, chat, webhooks, commands."""
