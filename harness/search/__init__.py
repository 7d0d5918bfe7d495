"""Search algorithms under fixed budgets: what they ask, what it costs, and how good the architectures they pick are."""
